"""The page behind the link of a review's mail. It loads nothing and talks to this server only.

The token stands behind the `#` of the address, which no browser sends: it gets into no log. Opening the page decides nothing.
"""

import base64
import hashlib
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from stepiq.runs.reviews.links import PAGE_PATH

_HERE = files("stepiq.runs.reviews")
_STYLE, _SCRIPT, _FRAME = (
    _HERE.joinpath(name).read_text(encoding="utf-8")
    for name in ("page.css", "page.js", "page.html")
)
_PAGE = _FRAME.replace("{style}", _STYLE).replace("{script}", _SCRIPT)


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_source(_SCRIPT)}; style-src {_source(_STYLE)}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

router = APIRouter()


@router.get(PAGE_PATH, include_in_schema=False)
async def review_page() -> HTMLResponse:
    """What is under review, and two buttons."""
    return HTMLResponse(_PAGE, headers=_HEADERS)
