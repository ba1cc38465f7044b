"""The page of schedules: create with a live preview, disable, run now, ticks, filters, delete."""

import re
from datetime import UTC, datetime

import httpx2
import pytest
from playwright.async_api import Page, Route, expect

from tests.ui.support import PageProblems, Person, assert_accessible, open_session

pytestmark = pytest.mark.one_store

GREETING = """\
name: Greeting
steps:
  - {id: greet, type: transform, template: "Hello {{input.name}}"}
"""


async def created(api: httpx2.AsyncClient, text: str = GREETING) -> str:
    """Create a pipeline. Returns its id."""
    response = await api.post(
        "/api/pipelines", content=text, headers={"Content-Type": "application/yaml"}
    )
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def scheduled(api: httpx2.AsyncClient, pipeline_id: str, **changes: object) -> str:
    """Create a schedule. Returns its id."""
    body = {"name": "Weekdays", "cron_expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"}
    response = await api.post(f"/api/pipelines/{pipeline_id}/schedules", json={**body, **changes})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def test_a_mistake_above_the_visible_part_of_the_form_is_shown(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    await created(api)
    await page.set_viewport_size({"width": 1440, "height": 500})
    await open_session(page, person)
    await page.goto("/schedules?create=true")
    form = page.get_by_role("dialog", name="Create schedule")

    await form.get_by_role("button", name="Create schedule").click()

    await expect(form.get_by_role("combobox", name="Pipeline")).to_be_focused()
    await expect(form.get_by_text("Choose a pipeline.")).to_be_in_viewport()
    # Open choices would cover the message.
    await expect(page.get_by_role("option")).to_have_count(0)


async def test_a_schedule_is_created_with_a_preview(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
) -> None:
    problems.expect("status of 422")
    await created(api)
    await open_session(page, person)
    await page.goto("/schedules?create=true")
    form = page.get_by_role("dialog", name="Create schedule")
    await form.get_by_role("combobox", name="Pipeline").click()
    await page.get_by_role("option", name="Greeting").click()
    await form.get_by_label("Name").fill("Late")
    await form.get_by_label("Expression").fill("30 22 * *")
    await expect(form.get_by_text("five fields")).to_be_visible()
    await form.get_by_label("Expression").fill("30 22 * * *")
    await expect(form.get_by_role("status")).to_contain_text("22:30")
    await expect(form.get_by_role("table", name="Next times").get_by_role("row")).to_have_count(6)

    await form.get_by_role("button", name="Create schedule").click()

    row = page.get_by_role("table", name="Schedules").get_by_role("row", name="Late")
    await expect(row).to_contain_text("Greeting")
    stored = (await api.get("/api/schedules")).json()["data"]
    assert [each["cron_expression"] for each in stored] == ["30 22 * * *"]
    assert stored[0]["timezone"] == "Europe/Berlin"


async def test_the_input_has_the_fields_of_the_pipeline(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    await created(
        api,
        GREETING
        + "input: {schema: {name: {type: string, required: true}, "
        + "tone: {type: string, enum: [kind, cool]}, times: {type: integer, default: 2}}}\n",
    )
    await open_session(page, person)
    await page.goto("/schedules?create=true")
    form = page.get_by_role("dialog", name="Create schedule")
    await form.get_by_role("combobox", name="Pipeline").click()
    await page.get_by_role("option", name="Greeting").click()
    await form.get_by_label("Name", exact=True).fill("Daily")
    create = form.get_by_role("button", name="Create schedule")

    await create.click()
    await expect(form.get_by_role("textbox", name="name", exact=True)).to_have_attribute(
        "aria-invalid", "true"
    )
    await form.get_by_role("textbox", name="name", exact=True).fill("Ada")
    await create.click()

    await expect(form).to_have_count(0)
    stored = (await api.get("/api/schedules")).json()["data"]
    assert [each["input_data"] for each in stored] == [{"name": "Ada", "times": 2}]


async def test_a_schedule_is_switched_off_run_and_deleted(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    # It does not fire by itself during the test.
    distant_month = (datetime.now(UTC).month + 5) % 12 + 1
    schedule_id = await scheduled(
        api,
        await created(api),
        cron_expression=f"0 9 1 {distant_month} *",
        timezone="America/New_York",
        input_data={"name": "Ada"},
    )
    await open_session(page, person)
    await page.goto("/schedules")
    table = page.get_by_role("table", name="Schedules")
    await table.get_by_role("link", name="Weekdays").click()
    panel = page.get_by_role("region", name="Weekdays")
    await expect(panel.get_by_role("columnheader", name=re.compile("New_York"))).to_be_visible()
    await expect(panel.get_by_text("No ticks yet.")).to_be_visible()
    await assert_accessible(page)

    await panel.get_by_role("button", name="Run now").click()
    # A click does not open the run if its message moves between the press and the release of the button.
    await page.get_by_role("link", name="Open the run").press("Enter")
    await page.wait_for_url(re.compile("/runs/"))
    run = (await api.get("/api/runs")).json()["data"][0]
    assert page.url.endswith(f"/runs/{run['id']}")
    await page.go_back()

    await table.get_by_role("switch", name="Enabled: Weekdays").press("Space")
    await expect(panel.get_by_text("It does not fire while it is disabled.")).to_be_visible()
    assert (await api.get(f"/api/schedules/{schedule_id}")).json()["enabled"] is False

    await panel.get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog", name="Delete the schedule “Weekdays”?")
    await question.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="No schedules yet")).to_be_visible()
    assert (await api.get(f"/api/schedules/{schedule_id}")).status_code == 404


async def test_an_edit_keeps_what_others_have_changed_meanwhile(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    schedule_id = await scheduled(api, await created(api), input_data={"name": "Ada"})
    await open_session(page, person)
    await page.goto(f"/schedules?schedule={schedule_id}")
    await page.get_by_role("region", name="Weekdays").get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="Edit “Weekdays”")
    await form.get_by_label("Name").fill("Mornings")
    others = {"cron_expression": "0 7 * * *", "input_data": {"name": "Eda"}, "overlap": "skip"}
    changed = await api.patch(f"/api/schedules/{schedule_id}", json=others)
    assert changed.status_code == 200, changed.text

    await form.get_by_role("button", name="Save").click()

    await expect(form).to_have_count(0)
    stored = (await api.get(f"/api/schedules/{schedule_id}")).json()
    assert stored["name"] == "Mornings"
    assert {field: stored[field] for field in others} == others


async def test_an_input_that_cannot_be_loaded_is_not_edited(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
) -> None:
    problems.expect("status of 403")
    schedule_id = await scheduled(api, await created(api), input_data={"name": "Ada"})
    await open_session(page, person)
    await page.goto(f"/schedules?schedule={schedule_id}")
    edit = page.get_by_role("region", name="Weekdays").get_by_role("button", name="Edit")
    await expect(edit).to_be_visible()
    refusal = {"code": "scope_missing", "detail": "No access.", "status": 403, "title": "Forbidden"}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=403, json=refusal)

    await page.route(re.compile(rf"/api/schedules/{schedule_id}$"), refuse)
    await edit.click()

    form = page.get_by_role("dialog", name="Edit “Weekdays”")
    await expect(form.get_by_role("alert")).to_have_text(re.compile("No access"))
    await expect(form.get_by_text("Input", exact=True)).to_have_count(0)


async def test_an_edit_of_the_input_keeps_its_other_numbers(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    data = {"id": 2**60 + 1, "name": "Ada"}
    schedule_id = await scheduled(api, await created(api), input_data=data)
    await open_session(page, person)
    await page.goto(f"/schedules?schedule={schedule_id}")
    await page.get_by_role("region", name="Weekdays").get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="Edit “Weekdays”")
    field = form.get_by_label("Input")
    await expect(field).to_have_value(re.compile(f"{2**60 + 1}"))

    await field.fill((await field.input_value()).replace("Ada", "Eda"))
    await form.get_by_role("button", name="Save").click()

    await expect(form).to_have_count(0)
    stored = (await api.get(f"/api/schedules/{schedule_id}")).json()
    assert stored["input_data"] == data | {"name": "Eda"}


async def test_the_address_restores_filters_and_the_open_schedule(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    first, second = await created(api), await created(api, GREETING.replace("Greeting", "Other"))
    shown = await scheduled(api, first)
    await scheduled(api, second, name="Elsewhere")
    await scheduled(api, first, name="Off", enabled=False)
    await open_session(page, person)

    await page.goto(f"/schedules?pipeline={first}&state=enabled&schedule={shown}")

    table = page.get_by_role("table", name="Schedules")
    await expect(table.get_by_role("link")).to_have_text(["Weekdays"])
    await expect(page.get_by_role("region", name="Weekdays")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    await expect(table.get_by_role("link")).to_have_count(3)
    await page.go_back()
    await expect(table.get_by_role("link")).to_have_text(["Weekdays"])
