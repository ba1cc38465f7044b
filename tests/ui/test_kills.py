"""Processes that are killed while a person works in the editor: the server, and the whole browser."""

import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

from tests.support.fake_provider import RunningFakeProvider
from tests.support.ports import free_port
from tests.support.process import ServerProcess, proof_of_operator, running_server
from tests.ui.editor_pages import (
    draft_of,
    editor,
    expect_kept,
    open_editor,
    saved_pipeline,
    type_on_top,
)
from tests.ui.support import (
    PASSWORD,
    PageProblems,
    Person,
    chromium,
    launch_arguments,
    open_session,
    require_build,
)

pytestmark = pytest.mark.one_store

OWNER = "owner@example.com"
TWO_CALLS = """\
name: Two calls
steps:
  - {id: first, model: openai/gpt-4o-mini, prompt: One}
  - {id: second, model: openai/gpt-4o-mini, prompt: "Two, after {{steps.first.output}}"}
"""
# The texts that IndexedDB holds, as one.
STORED = """async text => {
  const open = indexedDB.open('stepiq');
  const database = await new Promise(done => { open.onsuccess = () => done(open.result); });
  const all = database.transaction('drafts').objectStore('drafts').getAll();
  const drafts = await new Promise(done => { all.onsuccess = () => done(all.result); });
  database.close();
  return drafts.some(draft => draft.text.includes(text));
}"""


@dataclass
class OwnServer:
    """A server that the test can kill, and a client of its only account."""

    process: ServerProcess
    api: httpx2.AsyncClient
    provider: RunningFakeProvider


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    tmp_path_factory: pytest.TempPathFactory, fake_provider: RunningFakeProvider
) -> AsyncIterator[OwnServer]:
    require_build()
    models = {"OPENAI_API_KEY": "sk-fake", "OPENAI_BASE_URL": fake_provider.url}
    folder = tmp_path_factory.mktemp("killed-server")
    async with (
        running_server(folder, free_port(), models) as process,
        httpx2.AsyncClient(base_url=process.url, timeout=30) as api,
    ):
        body = {"email": OWNER, "password": PASSWORD, **proof_of_operator(process.data)}
        token = (await api.post("/api/auth/register", json=body)).json()["token"]
        api.headers["Authorization"] = f"Bearer {token}"
        yield OwnServer(process, api, fake_provider)


@pytest.fixture
def own(running: OwnServer) -> Iterator[OwnServer]:
    yield running
    running.provider.reset()


async def test_a_test_run_goes_on_after_the_server_is_killed_and_the_editor_shows_its_result(
    own: OwnServer, browser: Browser
):
    own.provider.configure(answers={"One": "first answer"}, text="word " * 60, token_ms=100)
    pipeline = await saved_pipeline(own.api, TWO_CALLS)
    context = await browser.new_context(base_url=own.process.url, locale="en-US")
    problems = PageProblems(own.process.url)
    problems.watch(context)
    # The browser logs each request that found no server.
    problems.expect("Failed to load resource")
    page = await context.new_page()
    await open_session(page, Person(OWNER, PASSWORD, ""))
    await open_editor(page, pipeline)
    await type_on_top(page, "# not saved")
    await page.get_by_role("button", name="Test", exact=True).click()
    with own.provider.holding() as allow:
        allow(40)
        await page.get_by_role("button", name="Run the draft").click()
        result = page.get_by_role("region", name="Result")
        await expect(result).to_contain_text("word word word")
        calls = own.provider.stats.calls

        await own.process.kill()
    own.provider.configure(text="after the restart", token_ms=1)
    await own.process.start()

    await expect(result.get_by_role("status", name="Test")).to_have_text("Completed")
    await expect(result.get_by_label("Output", exact=True)).to_contain_text("after the restart")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(editor(page)).to_contain_text("# not saved")
    await expect_kept(page)
    run_id = re.search(r"test=([0-9a-f-]{36})", page.url)
    assert run_id is not None
    run = (await own.api.get(f"/api/runs/{run_id[1]}")).json()
    assert (run["status"], run["is_draft"]) == ("completed", True)
    # Only the call in flight was repeated.
    assert own.provider.stats.calls == calls + 1
    await context.close()
    problems.check()


async def test_a_server_that_is_killed_while_a_person_types_gets_the_text_later(
    own: OwnServer, browser: Browser
):
    pipeline = await saved_pipeline(own.api)
    context = await browser.new_context(base_url=own.process.url)
    page = await context.new_page()
    await open_session(page, Person(OWNER, PASSWORD, ""))
    await open_editor(page, pipeline)
    await type_on_top(page, "# before")
    await expect_kept(page)

    await own.process.kill()
    await type_on_top(page, "# while the server was gone")
    await expect(page.get_by_text("This browser keeps your changes")).to_be_visible()
    await own.process.start()
    await expect_kept(page)

    text = await draft_of(own.api, pipeline)
    assert text.startswith("# while the server was gone\n# before\n")
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def launch(own: OwnServer, tmp_path: Path) -> AsyncIterator[Callable]:
    """Starts a browser with the profile of the test."""
    async with async_playwright() as playwright:

        async def launch() -> BrowserContext:
            return await playwright.chromium.launch_persistent_context(
                str(tmp_path / "profile"),
                executable_path=chromium(),
                args=launch_arguments(),
                base_url=own.process.url,
            )

        yield launch
        _kill(tmp_path / "profile")


@pytest.mark.slow
async def test_a_killed_browser_loses_nothing(own: OwnServer, launch: Callable, tmp_path: Path):
    pipeline = await saved_pipeline(own.api)
    context: BrowserContext = await launch()
    page = await context.new_page()
    await _open_signed_in(page, pipeline)
    # Nothing reaches the server, so that only the browser has the text.
    await context.route("**/draft", lambda route: route.abort())
    for number in range(5):
        await type_on_top(page, f"# line {number}")
    await page.wait_for_function(STORED, arg="# line 4\n# line 3\n# line 2\n# line 1\n# line 0\n")

    _kill(tmp_path / "profile")
    with suppress(Error):
        await context.close()

    context = await launch()
    page = await context.new_page()
    await _open_signed_in(page, pipeline)
    await expect(editor(page)).to_contain_text("# line 4")
    await expect_kept(page)
    text = await draft_of(own.api, pipeline)
    assert text.startswith("# line 4\n# line 3\n# line 2\n# line 1\n# line 0\nname: Greeting\n")
    await context.close()


async def _open_signed_in(page: Page, pipeline: str) -> None:
    # A browser writes its cookies to the disk now and then, so a killed one may have forgotten the session.
    await page.goto(f"/login?next=/pipelines/{pipeline}/edit")
    field = page.get_by_label("Email")
    await expect(field.or_(editor(page))).to_be_visible()
    if await field.is_visible():
        await field.fill(OWNER)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
    await expect(editor(page)).to_be_visible()


def _kill(profile: Path) -> None:
    """Kill all processes of the browser with this profile, the first one first."""
    for process in sorted(_processes(profile)):
        # A process ends by itself when the one that started it is gone.
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _processes(profile: Path) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if f"--user-data-dir={profile}".encode() in (folder / "cmdline").read_bytes():
                    yield int(folder.name)
