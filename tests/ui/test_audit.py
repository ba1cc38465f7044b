"""The audit log of a workspace and of the server."""

import asyncio
import json

import httpx2
from playwright.async_api import Page, expect

from tests.ui.support import (
    Person,
    UiServer,
    assert_accessible,
    assert_accessible_in_both_themes,
    open_session,
)


async def _fill(api: httpx2.AsyncClient) -> None:
    """Create and change a pipeline, a secret and a key."""
    step = {"id": "a", "type": "transform", "template": "x"}
    saved = await api.post("/api/pipelines", json={"name": "Brief", "steps": [step]})
    url = f"/api/pipelines/{saved.json()['id']}"
    await api.patch(url, json={"name": "Daily brief", "tags": ["news"]})
    await api.post("/api/user/secrets", json={"name": "CRM_TOKEN", "value": "a-secret-value"})
    await api.delete("/api/user/secrets/CRM_TOKEN")
    await api.post("/api/user/api-keys", json={"name": "CI"})


async def _sealed(api: httpx2.AsyncClient) -> None:
    """Wait until all entries of the workspace are in its chain. An export contains only those."""
    async with asyncio.timeout(30):
        while True:
            if not (await api.get("/api/audit/verify")).json()["unsealed"]:
                return
            # The server, a separate process, does not announce it.
            await asyncio.sleep(0.05)


async def test_a_person_finds_who_changed_what(page: Page, person: Person, api: httpx2.AsyncClient):
    await _fill(api)
    await open_session(page, person)
    await page.goto("/settings/audit")

    table = page.get_by_role("table", name="Audit log")
    await expect(table).to_contain_text("Secret deleted")
    await table.get_by_text("Pipeline changed").click()
    details = page.get_by_role("region", name="Entry")
    fields = details.get_by_role("table", name="Changed fields")
    await expect(fields.get_by_role("row", name="name")).to_contain_text("Daily brief")
    await expect(details).to_contain_text(person.email)
    await expect(details).to_contain_text("127.0.0.1")
    await assert_accessible(page)

    await page.reload()
    await expect(fields.get_by_role("row", name="name")).to_contain_text("Brief")
    await details.get_by_role("button", name="All about this object").click()
    await expect(table).not_to_contain_text("Secret deleted")
    await expect(table.get_by_role("row")).to_have_count(3)

    await page.go_back()
    await expect(table).to_contain_text("Secret deleted")


async def test_filters_are_in_the_address(page: Page, person: Person, api: httpx2.AsyncClient):
    await _fill(api)
    await open_session(page, person)
    await page.goto("/settings/audit?action=secret.deleted,secret.created")

    table = page.get_by_role("table", name="Audit log")
    await expect(table.get_by_role("row")).to_have_count(3)
    await expect(page.get_by_role("search")).to_contain_text("Secret deleted")

    await page.goto("/settings/audit?action=pipeline.archived")
    await expect(page.get_by_text("No entry matches the filters")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    await expect(table).to_contain_text("API key created")


async def test_the_chain_is_checked_and_the_log_exported(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _fill(api)
    await _sealed(api)
    await open_session(page, person)
    await page.goto("/settings/audit")
    await expect(page.get_by_role("table", name="Audit log")).to_be_visible()

    await page.get_by_role("button", name="Check the chain").click()
    await expect(page.get_by_text("The chain has no errors")).to_be_visible()
    await assert_accessible_in_both_themes(page)

    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export JSON").click()
    path = await (await download.value).path()
    text = path.read_text()
    actions = [json.loads(line)["action"] for line in text.splitlines()]
    assert {"pipeline.updated", "secret.created"} <= set(actions)
    assert "a-secret-value" not in text


async def test_an_administrator_sees_all_workspaces(
    page: Page, ui_server: UiServer, person: Person, api: httpx2.AsyncClient
):
    await _fill(api)
    await _sealed(api)
    await open_session(page, ui_server.admin)
    await page.goto("/admin/audit")

    table = page.get_by_role("table", name="Audit log")
    await expect(table).to_contain_text(person.email)
    await page.get_by_role("button", name="Check the server's chain").click()
    await expect(page.get_by_text("The chain has no errors")).to_be_visible()
    await assert_accessible(page)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export CSV").click()
    path = await (await download.value).path()
    text = path.read_text()
    assert text.startswith("workspace_id,sequence")
    assert person.email in text
