"""The two routes. Each page is made when it is first asked for, and kept."""

from functools import cache

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from stepiq.server.docs import api, errors
from stepiq.server.docs.html import HEADERS

API_PATH = "/docs"
ERRORS_PATH = "/docs/errors"


def router(app: FastAPI, base_url: str) -> APIRouter:
    """The pages of an app.

    Args:
        app: whose `openapi()` is shown.
        base_url: of this server, for the examples.
    """
    made = APIRouter(include_in_schema=False)

    @cache
    def api_page() -> str:
        return api.render(app.openapi(), base_url)

    @cache
    def errors_page() -> str:
        return errors.render()

    @made.get(API_PATH)
    async def read_api() -> HTMLResponse:
        """The API for people: every route with examples."""
        return HTMLResponse(api_page(), headers=HEADERS)

    @made.get(ERRORS_PATH)
    async def read_errors() -> HTMLResponse:
        """Every error and what to do about it."""
        return HTMLResponse(errors_page(), headers=HEADERS)

    return made
