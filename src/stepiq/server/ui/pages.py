"""Routes of the web interface: its files, and the same page for every URL of the app, which shows what the URL names."""

import asyncio
import gzip
import hashlib
import mimetypes
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.types import Receive, Scope, Send

from stepiq.web.errors import UnknownPath
from stepiq.web.services import AppKey

DIST = Path(__file__).parent / "dist"
"""Where `scripts/build_ui.py` puts the build. The wheel contains it."""
NONCE_PLACE = "__CSP_NONCE__"
"""The place of the nonce in the page."""

_LEAST_GZIP_BYTES = 1024
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
_COMPRESSED = frozenset({".woff2", ".woff", ".png", ".jpg", ".webp", ".ico", ".gz"})
"""Formats that gzip does not make smaller."""


@dataclass(frozen=True)
class Asset:
    """A file that pages load."""

    name: str
    content: bytes = field(repr=False)

    @cached_property
    def media_type(self) -> str:
        suffix = Path(self.name).suffix
        guessed = _TYPES.get(suffix) or mimetypes.guess_type(self.name)[0]
        return guessed or "application/octet-stream"

    @cached_property
    def etag(self) -> str:
        """For both encodings, so it is a weak one."""
        return f'W/"{hashlib.sha256(self.content).hexdigest()[:32]}"'

    @cached_property
    def compressed(self) -> bytes | None:
        """The content with gzip, or None if that is not smaller. The first call takes some milliseconds."""
        if len(self.content) < _LEAST_GZIP_BYTES or Path(self.name).suffix in _COMPRESSED:
            return None
        made = gzip.compress(self.content, 9, mtime=0)
        return made if len(made) < len(self.content) else None


@dataclass(frozen=True)
class Bundle:
    """A built web interface, read once, so that a build while the server runs cannot mix the files of two versions."""

    page: str
    """The HTML of all pages, with `NONCE_PLACE` where the nonce belongs."""
    assets: Mapping[str, Asset]
    """By path below `/assets/`."""
    files: Mapping[str, Asset]
    """By name, at the root: what browsers request there, such as an icon."""

    @classmethod
    def load(cls, folder: Path = DIST) -> "Bundle | None":
        """Read a build. None if the folder contains none."""
        try:
            page = (folder / "index.html").read_text("utf-8")
        except FileNotFoundError:
            return None
        files = _read(folder, "[!.]*")
        del files["index.html"]
        return cls(page, _read(folder / "assets", "**/*"), files)

    def render(self) -> tuple[str, str]:
        """The page, and its Content-Security-Policy, with a new nonce."""
        nonce = secrets.token_urlsafe(16)
        return self.page.replace(NONCE_PLACE, nonce), policy(nonce)


def policy(nonce: str) -> str:
    """The policy of a page: scripts, styles, fonts and requests of this server only, and nothing inline without the nonce."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
        "connect-src 'self'; img-src 'self' data:; font-src 'self'; worker-src 'self'; manifest-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _read(folder: Path, pattern: str) -> dict[str, Asset]:
    names = [path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file()]
    return {name: Asset(name, (folder / name).read_bytes()) for name in names}


PAGES = (
    "login",
    "device",
    "register",
    "join",
    "forgot-password",
    "reset-password",
    "verify-email",
    "welcome",
    "review",
    "run-status",
    "confirm-recipient",
    "runs",
    "jobs",
    "deliveries",
    "pipelines",
    "reviews",
    "schedules",
    "usage",
    "settings",
    "admin",
)
"""First segments of the URLs of pages. Below them, the app decides which pages exist."""
ASSETS_PATH = "/assets/{name}"
PATHS = frozenset(
    {"/", ASSETS_PATH, *(f"/{each}{end}" for each in PAGES for end in ("", "/{page}"))}
)
"""The paths of all routes here. None requires a credential: the app has no data, and requests it from the API."""

BUNDLE = AppKey[Bundle | None]("ui")
BundleDep = Annotated[Bundle | None, Depends(BUNDLE)]

_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_A_DAY = "public, max-age=86400"
_NOT_PAGES = ("/api/", "/v1/", "/assets/")
_HEADERS = {"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"}
_NOT_BUILT = """\
The web interface is not built. The API works: see /docs.

To build it, run this in the folder of the source, then start the server again:

  make serve

An installation from a wheel contains the web interface.
"""


@cache
def installed() -> Bundle | None:
    """The build of this installation, or None if it has none. Read once."""
    return Bundle.load()


def router() -> APIRouter:
    """The routes of the pages and their files."""
    made = APIRouter(include_in_schema=False)
    made.add_api_route("/assets/{name:path}", read_asset)
    made.add_api_route("/", read_page)
    for each in PAGES:
        made.add_api_route(f"/{each}", read_page)
        made.add_api_route(f"/{each}/{{page:path}}", read_page)
    return made


def serve_other_paths(app: FastAPI) -> None:
    """For paths without a route, answer with a file of the app, or show browsers its page, which says what is missing."""
    refuse = app.router.default

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        bundle = BUNDLE.get(app)
        if scope["type"] != "http" or scope["method"] != "GET" or bundle is None:
            await refuse(scope, receive, send)
            return
        request, path = Request(scope), str(scope["path"])
        if (file := bundle.files.get(path[1:])) is not None:
            response = await serve_file(request, file, _FOR_A_DAY)
        elif "text/html" in request.headers.get("accept", "") and not path.startswith(_NOT_PAGES):
            response = serve_page(bundle, 404)
        else:
            await refuse(scope, receive, send)
            return
        await response(scope, receive, send)

    app.router.default = answer


async def read_page(bundle: BundleDep) -> Response:
    """The page of the app."""
    if bundle is None:
        return PlainTextResponse(_NOT_BUILT, 404)
    return serve_page(bundle)


async def read_asset(request: Request, bundle: BundleDep, name: str) -> Response:
    """A script, style or font."""
    asset = None if bundle is None else bundle.assets.get(name)
    if asset is None:
        raise UnknownPath(
            f"File /assets/{name[:200]} does not exist in this version. Reload the page."
        )
    return await serve_file(request, asset, _FOR_EVER)


def serve_page(bundle: Bundle, status: int = 200) -> Response:
    """The page of the app, with its policy."""
    html, policy = bundle.render()
    return HTMLResponse(html, status, {**_HEADERS, "Content-Security-Policy": policy})


async def serve_file(request: Request, asset: Asset, caching: str) -> Response:
    """A file, compressed if the client accepts that, or 304 if the client has it."""
    headers = {"Cache-Control": caching, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = asset.content
    if _accepts_gzip(request):
        # In a thread, because the first call compresses.
        compressed = await asyncio.to_thread(lambda: asset.compressed)
        if compressed is not None:
            content, headers["Content-Encoding"] = compressed, "gzip"
    return Response(content, headers=headers, media_type=asset.media_type)


def _accepts_gzip(request: Request) -> bool:
    codings = request.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
    return any(
        each == "gzip" or (each.startswith("gzip;q=") and each != "gzip;q=0") for each in codings
    )
