// Where the link in the reset mail leads: sends the token and the chosen password to the API.
const form = document.getElementById("form");
const outcome = document.getElementById("outcome");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = new URLSearchParams(location.search).get("token") ?? "";
  const answer = await fetch("/api/auth/password/reset/", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token, new_password: document.getElementById("password").value }),
  });
  if (answer.ok) {
    form.remove();
    outcome.textContent = "Done. You can sign in with your new password now.";
    return;
  }
  const problem = await answer.json();
  const fault = problem.errors?.[0];
  outcome.textContent =
    fault?.field === "token"
      ? "This link was used already, or is too old. Ask for another."
      : (fault?.message ?? problem.detail);
});
