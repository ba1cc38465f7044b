"""The files of the built web interface, in memory.

They are read once, so that a build while the server runs cannot mix the files of two versions.
"""

import gzip
import hashlib
import mimetypes
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

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
    """A built web interface."""

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
