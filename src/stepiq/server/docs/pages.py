"""The two routes. Each page is made when it is first asked for, and kept."""

import asyncio
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
    def api_page() -> bytes:
        return api.render(app.openapi(), base_url).encode()

    @cache
    def errors_page() -> bytes:
        return errors.render().encode()

    # Making a page takes most of a second, so it is done in a thread: runs and other requests go on meanwhile.
    @made.get(API_PATH)
    async def read_api() -> HTMLResponse:
        """The API for people: every route with examples."""
        return HTMLResponse(await asyncio.to_thread(api_page), headers=HEADERS)

    @made.get(ERRORS_PATH)
    async def read_errors() -> HTMLResponse:
        """Every error and what to do about it."""
        return HTMLResponse(await asyncio.to_thread(errors_page), headers=HEADERS)

    return made
