"""The page that a review email links to. Opening it decides nothing."""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from stepiq.runs.page import STYLE
from stepiq.runs.reviews.links import PAGE_PATH
from stepiq.web.standalone import StandalonePage

_HERE = files("stepiq.runs.reviews")
_PAGE = StandalonePage.build(
    _HERE.joinpath("page.html").read_text(encoding="utf-8"),
    style=STYLE,
    script=_HERE.joinpath("page.js").read_text(encoding="utf-8"),
)

router = APIRouter()


@router.get(PAGE_PATH, include_in_schema=False)
async def review_page() -> HTMLResponse:
    """A page to approve or reject a review."""
    return HTMLResponse(_PAGE.html, headers=_PAGE.headers)
