"""The page that a verification email links to. Opening it changes nothing, because programs also open links."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from stepiq.accounts.verification import PAGE_PATH
from stepiq.web.standalone import StandalonePage

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 12vh auto; max-width: 24rem; padding: 0 1rem; }
button { width: 100%; padding: .5rem .75rem; font: inherit; }
[role=status] { min-height: 3rem; }
"""
_SCRIPT = """
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname);
const button = document.querySelector("button");
const say = (text) => { document.querySelector("[role=status]").textContent = text; };
if (!token) { button.hidden = true; say("This link is incomplete. Open the complete link from the email."); }
button.addEventListener("click", async () => {
  button.disabled = true;
  say("");
  try {
    const answer = await fetch("api/auth/verify-email", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    const body = await answer.json();
    if (answer.ok) { button.hidden = true; say(`${body.email} is verified.`); return; }
    say(body.detail);
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
<title>Verify your email address · stepIQ</title>
<style>{style}</style>
<h1>Verify your email address</h1>
<button>Verify</button>
<p role="status"></p>
<noscript>This page needs JavaScript. Turn it on, or send the token from the email to the API.</noscript>
<script>{script}</script>
</html>
"""
_PAGE = StandalonePage.build(_FRAME, style=_STYLE, script=_SCRIPT)

router = APIRouter()


@router.get(PAGE_PATH, include_in_schema=False)
async def verify_page() -> HTMLResponse:
    """A button that sends the token from the address."""
    return HTMLResponse(_PAGE.html, headers=_PAGE.headers)
