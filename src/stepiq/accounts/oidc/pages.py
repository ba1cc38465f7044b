"""The redirects and the page with which a sign-in ends."""

import html
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse, RedirectResponse

from stepiq.accounts.oidc.errors import SignInFailure

PROFILE = "/settings/profile"
"""The page that shows the identities of an account."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    # The URL of this page has the code, which was used.
    "Referrer-Policy": "no-referrer",
}
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="0;url={target}">
<title>stepIQ</title>
</head>
<body><p><a href="{target}">Continue</a></p></body>
</html>
"""


def continue_to(path: str) -> HTMLResponse:
    """A page that opens a page of this server.

    A redirect would continue the navigation that the provider has started, so browsers would not send the session
    cookie, which is `SameSite=Strict`. This page starts a navigation of its own.
    """
    return HTMLResponse(_PAGE.format(target=html.escape(path)), headers=_HEADERS)


def failed(
    failure: SignInFailure, provider: str, next_page: str, *, connects: bool = False
) -> RedirectResponse:
    """A redirect to the page that shows why a sign-in has failed."""
    facts = {"failure": failure.value, "provider": provider[:40]}
    if connects:
        return _redirect(f"{PROFILE}?{urlencode(facts)}")
    if next_page != "/":
        facts["next"] = next_page
    return _redirect(f"/login?{urlencode(facts)}")


def to_provider(url: str) -> RedirectResponse:
    """A redirect to the sign-in page of a provider."""
    return _redirect(url)


def _redirect(url: str) -> RedirectResponse:
    return RedirectResponse(url, 302, headers={"Referrer-Policy": "no-referrer"})
