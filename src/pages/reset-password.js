// The page behind the link in the reset mail: sends the token and the new password to the API.
const [reset, again, password, show, outcome] = ["reset", "again", "password", "show", "outcome"].map((id) =>
  document.getElementById(id),
);
// The token is in the fragment, which no server and no log receives.
const token = new URLSearchParams(location.hash.slice(1)).get("token");

/** Sends JSON; returns undefined when it was accepted, or the problem. */
async function post(path, body) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return answer.ok ? undefined : await answer.json();
  } catch {
    return { detail: "The server cannot be reached. Try again." };
  }
}

/** Offers to send another link, because this one is no longer valid. */
function offerAnother() {
  reset.hidden = true;
  again.hidden = false;
  outcome.textContent = "This link is no longer valid: it was used before, or it has expired.";
}

if (!token) offerAnother();
show.addEventListener("change", () => {
  password.type = show.checked ? "text" : "password";
});
reset.addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = await post("/api/auth/password/reset/", { token, new_password: password.value });
  const fault = problem?.errors?.[0];
  if (fault?.field === "token") return offerAnother();
  if (problem) {
    outcome.textContent = fault?.message ?? problem.detail;
    return;
  }
  reset.hidden = true;
  const home = document.createElement("a");
  home.href = "/";
  home.textContent = "Go to the start page";
  outcome.replaceChildren("Your password is changed. You can sign in with it now. ", home);
});
again.addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = await post("/api/auth/password/forgot/", { email: document.getElementById("email").value });
  again.hidden = problem === undefined;
  outcome.textContent = problem
    ? (problem.errors?.[0]?.message ?? problem.detail)
    : "If an account has this address, a new link is on its way.";
});
