"""URLs that the app and the server must agree on."""

import re

from stepiq.server.ui.pages import PAGES
from tests.support.containers import ROOT
from tests.support.public_paths import PUBLIC_PATHS

_ROUTES = ROOT / "ui" / "src" / "routes"


def _first_segments() -> set[str]:
    """The first segments of the app's URLs. Names with an underscore are not part of URLs."""
    found: set[str] = set()
    for path in _ROUTES.rglob("*.tsx"):
        parts = path.relative_to(_ROUTES).with_suffix("").as_posix().replace(".", "/").split("/")
        named = [part for part in parts if not part.startswith(("_", "$")) and part != "index"]
        found.update(named[:1])
    return found


_LINKS = (
    # base_url}/login, and paths that are added to it
    re.compile(r"\bbase_url\}/([a-z-]+)\b"),
    re.compile(r"^[A-Z_]*PAGE_PATH = \"/([a-z-]+)\"", re.MULTILINE),
)


def test_links_in_mails_and_messages_open_pages_of_the_app():
    found = {
        segment
        for path in (ROOT / "src" / "stepiq").rglob("*.py")
        for pattern in _LINKS
        for segment in pattern.findall(path.read_text("utf-8"))
    }

    assert {"login", "runs", "deliveries", "review", "run-status", "confirm-recipient"} <= found
    assert found - {"api", "ready"} <= _first_segments()


def test_the_server_serves_every_page_of_the_app():
    # These are pages of the server.
    of_server = {path.strip("/") for path in PUBLIC_PATHS}

    assert "login" in _first_segments()
    assert _first_segments() <= {*PAGES, *of_server}
