"""The list of runs, what happens in it while it is open, and jobs for many runs."""

import re
from typing import Any

import httpx2
from playwright.async_api import Locator, Page, expect

from tests.ui.support import Person, UiServer, assert_accessible_in_both_themes, open_session

GREETING: dict[str, Any] = {
    "name": "Greeting",
    "steps": [{"id": "greet", "type": "transform", "template": "Hello {{input.name}}"}],
}
APPROVAL: dict[str, Any] = {
    "name": "Approval",
    "steps": [{"id": "ask", "type": "human_review", "message": "Is it good?"}],
}


async def _create(api: httpx2.AsyncClient, definition: dict[str, Any], *tags: str) -> str:
    body = {"name": definition["name"], "definition": definition, "tags": list(tags)}
    response = await api.post("/api/pipelines", json=body)
    response.raise_for_status()
    return str(response.json()["id"])


async def _run(api: httpx2.AsyncClient, pipeline_id: str, wait: int = 30) -> str:
    path = f"/api/pipelines/{pipeline_id}/run"
    response = await api.post(path, json={}, params={"wait": wait})
    response.raise_for_status()
    return str(response.json()["id"])


def _rows(page: Page) -> Locator:
    return page.get_by_role("table", name="Runs").locator("tbody tr")


def _row(page: Page, run_id: str) -> Locator:
    return page.locator(f'tr[data-row="{run_id}"]')


async def test_filters_are_in_the_address_and_back_restores_them(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _run(api, await _create(api, GREETING, "demo"))
    await _run(api, await _create(api, APPROVAL, "crm"), wait=0)
    await open_session(page, person)

    await page.goto("/runs?status=waiting")
    await expect(_rows(page)).to_have_count(1)
    await expect(_rows(page)).to_contain_text("Approval")
    await page.get_by_role("button", name="Remove the filter Status").click()
    await expect(_rows(page)).to_have_count(2)
    await expect(page).to_have_url(re.compile(r"/runs$"))

    await page.go_back()
    await expect(_rows(page)).to_have_count(1)
    await page.go_forward()
    await expect(_rows(page)).to_have_count(2)

    await page.keyboard.press("f")
    await page.get_by_role("menuitem", name="Tag").click()
    await page.get_by_role("textbox", name="Tag").fill("demo")
    await page.keyboard.press("Enter")
    await expect(_rows(page)).to_have_count(1)
    await expect(page).to_have_url(re.compile(r"tag=demo"))
    await page.reload()
    await expect(_rows(page)).to_contain_text("Greeting")

    await page.keyboard.press("/")
    await page.keyboard.type("appro")
    await expect(page.get_by_role("heading", name="No runs match")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").last.click()
    await expect(_rows(page)).to_have_count(2)


async def test_the_filter_of_callers_offers_those_whose_runs_are_not_shown(
    page: Page, person: Person, api: httpx2.AsyncClient, ui_server: UiServer
):
    pipeline_id = await _create(api, GREETING, "demo")
    await _run(api, pipeline_id)
    key = (await api.post("/api/user/api-keys", json={"name": "deploy"})).json()
    revoked = (await api.post("/api/user/api-keys", json={"name": "old"})).json()
    schedule = {"name": "Nightly", "cron_expression": "0 2 * * *"}
    await api.post(f"/api/pipelines/{pipeline_id}/schedules", json=schedule)
    with_key = {"X-API-Key": revoked["key"]}
    async with httpx2.AsyncClient(base_url=ui_server.url, headers=with_key, timeout=30) as client:
        await _run(client, pipeline_id)
    await api.delete(f"/api/user/api-keys/{revoked['id']}")
    await open_session(page, person)
    await page.goto("/runs?status=failed")

    await page.get_by_role("button", name="Filter", exact=True).click()
    await page.get_by_role("menuitem", name="Caller").click()
    offered = page.get_by_role("dialog", name="Caller").get_by_role("radio")
    await expect(offered).to_have_count(4)
    for name in ("You", "API key deploy", "Schedule Nightly", re.compile("old|Deleted")):
        await expect(page.get_by_role("radio", name=name)).to_have_count(1)
    await page.get_by_role("radio", name="API key deploy").click()

    await expect(page).to_have_url(re.compile(f"caller={key['id']}"))


async def test_changes_appear_in_place_and_new_runs_wait_for_a_click(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    greeting = await _create(api, GREETING)
    waiting = await _run(api, await _create(api, APPROVAL), wait=0)
    await open_session(page, person)
    await page.goto("/runs")
    await expect(_row(page, waiting)).to_contain_text("Waiting")
    # Runs that start before the stream is open are part of the first list.
    await expect(page.get_by_role("status", name="Connection")).to_contain_text("Live")

    for _ in range(2):
        await _run(api, greeting)
    await expect(page.get_by_role("button", name="2 new runs")).to_be_visible()
    await expect(_rows(page)).to_have_count(1)

    decision = {"decision": "approve"}
    response = await api.post(f"/api/runs/{waiting}/reviews/ask", json=decision)
    response.raise_for_status()
    await expect(_row(page, waiting)).to_contain_text("Completed")
    await expect(_rows(page)).to_have_count(1)

    await page.get_by_role("button", name="2 new runs").click()
    await expect(_rows(page)).to_have_count(3)
    await expect(_rows(page).last).to_contain_text("Approval")
    await expect(page.get_by_role("button", name="new run")).to_have_count(0)


async def test_runs_are_selected_with_keys_and_retried_by_a_job(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    greeting = await _create(api, GREETING)
    for _ in range(3):
        await _run(api, greeting)
    await open_session(page, person)
    await page.goto("/runs")
    await expect(_rows(page)).to_have_count(3)

    for key in "jxjjX":
        await page.keyboard.press(key)
    await expect(page.get_by_text("3 selected")).to_be_visible()
    await page.get_by_role("button", name="Retry 3…").click()
    dialog = page.get_by_role("dialog", name="Retry 3 runs")
    await dialog.get_by_label("Name of the job").fill("After the outage")
    await dialog.get_by_role("button", name="Retry 3 runs").click()

    await expect(page).to_have_url(re.compile("/jobs/"))
    await expect(page.get_by_role("heading", name="After the outage")).to_be_visible()
    await expect(page.get_by_role("status", name="Status")).to_have_text("Completed")
    items = page.get_by_role("table", name="Items").locator("tbody tr")
    await expect(items).to_have_count(3)
    await expect(items.get_by_text("Done")).to_have_count(3)
    await items.first.get_by_role("link").last.click()
    await expect(page).to_have_url(re.compile("/runs/"))

    await page.goto("/runs?trigger=retry")
    await expect(_rows(page)).to_have_count(3)


async def test_another_filter_selects_no_run(page: Page, person: Person, api: httpx2.AsyncClient):
    await _run(api, await _create(api, GREETING, "demo"))
    await open_session(page, person)
    await page.goto("/runs")
    await page.get_by_role("button", name="Filter", exact=True).click()
    await page.get_by_role("menuitem", name="Tag").click()
    await page.get_by_role("textbox", name="Tag").fill("demo")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("tag=demo"))
    await page.get_by_role("checkbox", name="Select all rows").check()
    await expect(page.get_by_text("1 selected")).to_be_visible()

    await page.go_back()

    await expect(page).to_have_url(re.compile("/runs$"))
    await expect(page.get_by_text("1 selected")).to_have_count(0)
    await expect(page.get_by_role("checkbox", name="Select all rows")).not_to_be_checked()


async def test_only_runs_that_have_not_ended_are_cancelled(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _run(api, await _create(api, GREETING))
    waiting = await _run(api, await _create(api, APPROVAL), wait=0)
    await open_session(page, person)
    await page.goto("/runs")

    await page.get_by_role("checkbox", name="Select all rows").check()
    await page.get_by_role("button", name="Cancel 1…").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel 1 run").click()
    await expect(page.get_by_role("status", name="Status")).to_have_text("Completed")

    assert (await api.get(f"/api/runs/{waiting}")).json()["status"] == "cancelled"


async def test_the_choice_of_columns_is_remembered(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _run(api, await _create(api, GREETING))
    await open_session(page, person)
    await page.goto("/runs")
    tokens = page.get_by_role("columnheader", name="Tokens")
    await expect(tokens).to_be_visible()

    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("checkbox", name="Tokens").uncheck()
    await expect(tokens).to_have_count(0)
    await page.reload()

    await expect(page.get_by_role("columnheader", name="Cost")).to_be_visible()
    await expect(tokens).to_have_count(0)


async def test_lists_are_accessible(page: Page, person: Person, api: httpx2.AsyncClient):
    await open_session(page, person)
    await page.goto("/runs")
    await expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    await assert_accessible_in_both_themes(page)

    ended = await _run(api, await _create(api, GREETING, "demo"))
    await _run(api, await _create(api, APPROVAL), wait=0)
    response = await api.post("/api/bulk-jobs", json={"action": "cancel", "run_ids": [ended]})
    response.raise_for_status()
    await page.goto("/runs")
    await expect(_rows(page)).to_have_count(2)
    await page.keyboard.press("x")
    await expect(page.get_by_text("1 selected")).to_be_visible()
    await assert_accessible_in_both_themes(page)

    await page.goto(f"/jobs/{response.json()['id']}")
    await expect(page.get_by_role("table", name="Failures by code")).to_be_visible()
    await assert_accessible_in_both_themes(page)


async def test_the_default_columns_fit_the_screen(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    failing = {
        "name": "A pipeline with quite a long name",
        "steps": [{"id": "sum", "type": "transform", "set": {"sum": "int('many')"}}],
    }
    await _run(api, await _create(api, failing, "monthly", "finance"))
    await _run(api, await _create(api, APPROVAL), wait=0)
    await open_session(page, person)

    shown: dict[int, list[str]] = {}
    for width in (360, 768, 1024, 1440):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.goto("/runs")
        await expect(_rows(page)).to_have_count(2)
        table = page.get_by_role("table", name="Runs")
        overflow = await table.evaluate(
            "each => each.parentElement.scrollWidth - each.parentElement.clientWidth"
        )
        assert overflow <= 0, f"The table is {overflow} px too wide for a screen of {width} px."
        shown[width] = await table.get_by_role("columnheader").all_inner_texts()

    assert shown[768][-4:] == ["Status", "Pipeline", "Started", "Duration"]
    assert shown[1024][-5:] == ["Status", "Pipeline", "Started", "Duration", "Cost"]
    assert {"Tokens", "Tags", "Error"} <= set(shown[1440])
