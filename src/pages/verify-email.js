// The page behind the link that verifies an address. Only the button sends the token, because programs that check mails
// open their links.
const [verify, outcome] = ["verify", "outcome"].map((id) => document.getElementById(id));
// The token is in the fragment, which no server and no log receives.
const token = new URLSearchParams(location.hash.slice(1)).get("token");

const NO_LONGER_VALID =
  "This link is no longer valid: it was used before, or it has expired. Sign in to have another one sent.";

/** Sends the token; returns undefined when it was accepted, or the problem. */
async function send() {
  try {
    const answer = await fetch("/api/auth/email/verify/", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    return answer.ok ? undefined : await answer.json();
  } catch {
    return { detail: "The server cannot be reached. Try again." };
  }
}

/** Shows the outcome in place of the button, because this link has no further use. */
function end(...outcomes) {
  verify.hidden = true;
  outcome.replaceChildren(...outcomes);
}

if (!token) end(NO_LONGER_VALID);
verify.addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = await send();
  const fault = problem?.errors?.[0];
  if (fault) return end(fault.code === "taken" ? fault.message : NO_LONGER_VALID);
  if (problem) {
    outcome.textContent = problem.detail;
    return;
  }
  const home = document.createElement("a");
  home.href = "/";
  home.textContent = "Go to the start page";
  end("Thank you: your e-mail address is confirmed. ", home);
});
