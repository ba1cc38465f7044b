"""The page that an email about a failed run links to."""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from stepiq.runs.links import RUN_PAGE_PATH
from stepiq.web.standalone import StandalonePage

_HERE = files("stepiq.runs")
STYLE = _HERE.joinpath("page.css").read_text(encoding="utf-8")
_PAGE = StandalonePage.build(
    _HERE.joinpath("page.html").read_text(encoding="utf-8"),
    style=STYLE,
    script=_HERE.joinpath("page.js").read_text(encoding="utf-8"),
)

router = APIRouter()


@router.get(RUN_PAGE_PATH, include_in_schema=False)
async def run_page() -> HTMLResponse:
    """A page with the status, the error and the steps of one run."""
    return HTMLResponse(_PAGE.html, headers=_PAGE.headers)
