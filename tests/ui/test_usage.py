"""Tokens, cost and runs on the usage page."""

import re
from datetime import UTC, datetime

import httpx2
from playwright.async_api import Page, expect

from tests.ui.support import (
    Person,
    assert_accessible,
    assert_accessible_in_both_themes,
    open_session,
)

SOURCE = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: Hi}]"


async def test_the_bar_of_a_day_leads_to_its_runs(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    headers = {"Content-Type": "application/yaml"}
    saved = (await api.post("/api/pipelines", content=SOURCE, headers=headers)).json()
    run = (
        await api.post(f"/api/pipelines/{saved['id']}/run", params={"wait": "30"}, json={})
    ).json()
    assert run["status"] == "completed", run
    now = datetime.now(UTC)
    today = f"{now:%b} {now.day}, {now.year}"
    await open_session(page, person)
    await page.goto("/usage?show=tokens")

    models = page.get_by_role("table", name="Model")
    await expect(models).to_contain_text("openai/gpt-4o-mini")
    await assert_accessible(page)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download CSV").click()
    saved_csv = await (await download.value).path()
    assert "openai/gpt-4o-mini" in saved_csv.read_text("utf-8")
    await page.get_by_text("Pipeline", exact=True).click()
    await expect(page.get_by_role("table", name="Pipeline")).to_contain_text("Ask")
    await expect(page).to_have_url(re.compile("by=pipeline"))

    await page.get_by_role("link", name=re.compile(f"^All of it on {today}: ")).click()
    await expect(page.get_by_role("table", name="Runs")).to_contain_text("Ask")


async def test_an_account_without_runs_and_limits_sees_no_empty_tables(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/pipelines")
    await page.get_by_role("link", name="Usage").click()

    await expect(page.get_by_text("No usage in this period")).to_be_visible()
    await expect(page.get_by_role("table")).to_have_count(0)
    await assert_accessible(page)


async def test_limits_that_an_administrator_has_changed_are_marked(
    page: Page, person: Person, api: httpx2.AsyncClient, admin_api: httpx2.AsyncClient
):
    workspace = (await api.get("/api/user/me")).json()["workspace"]["id"]
    changed = await admin_api.patch(
        f"/api/admin/workspaces/{workspace}", json={"limits": {"runs_per_day": 7}}
    )
    changed.raise_for_status()
    await open_session(page, person)
    await page.goto("/usage")

    limits = page.get_by_role("table", name="Limits of your plan")
    row = limits.get_by_role("row", name=re.compile("^Runs per day"))
    await expect(row).to_contain_text("changed")
    await expect(row).to_contain_text("0 / 7")
    await expect(limits.get_by_text("changed")).to_have_count(1)
    await expect(page.get_by_text("An administrator of the server has changed")).to_be_visible()
    await assert_accessible_in_both_themes(page)
