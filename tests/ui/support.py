"""Helpers of tests of the web interface."""

import asyncio
import os
import re
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebError,
    expect,
)

from stepiq.server.ui.pages import DIST
from tests.support.mail import kept

TIMEOUT_MS = 30_000
"""How long pages have. The machine may be busy with other tests."""
PASSWORD = "correct horse battery"
OTHER_SITE = "127.0.0.3"
"""An address of this machine that is another site for browsers. Ports do not distinguish sites."""

_AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"
# Colors are also in motion, after a change of the theme. What inherits a color follows it one step later, so ask again
# until nothing moves. What moves for ever, such as a spinner, is left out.
_END_OF_MOTION = """async () => {
    const moving = () => document.getAnimations()
        .filter((each) => Number.isFinite(each.effect.getComputedTiming().endTime));
    for (let all = moving(); all.length > 0; all = moving()) {
        await Promise.all(all.map((each) => each.finished.catch(() => undefined)));
    }
}"""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_COLOR_RULES = ["color-contrast", "link-in-text-block"]
"""The rules among these that depend on colors. A theme changes nothing else."""


@dataclass(frozen=True)
class Person:
    """An account."""

    email: str
    password: str
    token: str
    """An access token for the API, valid for 15 minutes."""


@dataclass(frozen=True)
class UiServer:
    """The server of a test process."""

    url: str
    admin: Person
    """The first account, which all tests share."""
    proof: dict[str, str]
    """A field with which any number of accounts can register."""
    data: Path
    """The data folder. The server writes its mail there."""


def chromium() -> str:
    """The path of Chromium: `STEPIQ_TEST_CHROMIUM`, or else its headless shell, or else the command `chromium`."""
    # The shell has no windows, so it cannot show a test.
    shell = [] if "STEPIQ_TEST_HEADED" in os.environ else ["chromium-headless-shell"]
    given = os.environ.get("STEPIQ_TEST_CHROMIUM")
    wanted = [*shell, "chromium"] if given is None else [given]
    found = next(filter(None, map(shutil.which, wanted)), None)
    assert found is not None, f"No command {' or '.join(wanted)}. Run scripts/chromium.sh."
    return found


def launch_arguments() -> list[str]:
    """Options of Chromium. It can reach only this machine."""
    # Chromium refuses to run its sandbox as root.
    unconfined = ["--no-sandbox"] if os.geteuid() == 0 else []
    known = f"EXCLUDE 127.0.0.1, EXCLUDE {OTHER_SITE}"
    # Otherwise, a process imitates a graphics card, which takes more CPU than drawing without one.
    undrawn = ["--disable-gpu", "--disable-software-rasterizer"]
    return [*unconfined, *undrawn, f"--host-resolver-rules=MAP * ~NOTFOUND, {known}"]


def require_build() -> None:
    """Fail if the web interface is not built."""
    assert (DIST / "index.html").is_file(), (
        "The web interface is not built. Run scripts/build_ui.py, or `make test`, which does."
    )


@dataclass
class PageProblems:
    """Errors in the console, uncaught exceptions, violations of the policy, and requests to other servers."""

    url: str
    all: list[str] = field(default_factory=list)
    """Also those that the test expects."""
    _expected: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Record the problems of all pages of a context."""
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("request", self._on_request)

    @contextmanager
    def watching(self, context: BrowserContext) -> Generator[None]:
        """Record them until the block ends."""
        self.watch(context)
        yield
        context.remove_listener("console", self._on_console)
        context.remove_listener("weberror", self._on_error)
        context.remove_listener("request", self._on_request)

    def expect(self, text: str) -> None:
        """Permit problems that contain this text, such as `status of 404` for a page that shows one."""
        self._expected.append(text)

    def check(self) -> None:
        """Fail if there was a problem that the test did not expect."""
        assert not self.found, "\n".join(self.found)

    @property
    def found(self) -> list[str]:
        """The problems that no call of `expect` permits."""
        return [each for each in self.all if not any(text in each for text in self._expected)]

    def _add(self, text: str) -> None:
        self.all.append(text)

    def _on_error(self, error: WebError) -> None:
        self._add(f"uncaught: {error.error}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        address = message.location["url"]
        # Every visitor without a session causes this one.
        is_signed_out = address == f"{self.url}/api/session" and "status of 401" in message.text
        if not is_signed_out:
            self._add(f"{message.type}: {message.text} ({address})")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", "data:", "blob:")):
            self._add(f"request to another server: {request.url}")


async def open_context(browser: Browser, url: str) -> BrowserContext:
    """Open a browser without a session for a server, 1440 by 900 pixels."""
    context = await browser.new_context(
        base_url=url,
        viewport={"width": 1440, "height": 900},
        locale="en-US",
        timezone_id="Europe/Berlin",
    )
    context.set_default_timeout(TIMEOUT_MS)
    return context


async def sign_in(page: Page, person: Person) -> None:
    """Sign in on the page for it, and wait for the frame with the navigation."""
    await page.goto("/login")
    await page.get_by_label("Email").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect_signed_in(page)


async def open_session(page: Page, person: Person) -> None:
    """Give the browser a session without a page for it, which takes longer than most tests. Go to a page then."""
    login = {"email": person.email, "password": person.password}
    response = await page.context.request.post("/api/session", data=login)
    assert response.ok, await response.text()


async def expect_signed_in(page: Page) -> None:
    """Wait for the frame that only signed-in people see."""
    await expect(page.get_by_role("button", name=re.compile("^Account "))).to_be_visible()


async def linked_in_mail(server: UiServer, address: str, pattern: str) -> str:
    """Wait for a mail to an address with a link that matches; returns the link without the server's address."""
    async with asyncio.timeout(30):
        while True:
            for mail in kept(server.data):
                found = re.search(re.escape(server.url) + f"({pattern})", mail.get_content())
                if mail["To"] == address and found is not None:
                    return found[1]
            # The server, a separate process, announces no mail.
            await asyncio.sleep(0.05)


async def assert_accessible(page: Page, *, without: Sequence[str] = ()) -> None:
    """Fail if axe reports a violation on the page as it is now.

    Args:
        page: settled, because axe also reports what is fading in.
        without: names of rules to skip. Each needs a reason in the test.
    """
    rules = {name: {"enabled": False} for name in without}
    await _check(page, {"runOnly": _RULES, "rules": rules})


async def _check(page: Page, options: dict[str, Any]) -> None:
    await page.evaluate(_END_OF_MOTION)
    if not await page.evaluate("'axe' in window"):
        # As text through the debugger: the policy of the page forbids every other way.
        await page.evaluate(_axe())
    # Only a rule about audio and video needs what axe would load first, and no page has any.
    options = {**options, "resultTypes": ["violations"], "preload": False}
    result = await page.evaluate("options => axe.run(document, options)", options)
    violations = [_describe(each) for each in result["violations"]]
    assert not violations, "\n".join(violations)


async def assert_accessible_in_both_themes(page: Page) -> None:
    """Fail if axe reports a violation on the page in its theme, or one of its colors in the other theme."""
    shown, other = ("dark", "light") if await _is_dark(page) else ("light", "dark")
    await _show_in(page, shown)
    await assert_accessible(page)
    await _show_in(page, other)
    await _check(page, {"runOnly": _COLOR_RULES})


async def _is_dark(page: Page) -> bool:
    return await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")


async def _show_in(page: Page, scheme: Literal["light", "dark"]) -> None:
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)


def _describe(violation: dict[str, Any]) -> str:
    places = ", ".join(" ".join(map(str, node["target"])) for node in violation["nodes"])
    advice = violation["nodes"][0]["failureSummary"]
    return f"{violation['id']}: {violation['help']} at {places}\n{advice}"


@cache
def _axe() -> str:
    assert _AXE.is_file(), "axe-core is not installed. Run scripts/build_ui.py."
    return _AXE.read_text("utf-8")
