"""The routes of the pages. Each page is generated on the first request, and cached.

Browsers with a session get the page of the app instead, which shows the same content in its frame. All other clients
get the content itself, which needs no session and no JavaScript.
"""

import asyncio
from collections.abc import Callable
from functools import cache

from fastapi import APIRouter, FastAPI, Request, Response

from stepiq.accounts.http import AuthServices, DoorsDep
from stepiq.core.errors import StepIQError
from stepiq.server.docs import api, errors, steps
from stepiq.server.docs.html import HEADERS
from stepiq.server.ui import pages as ui
from stepiq.server.ui.bundle import Asset
from stepiq.web.services import ServicesDep

API_PATH = "/docs"
ERRORS_PATH = "/docs/errors"
STEPS_PATH = "/docs/steps"

_PLAIN = "plain"
"""A query parameter with which everyone gets the content itself."""
_REVALIDATE = "no-cache"


def router(app: FastAPI) -> APIRouter:
    """The routes that show the `openapi()` of an app, with the server's address in the examples."""
    made = APIRouter(include_in_schema=False)

    @cache
    def api_page(base_url: str) -> Asset:
        return _asset("api.html", api.render(app.openapi(), base_url))

    @cache
    def errors_page() -> Asset:
        return _asset("errors.html", errors.render())

    @cache
    def steps_page() -> Asset:
        return _asset("steps.html", steps.render())

    @made.get(API_PATH)
    async def read_api(
        request: Request, bundle: ui.BundleDep, doors: DoorsDep, services: ServicesDep
    ) -> Response:
        """The API reference: every route with examples."""
        base_url = services.settings.base_url
        return await _answer(request, bundle, doors, lambda: api_page(base_url))

    @made.get(ERRORS_PATH)
    async def read_errors(request: Request, bundle: ui.BundleDep, doors: DoorsDep) -> Response:
        """All errors, and what to do about each."""
        return await _answer(request, bundle, doors, errors_page)

    @made.get(STEPS_PATH)
    async def read_steps(request: Request, bundle: ui.BundleDep, doors: DoorsDep) -> Response:
        """The step types that are installed on this server."""
        return await _answer(request, bundle, doors, steps_page)

    return made


async def _answer(
    request: Request, bundle: ui.BundleDep, doors: DoorsDep, content: Callable[[], Asset]
) -> Response:
    if bundle is not None and await _wants_app(request, doors):
        response = ui.serve_page(bundle)
    else:
        # Generating it takes most of a second. A thread keeps the event loop free for runs and other requests.
        asset = await asyncio.to_thread(content)
        response = await ui.serve_file(request, asset, _REVALIDATE)
        response.headers.update(HEADERS)
    response.headers["Vary"] = "Accept, Accept-Encoding, Cookie"
    return response


async def _wants_app(request: Request, doors: AuthServices) -> bool:
    """Whether a browser with a session opens the page. Scripts of the app accept any media type."""
    if "text/html" not in request.headers.get("accept", "") or _PLAIN in request.query_params:
        return False
    cookie = doors.cookies.value_of(request)
    if cookie is None:
        return False
    try:
        await doors.authenticator.by_session(doors.cookies.session_of(cookie))
    except StepIQError:
        # The session has ended, or the database does not answer. The content needs neither.
        return False
    return True


def _asset(name: str, html: str) -> Asset:
    return Asset(name, html.encode())
