"""Pausing and resuming a pipeline: in the list, on its pages and with the command palette."""

import re

import httpx2
from playwright.async_api import Page, expect

from tests.ui.support import Person, assert_accessible_in_both_themes, open_session

YAML = {"Content-Type": "application/yaml"}
SOURCE = """
name: Prices
schedule: {cron: "0 9 * * *"}
steps: [{id: a, type: transform, template: x}]
"""


async def saved(api: httpx2.AsyncClient) -> str:
    return (await api.post("/api/pipelines", content=SOURCE, headers=YAML)).json()["id"]


async def test_the_list_pauses_with_a_reason_and_resumes(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    pipeline = await saved(api)
    await open_session(page, person)
    await page.goto("/pipelines")
    row = page.get_by_role("table", name="Pipelines").get_by_role("row").nth(1)

    await row.get_by_role("button", name="Pause Prices").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("textbox", name="Reason")).to_be_focused()
    await page.keyboard.type("New prices")
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)
    await expect(row.get_by_text("Paused").first).to_be_visible()
    shown = (await api.get(f"/api/pipelines/{pipeline}")).json()
    assert (shown["status"], shown["pause"]["reason"]) == ("paused", "New prices")
    await assert_accessible_in_both_themes(page)

    await page.goto("/pipelines?status=paused")
    await expect(row).to_contain_text("Prices")
    await row.get_by_role("button", name="Resume Prices").click()
    await dialog.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("No paused pipelines")).to_be_visible()
    assert (await api.get(f"/api/pipelines/{pipeline}")).json()["status"] == "active"


async def test_its_pages_show_who_paused_it_and_its_schedules_that_they_wait(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    pipeline = await saved(api)
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline}/triggers")

    await page.get_by_role("button", name="Pause", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Reason").fill("New prices")
    await dialog.get_by_role("button", name="Pause").click()
    notice = page.get_by_role("note").filter(has_text="Paused by")
    await expect(notice).to_contain_text("Reason: New prices")
    await expect(page.get_by_role("button", name="Resume")).to_be_visible()
    await assert_accessible_in_both_themes(page)

    await page.goto("/schedules")
    row = page.get_by_role("table", name="Schedules").get_by_role("row").nth(1)
    await expect(row.get_by_text("Paused")).to_be_visible()
    await row.get_by_role("link").first.click()
    await expect(page.get_by_text("Its pipeline is paused")).to_be_visible()


async def test_the_command_palette_pauses_and_resumes(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    pipeline = await saved(api)
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline}/edit")
    await expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()

    for action in ("Pause", "Resume"):
        await page.keyboard.press("Control+k")
        await page.get_by_role("combobox").fill(action)
        await page.get_by_role("option", name=action, exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name=action).click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        status = "Resume" if action == "Pause" else "Pause"
        await expect(page.get_by_role("button", name=status, exact=True)).to_be_visible()

    await expect(page.get_by_role("note").filter(has_text="Paused by")).to_have_count(0)
    assert (await api.get(f"/api/pipelines/{pipeline}")).json()["status"] == "active"


async def test_a_run_of_a_paused_pipeline_says_what_to_do(
    page: Page, person: Person, api: httpx2.AsyncClient, problems
):
    pipeline = await saved(api)
    await api.post(f"/api/pipelines/{pipeline}/pause")
    problems.expect("status of 409")
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline}/edit")

    await page.get_by_role("button", name="Run", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name=re.compile("^(Run|Start)")).click()
    await expect(page.get_by_text("Resume it first").first).to_be_visible()
