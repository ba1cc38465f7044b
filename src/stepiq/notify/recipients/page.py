"""The page that a confirmation email links to. Opening it changes nothing, because programs also open links."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from stepiq.notify.recipients.links import PAGE_PATH
from stepiq.web.standalone import StandalonePage

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 12vh auto; max-width: 24rem; padding: 0 1rem; }
button { width: 100%; margin: 0 0 .75rem; padding: .5rem .75rem; font: inherit; }
[role=status] { min-height: 3rem; }
"""
_SCRIPT = """
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname);
const buttons = [...document.querySelectorAll("button")];
const say = (text) => { document.querySelector("[role=status]").textContent = text; };
const hide = () => { for (const button of buttons) button.hidden = true; };
if (!token) { hide(); say("This link is incomplete. Open the complete link from the email."); }
const results = {
  confirm: (email) => `Confirmed. ${email} now gets the emails of this sender. The link in them stops them.`,
  refuse: (email) => `Done. ${email} gets no more emails of this sender, and no other sender can ask for it.`,
};
for (const button of buttons) button.addEventListener("click", async () => {
  for (const each of buttons) each.disabled = true;
  say("");
  try {
    const answer = await fetch(`api/recipients/${button.value}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    const body = await answer.json();
    if (answer.ok) { hide(); say(results[button.value](body.email)); return; }
    say(body.detail);
  } catch {
    say("The server did not respond. Try again in a moment.");
  }
  for (const each of buttons) each.disabled = false;
});
"""
_FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Emails from stepIQ</title>
<style>{style}</style>
<h1>Emails from stepIQ</h1>
<p>Do you want to receive the emails of the sender that your email names?</p>
<button id="confirm" value="confirm">Yes, send them</button>
<button id="refuse" value="refuse">No, and never ask me again</button>
<p role="status"></p>
<noscript>This page needs JavaScript. Turn it on, or send the token from the link to the API.</noscript>
<script>{script}</script>
</html>
"""
_PAGE = StandalonePage.build(_FRAME, style=_STYLE, script=_SCRIPT)

router = APIRouter()


@router.get(PAGE_PATH, include_in_schema=False)
async def recipient_page() -> HTMLResponse:
    """Two buttons that send the token from the address."""
    return HTMLResponse(_PAGE.html, headers=_PAGE.headers)
