"""The browser context that tests share keeps the web interface, and nothing else."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from tests.ui.kept_context import KeptContext, only_undoable
from tests.ui.support import Person, UiServer, open_session

LEAVE = """async () => {
    document.cookie = "left=1";
    localStorage.setItem("left", "1");
    sessionStorage.setItem("left", "1");
    const opening = indexedDB.open("left");
    await new Promise((resolve) => { opening.onsuccess = resolve; });
    await caches.open("left");
    await new Promise((resolve) => {
        navigator.locks.request("left", () => new Promise(() => resolve()));
    });
}"""
READ = """async () => [
    document.cookie,
    localStorage.length,
    sessionStorage.length,
    (await indexedDB.databases()).length,
    (await caches.keys()).length,
    (await navigator.locks.query()).held.length,
]"""
FETCHED = """() => performance.getEntriesByType("resource")
    .filter(({ name, transferSize }) => name.includes("/assets/") && transferSize > 0)
    .map(({ name }) => name)"""


@pytest_asyncio.fixture(loop_scope="session")
async def kept(browser: Browser, ui_server: UiServer) -> AsyncIterator[KeptContext]:
    async def open_new() -> BrowserContext:
        return await browser.new_context(base_url=ui_server.url)

    kept = KeptContext(open_new, ui_server.url)
    yield kept
    await kept.close()


async def test_nothing_of_a_test_is_left_for_the_next(kept: KeptContext, person: Person):
    context = await kept.take()
    page = await context.new_page()
    await open_session(page, person)
    await page.goto("/health")
    before = await page.evaluate(READ)
    await page.evaluate(LEAVE)
    await context.route("**/login", lambda route: route.abort())
    assert await page.evaluate(READ) == ["left=1", 1, 1, 1, 1, 1]

    await kept.give_back()
    again = await kept.take()

    assert again is context
    assert page.is_closed()
    page = await again.new_page()
    await page.goto("/health")
    assert await again.cookies() == []
    assert await page.evaluate(READ) == before == ["", 0, 0, 0, 0, 0]
    assert (await page.goto("/login")) is not None


@pytest.mark.parametrize("does_answer", [False, True])
async def test_if_something_is_left_or_unknown_the_next_test_gets_a_new_context(
    kept: KeptContext, monkeypatch: pytest.MonkeyPatch, does_answer: bool
):
    async def empty(_: object) -> dict[str, object]:
        if not does_answer:
            raise TimeoutError
        return {"local": ["left"]}

    context = await kept.take()
    monkeypatch.setattr(kept, "emptied", empty)

    await kept.give_back()

    assert await kept.take() is not context


async def test_the_web_interface_is_not_fetched_again(kept: KeptContext):
    fetched: list[int] = []
    for _ in range(2):
        page = await (await kept.take()).new_page()
        # Some parts are fetched when others are shown.
        await page.goto("/login", wait_until="networkidle")
        await expect(page.get_by_label("Password")).to_be_visible()
        fetched.append(len(await page.evaluate(FETCHED)))
        await kept.give_back()

    assert fetched[0] > 0
    assert fetched[1] == 0


async def test_what_cannot_be_undone_is_refused(kept: KeptContext):
    context = await kept.take()

    with only_undoable(context), pytest.raises(AssertionError, match="new_context"):
        await context.add_init_script("1")

    await context.add_init_script("1")
