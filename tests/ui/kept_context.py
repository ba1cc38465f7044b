"""A browser context that tests use one after the other.

A new context has an empty cache: each test would fetch and compile the whole web interface. Everything else that a context
keeps ends with the test that left it there.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, Page

from tests.ui.support import PageProblems

_LEFT = """async () => ({
    cookies: document.cookie,
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
    databases: (await indexedDB.databases()).map(({ name }) => name),
    caches: await caches.keys(),
    workers: (await navigator.serviceWorker.getRegistrations()).map(({ scope }) => scope),
    locks: (await navigator.locks.query()).held.map(({ name }) => name),
})"""
"""What pages of an address keep, all of it."""
_LASTING = (
    "add_init_script",
    "expose_binding",
    "expose_function",
    "grant_permissions",
    "on",
    "once",
    "route_web_socket",
    "set_default_navigation_timeout",
    "set_default_timeout",
    "set_extra_http_headers",
    "set_geolocation",
    "set_offline",
)
"""Methods of contexts."""
_EMPTYING_SECONDS = 30
_CLOCK = ("install", "set_fixed_time", "set_system_time")
"""Methods of the clock, which pages share with their context."""


@dataclass(frozen=True)
class _Opened:
    context: BrowserContext
    keeper: Page
    """The smallest page of the address. It keeps the process of the address alive, and sees what is stored for it."""
    debugger: CDPSession


class KeptContext:
    """A context of one address that is emptied after each test, except for the HTTP cache."""

    def __init__(self, open_new: Callable[[], Awaitable[BrowserContext]], url: str) -> None:
        self._open_new = open_new
        self._url = url
        self._opened: _Opened | None = None

    @asynccontextmanager
    async def lent(self, problems: PageProblems) -> AsyncGenerator[BrowserContext]:
        """The context for one test, which fails if a page has a problem."""
        context = await self.take()
        with problems.watching(context), only_undoable(context):
            yield context
            await self.give_back()
        problems.check()

    async def take(self) -> BrowserContext:
        """The context, without anything of an earlier test."""
        if self._opened is None:
            context = await self._open_new()
            keeper = await context.new_page()
            await keeper.goto(f"{self._url}/health")
            self._opened = _Opened(context, keeper, await context.new_cdp_session(keeper))
        return self._opened.context

    async def give_back(self) -> None:
        """Empty the context. If something is left, or the browser does not answer, the next test gets a new one.

        What a page has stored just before its end can arrive after everything was deleted.
        """
        opened, self._opened = self._opened, None
        assert opened is not None
        is_empty = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EMPTYING_SECONDS):
                    is_empty = not any((await self.emptied(opened)).values())
        finally:
            if not is_empty:
                await _close(opened.context)
        self._opened = opened if is_empty else None

    async def close(self) -> None:
        """Close the context. Only then is the cache lost."""
        if self._opened is not None:
            await _close(self._opened.context)
            self._opened = None

    async def emptied(self, opened: _Opened) -> Mapping[str, Any]:
        context, keeper = opened.context, opened.keeper
        # First, so that no page writes again. Listeners, dialogs, locks and what a tab stores end with the page.
        await asyncio.gather(*(page.close() for page in context.pages if page is not keeper))
        await context.unroute_all()
        await context.clear_cookies()
        # All of them, but not the HTTP cache.
        data = {"origin": self._url, "storageTypes": "all"}
        await opened.debugger.send("Storage.clearDataForOrigin", data)
        left = await keeper.evaluate(_LEFT)
        return {**left, "all cookies": await context.cookies()}


async def _close(context: BrowserContext) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_EMPTYING_SECONDS):
            await context.close()


@contextmanager
def only_undoable(context: BrowserContext) -> Generator[None]:
    """Until the block ends, forbid what would apply to later tests and cannot be undone."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Open a context with `new_context`: this would apply to later tests.")

    forbidden = [(context, name) for name in _LASTING] + [(context.clock, name) for name in _CLOCK]
    for owner, name in forbidden:
        setattr(owner, name, refuse)
    yield
    for owner, name in forbidden:
        delattr(owner, name)
