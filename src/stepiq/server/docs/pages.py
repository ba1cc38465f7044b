"""The routes of the pages. Each page is generated on the first request, and cached.

Browsers with a session get the page of the app instead, which shows the same content in its frame. All other clients
get the content itself, which needs no session and no JavaScript. Programs can get each page as Markdown.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from stepiq.accounts.http import AuthServices, DoorsDep
from stepiq.core.errors import StepIQError
from stepiq.server.ui import pages as ui
from stepiq.server.ui.pages import Asset
from stepiq.web.bodies import prefers
from stepiq.web.errors import UnknownPath
from stepiq.web.services import AppKey

if TYPE_CHECKING:
    from stepiq.server.docs.contents import Contents

_PLAIN = "plain"
"""A query parameter with which everyone gets the content itself."""
_MARKDOWN = "text/markdown"
_REVALIDATE = "no-cache"

Load = Callable[[], "Contents"]
CONTENTS = AppKey[Load]("docs")
ContentsDep = Annotated[Load, Depends(CONTENTS)]

router = APIRouter(include_in_schema=False)


def contents(document: Callable[[], dict[str, Any]], base_url: str) -> Load:
    """A function that returns what the pages of a server at this URL show. Its first call loads their code.

    Args:
        document: returns the OpenAPI document.
        base_url: of the server, for the examples.
    """

    @cache
    def load() -> "Contents":
        from stepiq.server.docs.contents import Contents  # noqa: PLC0415 - rarely used soon after a start

        return Contents(document, base_url)

    return load


@router.get("/docs")
async def read_api(
    request: Request, bundle: ui.BundleDep, doors: DoorsDep, load: ContentsDep
) -> Response:
    """The API reference: every route with examples."""
    return await _answer(request, bundle, doors, load, "api", lambda shown: shown.api)


@router.get("/docs/errors")
async def read_errors(
    request: Request, bundle: ui.BundleDep, doors: DoorsDep, load: ContentsDep
) -> Response:
    """All errors, and what to do about each."""
    return await _answer(request, bundle, doors, load, "errors", lambda shown: shown.errors)


@router.get("/docs/steps")
async def read_steps(
    request: Request, bundle: ui.BundleDep, doors: DoorsDep, load: ContentsDep
) -> Response:
    """The step types that are installed on this server."""
    return await _answer(request, bundle, doors, load, "steps", lambda shown: shown.steps)


@router.get("/llms.txt")
async def read_index(request: Request, load: ContentsDep) -> Response:
    """All pages of the documentation, as llmstxt.org defines it."""
    return await _file(request, lambda: load().index)


@router.get("/llms-full.txt")
async def read_everything(request: Request, load: ContentsDep) -> Response:
    """The whole documentation as one Markdown file."""
    return await _file(request, lambda: load().everything)


@router.get("/docs.md")
async def read_api_guide(request: Request, load: ContentsDep) -> Response:
    """The guide of the API as Markdown."""
    return await _file(request, lambda: load().markdown("api"))


@router.get("/docs/search")
async def search(load: ContentsDep, q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The parts of the documentation that contain the words of `q`."""
    found = await asyncio.to_thread(lambda: load().search(q))
    return Response(found, media_type="text/html", headers=load().headers)


@router.get("/docs/{name:path}")
async def read_guide(
    request: Request, bundle: ui.BundleDep, load: ContentsDep, name: str
) -> Response:
    """A page of the documentation, as HTML or Markdown."""
    guide = await asyncio.to_thread(lambda: load().find(name))
    if guide is None:
        if bundle is not None and _accepts_html(request):
            return ui.serve_page(bundle, 404)
        raise UnknownPath(f"The documentation has no page {name[:200]}. /llms.txt lists all pages.")
    if name.endswith(".md"):
        return await _file(request, lambda: load().markdown(guide.name))
    return await _page(request, load, guide.name, lambda shown: shown.guide(guide.name))


async def _file(request: Request, content: Callable[[], Asset]) -> Response:
    # Generating it can take most of a second. A thread keeps the event loop free for runs and other requests.
    return await ui.serve_file(request, await asyncio.to_thread(content), _REVALIDATE)


async def _page(
    request: Request, load: Load, guide: str, content: Callable[["Contents"], Asset]
) -> Response:
    """The content as HTML, or the guide of this name for a client that prefers Markdown."""
    accept = request.headers.get("accept")
    if prefers(accept, (_MARKDOWN,), "text/html"):
        response = await _file(request, lambda: load().markdown(guide))
    else:
        response = await _file(request, lambda: content(load()))
        response.headers.update(load().headers)
    response.headers["Vary"] = "Accept, Accept-Encoding"
    return response


async def _answer(
    request: Request,
    bundle: ui.BundleDep,
    doors: DoorsDep,
    load: Load,
    guide: str,
    content: Callable[["Contents"], Asset],
) -> Response:
    if bundle is not None and await _wants_app(request, doors):
        response = ui.serve_page(bundle)
    else:
        response = await _page(request, load, guide, content)
    response.headers["Vary"] = "Accept, Accept-Encoding, Cookie"
    return response


async def _wants_app(request: Request, doors: AuthServices) -> bool:
    """Whether a browser with a session opens the page. Scripts of the app accept any media type."""
    if not _accepts_html(request) or _PLAIN in request.query_params:
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


def _accepts_html(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "text/html" in accept and not prefers(accept, (_MARKDOWN,), "text/html")
