"""The routes of the pages. Each page is generated on the first request, and cached."""

import asyncio
from functools import cache

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from stepiq.server.docs import api, errors, steps
from stepiq.server.docs.html import HEADERS
from stepiq.web.services import ServicesDep

API_PATH = "/docs"
ERRORS_PATH = "/docs/errors"
STEPS_PATH = "/docs/steps"


def router(app: FastAPI) -> APIRouter:
    """The routes that show the `openapi()` of an app, with the server's address in the examples."""
    made = APIRouter(include_in_schema=False)

    @cache
    def api_page(base_url: str) -> bytes:
        return api.render(app.openapi(), base_url).encode()

    @cache
    def errors_page() -> bytes:
        return errors.render().encode()

    @cache
    def steps_page() -> bytes:
        return steps.render().encode()

    # Generating a page takes most of a second. A thread keeps the event loop free for runs and other requests.
    @made.get(API_PATH)
    async def read_api(services: ServicesDep) -> HTMLResponse:
        """The API reference: every route with examples."""
        page = await asyncio.to_thread(api_page, services.settings.base_url)
        return HTMLResponse(page, headers=HEADERS)

    @made.get(ERRORS_PATH)
    async def read_errors() -> HTMLResponse:
        """All errors, and what to do about each."""
        return HTMLResponse(await asyncio.to_thread(errors_page), headers=HEADERS)

    @made.get(STEPS_PATH)
    async def read_steps() -> HTMLResponse:
        """The step types that are installed on this server."""
        return HTMLResponse(await asyncio.to_thread(steps_page), headers=HEADERS)

    return made
