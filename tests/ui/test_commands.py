"""The curl commands of pages work with an API key."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page

from tests.ui.commands import copied, output_of
from tests.ui.support import Person, open_session
from tests.ui.team import run_of

pytestmark = pytest.mark.one_store


@pytest_asyncio.fixture(loop_scope="session")
async def key(api: httpx2.AsyncClient) -> str:
    wanted = {"name": "curl", "scopes": ["pipelines:read", "pipelines:write"]}
    made = await api.post("/api/user/api-keys", json=wanted)
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def test_that_of_the_empty_list_creates_a_pipeline(
    page: Page, person: Person, key: str, tmp_path: Path
) -> None:
    source = "name: Letters\nsteps: [{id: a, type: transform, template: x}]\n"
    (tmp_path / "pipeline.yaml").write_text(source)
    await open_session(page, person)
    await page.goto("/pipelines")

    command = await page.locator("pre", has_text="curl").inner_text()
    output = await output_of(tmp_path, "sh", "-c", command, STEPIQ_API_KEY=key)

    assert json.loads(output).get("name") == "Letters", output


async def test_that_of_a_run_reads_it(
    new_context: Callable[[], Awaitable[BrowserContext]],
    person: Person,
    api: httpx2.AsyncClient,
    key: str,
    tmp_path: Path,
) -> None:
    context = await new_context()
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    run = await run_of(api)
    await open_session(page, person)
    await page.goto(f"/runs/{run}")

    await page.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Copy as curl").click()
    output = await output_of(tmp_path, "sh", "-c", await copied(page), STEPIQ_API_KEY=key)

    assert json.loads(output).get("id") == run, output
