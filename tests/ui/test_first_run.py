"""From the link that a new server prints to the result of a first run."""

import json
import re
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from stepiq.providers.local.weights import weights_present
from tests.support.fake_provider import RunningFakeProvider
from tests.support.local_model import CACHE
from tests.support.ports import free_port
from tests.support.process import ServerProcess, proof_of_operator, running_server
from tests.ui.support import PASSWORD, PageProblems, assert_accessible, require_build

MAX_CLICKS = 6
MAX_SECONDS = 60
_ANSWER = json.dumps({"customer_name": "Anna Keller", "order_number": "A-48213"})


@pytest_asyncio.fixture(loop_scope="session")
async def new_server(
    tmp_path_factory: pytest.TempPathFactory, fake_provider: RunningFakeProvider
) -> AsyncIterator[ServerProcess]:
    """A server without accounts. Its default model is the local one, if this machine has the weights."""
    require_build()
    environment = {"STEPIQ_CACHE_DIR": str(CACHE)}
    if not weights_present(CACHE):
        fake_provider.configure(text=_ANSWER)
        environment = {"OPENAI_API_KEY": "sk-fake", "OPENAI_BASE_URL": fake_provider.url}
    folder = tmp_path_factory.mktemp("new-server")
    async with running_server(folder, free_port(), environment) as process:
        yield process
    fake_provider.reset()


async def _clicks(page: Page) -> list[None]:
    """A list that grows with each click on the page."""
    clicks: list[None] = []
    await page.expose_function("countClick", lambda: clicks.append(None))
    await page.add_init_script(
        "addEventListener('click', event => event.isTrusted && countClick(), {capture: true})"
    )
    return clicks


@pytest.mark.smoke
async def test_a_new_server_shows_a_completed_run_within_a_minute(
    browser: Browser, new_server: ServerProcess
):
    problems = PageProblems(new_server.url)
    context = await browser.new_context(base_url=new_server.url, locale="en-US")
    problems.watch(context)
    page = await context.new_page()
    clicks = await _clicks(page)
    token = proof_of_operator(new_server.data)["setup_token"]
    begin = time.monotonic()

    await page.goto(f"/register#setup={token}")
    await page.get_by_label("Email", exact=True).click()
    await page.keyboard.type("owner@example.com")
    await page.get_by_label("Password", exact=True).click()
    await page.keyboard.type(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page).to_have_url(re.compile("/welcome$"))
    async with page.expect_request(re.compile("/run[^/]*$")) as start:
        await page.get_by_role("button", name="Run the example").click()
    await expect(page).to_have_url(re.compile("/runs/"))
    status = page.get_by_role("status").filter(has_text="Completed").first
    await expect(status).to_be_visible(timeout=MAX_SECONDS * 1000)

    assert time.monotonic() - begin <= MAX_SECONDS
    assert 4 <= len(clicks) <= MAX_CLICKS
    # A page that waits for the end of the run shows no progress.
    assert (await start.value).url.endswith("?wait=0")
    await page.get_by_role("link", name="Call it from your code").click()
    await page.get_by_role("button", name="Create a key and show the call").click()
    call = page.get_by_role("figure", name="Run the example with curl")
    await expect(call).to_contain_text("sk_live_")
    await assert_accessible(page)
    command = await call.locator("pre").inner_text()
    await _follow(command)

    await page.goto("/")
    await expect(page.get_by_role("table", name="Runs")).to_be_visible()
    await context.close()
    problems.check()


async def _follow(command: str) -> None:
    """Do what the curl command says. The example then has a second run."""
    quoted = re.findall(r"'([^']*)'", command)
    url, key, content_type, body = quoted
    headers = dict(each.split(": ", 1) for each in (key, content_type))
    async with httpx2.AsyncClient(timeout=MAX_SECONDS) as client:
        response = await client.post(url, headers=headers, content=body)
    assert response.status_code in (200, 202), response.text


async def test_the_sign_in_page_of_a_new_server_says_how_to_begin(
    browser: Browser, new_server: ServerProcess
):
    context = await browser.new_context(base_url=new_server.url, locale="en-US")
    page = await context.new_page()
    await page.goto("/login")

    hint = page.get_by_role("status", name="This server has no account yet")
    await expect(hint).to_contain_text("run stepiq setup-token on the server")
    await assert_accessible(page)
    await hint.get_by_role("link", name="Create the first account").click()
    await expect(page.get_by_label("Setup token")).to_be_visible()
    await context.close()
