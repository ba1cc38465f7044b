"""Fixtures of tests that use the web interface as a person does: Chromium, and a real server with SQLite.

Each test process has one server and one browser. They live on the loop of the session, and so do these tests. Each test
has its own account, and a browser context that is its own or as new.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port
from tests.support.process import proof_of_operator, running_server
from tests.support.receiver import Receiver, running_receiver
from tests.ui.kept_context import KeptContext
from tests.ui.support import (
    PASSWORD,
    TIMEOUT_MS,
    PageProblems,
    Person,
    UiServer,
    chromium,
    launch_arguments,
    open_context,
    require_build,
)

_HERE = Path(__file__).parent
_RECEIVER = "127.0.0.2"
"""The only address that webhooks of `ui_server` can reach."""
expect.set_options(timeout=TIMEOUT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests on the loop of the browser, and mark those that use it as slow."""
    for item in items:
        if item.path.is_relative_to(_HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if "browser" in item.fixturenames:
                item.add_marker(pytest.mark.slow)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fake_provider() -> AsyncIterator[RunningFakeProvider]:
    """The provider of `openai/...` models on `ui_server`. `reset()` it after a test that configures it."""
    async with running_fake_provider() as provider:
        yield provider


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ui_server(
    tmp_path_factory: pytest.TempPathFactory, fake_provider: RunningFakeProvider
) -> AsyncIterator[UiServer]:
    """A server with an administrator, as a separate process."""
    require_build()
    folder = tmp_path_factory.mktemp("ui-server")
    environment = {
        "OPENAI_API_KEY": "sk-fake",
        "OPENAI_BASE_URL": fake_provider.url,
        "STEPIQ_ALLOWED_PRIVATE_NETWORKS": f"{_RECEIVER}/32",
    }
    async with running_server(folder, free_port(), environment) as process:
        proof = proof_of_operator(process.data)
        admin = await _register(process.url, proof, "admin@example.com")
        yield UiServer(process.url, admin, proof, process.data)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of webhooks that `ui_server` can reach."""
    async with running_receiver(_RECEIVER) as receiver:
        yield receiver


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            # Pages of one context then share a process, which keeps compiled scripts from test to test.
            args=[*launch_arguments(), "--process-per-site"],
            headless="STEPIQ_TEST_HEADED" not in os.environ,
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_person(ui_server: UiServer) -> Callable[[], Awaitable[Person]]:
    """Creates accounts."""

    async def new_person() -> Person:
        return await _register(ui_server.url, ui_server.proof, f"{uuid4().hex}@example.com")

    return new_person


@pytest_asyncio.fixture(loop_scope="session")
async def person(new_person: Callable[[], Awaitable[Person]]) -> Person:
    """A new account."""
    return await new_person()


@pytest_asyncio.fixture(loop_scope="session")
async def api(ui_server: UiServer, person: Person) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API with an access token of `person`, to prepare what pages show."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with httpx2.AsyncClient(base_url=ui_server.url, headers=headers, timeout=30) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def admin_api(ui_server: UiServer) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API with a new access token of the administrator, whose first one has expired in a long session."""
    login = {"email": ui_server.admin.email, "password": ui_server.admin.password}
    async with httpx2.AsyncClient(base_url=ui_server.url, timeout=30) as client:
        response = await client.post("/api/auth/login", json=login)
        response.raise_for_status()
        client.headers["Authorization"] = f"Bearer {response.json()['token']}"
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def problems(ui_server: UiServer) -> PageProblems:
    """What went wrong on the pages of this test. `problems.expect(TEXT)` permits one."""
    return PageProblems(ui_server.url)


@pytest_asyncio.fixture(loop_scope="session")
async def new_context(
    browser: Browser, ui_server: UiServer, problems: PageProblems
) -> AsyncIterator[Callable[[], Awaitable[BrowserContext]]]:
    """Opens browsers without a session, 1440 by 900 pixels. The test fails if one of their pages has a problem."""
    opened: list[BrowserContext] = []

    async def new_context() -> BrowserContext:
        context = await open_context(browser, ui_server.url)
        opened.append(context)
        problems.watch(context)
        return context

    yield new_context
    for context in opened:
        await context.close()
    problems.check()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept_context(browser: Browser, ui_server: UiServer) -> AsyncIterator[KeptContext]:
    """The context of all tests that do not open their own."""
    kept = KeptContext(partial(open_context, browser, ui_server.url), ui_server.url)
    yield kept
    await kept.close()


@pytest_asyncio.fixture(loop_scope="session")
async def context(
    kept_context: KeptContext, problems: PageProblems
) -> AsyncIterator[BrowserContext]:
    """A browser without a session, as of `new_context`, but with the web interface in its cache."""
    async with kept_context.lent(problems) as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    """A page of `context`."""
    return await context.new_page()


async def _register(url: str, proof: dict[str, str], email: str) -> Person:
    # With the operator's proof, registrations do not count towards the limit of this address.
    body = {"email": email, "password": PASSWORD, **proof}
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        response = await client.post("/api/auth/register", json=body)
    response.raise_for_status()
    return Person(email, PASSWORD, response.json()["token"])
