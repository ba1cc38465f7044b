"""Slugs in addresses and filters name the same pipelines as ids."""

import re

import httpx2
import pytest
from playwright.async_api import Page, expect

from tests.ui.editor_pages import editor, saved_pipeline
from tests.ui.support import Person, open_session


@pytest.mark.parametrize("view", ["settings", "triggers", "versions", "deliveries", "edit"])
async def test_a_page_of_a_pipeline_opens_by_its_slug(
    page: Page, person: Person, api: httpx2.AsyncClient, view: str
):
    pipeline = await saved_pipeline(api)
    await open_session(page, person)

    await page.goto(f"/pipelines/greeting/{view}")

    await expect(page.get_by_role("heading", name="Greeting", level=1)).to_be_visible()
    await expect(page).to_have_url(re.compile(f"/pipelines/{pipeline}/{view}$"))
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_search_parameters_remain_when_the_slug_becomes_an_id(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    pipeline = await saved_pipeline(api)
    await open_session(page, person)

    await page.goto("/pipelines/greeting?panel=test")

    await expect(editor(page)).to_be_visible()
    await expect(page).to_have_url(re.compile(f"/pipelines/{pipeline}/edit"))


@pytest.mark.parametrize("address", ["/pipelines/greeting/runs", "/runs?pipeline=greeting"])
async def test_the_runs_of_a_pipeline_are_filtered_by_its_slug(
    page: Page, person: Person, api: httpx2.AsyncClient, address: str
):
    pipeline = await saved_pipeline(api)
    other = await saved_pipeline(
        api, "name: Other\nsteps: [{id: a, type: transform, template: b}]\n"
    )
    for each in (pipeline, other):
        await api.post(f"/api/pipelines/{each}/run?wait=30", json={"input_data": {"who": "Ada"}})
    await open_session(page, person)

    await page.goto(address)

    rows = page.get_by_role("table", name="Runs").locator("tr[data-row]")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Greeting")
    await expect(page).to_have_url(re.compile(f"pipeline={pipeline}"))


async def test_the_schedules_of_a_pipeline_are_filtered_by_its_slug(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    pipeline = await saved_pipeline(api)
    await open_session(page, person)

    await page.goto("/schedules?pipeline=greeting")

    await expect(page).to_have_url(re.compile(f"pipeline={pipeline}"))
