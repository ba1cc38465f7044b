"""The routes of the pages. Each page is generated on the first request, and cached.

Browsers with a session get the page of the app instead, which shows the same content in its frame. All other clients
get the content itself, which needs no session and no JavaScript. Programs can get each page as Markdown.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from html import escape
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request, Response

from stepiq.accounts.http import AuthServices, DoorsDep
from stepiq.core.errors import StepIQError
from stepiq.language.definitions.step_types import TypePackage, packages, step_types
from stepiq.language.fields.description import needed_by, nodes_of
from stepiq.server.docs import api, errors, guide_page, guides
from stepiq.server.docs.html import HEADERS, SEARCH_PATH, inline, page, table
from stepiq.server.ui import pages as ui
from stepiq.server.ui.pages import Asset
from stepiq.web.bodies import prefers
from stepiq.web.errors import UnknownPath
from stepiq.web.services import ServicesDep

_HEAD = '<ul><li><a href="/docs">API</a></li><li><a href="/docs/errors">Errors</a></li></ul>'


def render() -> str:
    """The whole page."""
    content = "<h1>Step types</h1><p>The values of <code>type</code> in a step.</p>"
    links = ""
    for name in step_types():
        content += _section(name, packages()[name])
        links += f'<li><a href="#{escape(name)}">{escape(name)}</a></li>'
    return page("Step types", f'{_HEAD}<ul class="entries">{links}</ul>', content)


def _section(name: str, package: TypePackage) -> str:
    step_type = step_types()[name]
    required = needed_by(step_type.spec)
    rows = [
        (
            f"<code>{escape(field)}</code>",
            "required" if field in required else "optional",
            inline(str(node.get("markdownDescription") or node.get("description") or "")),
        )
        for field, node in nodes_of(step_type.spec).items()
    ]
    origin = (
        "" if package.is_built_in else f"<p>From the package {escape(package.distribution)}.</p>"
    )
    return (
        f'<article id="{escape(name)}"><h2><code>{escape(name)}</code></h2><p>{inline(step_type.description)}</p>{origin}'
        + table(("field", "use", "means"), rows)
        + "</article>"
    )


API_PATH = "/docs"
ERRORS_PATH = "/docs/errors"
STEPS_PATH = "/docs/steps"
GUIDE_PATH = "/docs/{name}"
INDEX_PATH = "/llms.txt"
EVERYTHING_PATH = "/llms-full.txt"
PATHS = frozenset(
    {
        API_PATH,
        f"{API_PATH}.md",
        ERRORS_PATH,
        STEPS_PATH,
        SEARCH_PATH,
        GUIDE_PATH,
        INDEX_PATH,
        EVERYTHING_PATH,
    }
)
"""The paths of all routes here. None requires a credential."""

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
        return _asset("steps.html", render())

    @made.get(API_PATH)
    async def read_api(
        request: Request, bundle: ui.BundleDep, doors: DoorsDep, services: ServicesDep
    ) -> Response:
        """The API reference: every route with examples."""
        base_url = services.settings.base_url
        return await _answer(request, bundle, doors, lambda: api_page(base_url), "api")

    @made.get(ERRORS_PATH)
    async def read_errors(request: Request, bundle: ui.BundleDep, doors: DoorsDep) -> Response:
        """All errors, and what to do about each."""
        return await _answer(request, bundle, doors, errors_page, "errors")

    @made.get(STEPS_PATH)
    async def read_steps(request: Request, bundle: ui.BundleDep, doors: DoorsDep) -> Response:
        """The step types that are installed on this server."""
        return await _answer(request, bundle, doors, steps_page, "steps")

    made.add_api_route(INDEX_PATH, read_index)
    made.add_api_route(EVERYTHING_PATH, read_everything)
    made.add_api_route(f"{API_PATH}.md", read_api_guide)
    made.add_api_route(SEARCH_PATH, search)
    made.add_api_route("/docs/{name:path}", read_guide)
    return made


async def read_index(request: Request, services: ServicesDep) -> Response:
    """All pages of the documentation, as llmstxt.org defines it."""
    base_url = services.settings.base_url
    return await _file(request, lambda: _index(base_url))


async def read_everything(request: Request) -> Response:
    """The whole documentation as one Markdown file."""
    return await _file(request, _everything)


async def read_api_guide(request: Request) -> Response:
    """The guide of the API as Markdown."""
    return await _file(request, lambda: _markdown("api"))


async def search(q: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The parts of the documentation that contain the words of `q`."""
    found = await asyncio.to_thread(guide_page.search, q)
    return Response(found, media_type="text/html", headers=HEADERS)


async def read_guide(request: Request, bundle: ui.BundleDep, name: str) -> Response:
    """A page of the documentation, as HTML or Markdown."""
    guide = guides.find(name)
    if guide is None:
        if bundle is not None and _accepts_html(request):
            return ui.serve_page(bundle, 404)
        raise UnknownPath(
            f"The documentation has no page {name[:200]}. {INDEX_PATH} lists all pages."
        )
    if name.endswith(".md"):
        return await _file(request, lambda: _markdown(guide.name))
    return await _page(request, lambda: _guide_page(guide.name), guide.name)


@cache
def _index(base_url: str) -> Asset:
    return Asset("llms.txt", guides.llms_index(base_url).encode())


@cache
def _everything() -> Asset:
    return Asset("llms-full.txt", guides.llms_full().encode())


@cache
def _markdown(name: str) -> Asset:
    return Asset(f"{name}.md", guides.page(guides.guides()[name]).encode())


@cache
def _guide_page(name: str) -> Asset:
    return _asset(f"{name}.html", guide_page.render(guides.guides()[name]))


async def _file(request: Request, content: Callable[[], Asset]) -> Response:
    # Generating it can take most of a second. A thread keeps the event loop free for runs and other requests.
    return await ui.serve_file(request, await asyncio.to_thread(content), _REVALIDATE)


async def _page(request: Request, content: Callable[[], Asset], guide: str) -> Response:
    """The content as HTML, or the guide of this name for a client that prefers Markdown."""
    accept = request.headers.get("accept")
    if prefers(accept, (guides.MEDIA_TYPE,), "text/html"):
        response = await _file(request, lambda: _markdown(guide))
    else:
        response = await _file(request, content)
        response.headers.update(HEADERS)
    response.headers["Vary"] = "Accept, Accept-Encoding"
    return response


async def _answer(
    request: Request,
    bundle: ui.BundleDep,
    doors: DoorsDep,
    content: Callable[[], Asset],
    guide: str,
) -> Response:
    if bundle is not None and await _wants_app(request, doors):
        response = ui.serve_page(bundle)
    else:
        response = await _page(request, content, guide)
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
    return "text/html" in accept and not prefers(accept, (guides.MEDIA_TYPE,), "text/html")


def _asset(name: str, html: str) -> Asset:
    return Asset(name, html.encode())
