"""The page that a password reset email links to."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from stepiq.web.standalone import StandalonePage

PATH = "/reset-password"

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 12vh auto; max-width: 24rem; padding: 0 1rem; }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit; }
input, button { padding: .5rem .75rem; margin: .25rem 0 1rem; }
[role=status] { min-height: 3rem; }
"""
_SCRIPT = """
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname);
const form = document.querySelector("form");
const say = (text) => { document.querySelector("[role=status]").textContent = text; };
if (!token) { form.hidden = true; say("This link is incomplete. Open the complete link from the email."); }
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say("");
  try {
    const answer = await fetch("api/auth/reset-password", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, password: form.password.value }),
    });
    const body = await answer.json();
    if (answer.ok) { form.hidden = true; say(`Your new password is set. All sessions have ended, so log in again. API keys revoked: ${body.api_keys_revoked}.`); return; }
    say(body.errors?.length ? body.errors.map((each) => each.message).join(" ") : body.detail);
  } catch {
    say("The server did not respond. Try again in a moment.");
  }
  button.disabled = false;
});
"""
_FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Set a new password · stepIQ</title>
<style>{style}</style>
<h1>Set a new password</h1>
<form>
  <label for="password">New password, at least 8 characters</label>
  <input id="password" name="password" type="password" autocomplete="new-password" minlength="8" maxlength="1024" required autofocus>
  <button>Set password</button>
</form>
<p role="status"></p>
<noscript>This page needs JavaScript. Turn it on, or send the token from the email to the API.</noscript>
<script>{script}</script>
</html>
"""
_PAGE = StandalonePage.build(_FRAME, style=_STYLE, script=_SCRIPT)

router = APIRouter()


@router.get(PATH, include_in_schema=False)
async def reset_page() -> HTMLResponse:
    """A page to set a new password with the token from the URL."""
    return HTMLResponse(_PAGE.html, headers=_PAGE.headers)
