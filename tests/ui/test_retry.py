"""The dialog that retries a run sends exactly the data that was recorded or typed."""

import json
import re
from typing import Any

import httpx2
import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.ui.support import PageProblems, Person, open_session
from tests.ui.test_run import started, status

pytestmark = pytest.mark.one_store

REPEATS = """\
name: Repeating
steps:
  - {id: first, type: transform, set: {id: input.id}}
  - {id: second, type: transform, template: "{{steps.first.output.id}}"}
"""


async def run_of(api: httpx2.AsyncClient, page: Page) -> Any:
    """The run that the page shows, after its end."""
    path = f"/api/runs/{page.url.rsplit('/', 1)[-1].partition('?')[0]}"
    # The stream ends with the run.
    await api.get(f"{path}/stream")
    return (await api.get(path)).json()


async def open_retry(page: Page) -> Locator:
    """Press the key that opens the dialog. It works as soon as the button is there."""
    await expect(page.get_by_role("button", name="Retry…")).to_be_visible()
    await page.keyboard.press("r")
    return page.get_by_role("dialog", name="Retry the run")


async def test_a_retry_changes_no_number_that_nobody_has_edited(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    data = {"id": 2**60 + 1, "score": 8.0, "note": "old"}
    await open_session(page, person)
    run_id = await started(api, REPEATS, data)
    await page.goto(f"/runs/{run_id}")
    await expect(status(page)).to_have_text("Completed")

    dialog = await open_retry(page)
    await dialog.get_by_role("button", name="Retry", exact=True).click()
    await expect(page).not_to_have_url(re.compile(run_id))
    same = await run_of(api, page)
    await page.goto(f"/runs/{run_id}")
    await expect(status(page)).to_have_text("Completed")
    await open_retry(page)
    field = dialog.get_by_label("Input")
    await expect(field).to_have_value(re.compile(f"{2**60 + 1}"))
    await field.fill((await field.input_value()).replace("old", "new"))
    await dialog.get_by_role("button", name="Retry", exact=True).click()
    await expect(page).not_to_have_url(re.compile(run_id))

    changed = await run_of(api, page)
    assert json.dumps(same["input_data"]) == json.dumps(data)
    assert json.dumps(changed["input_data"]) == json.dumps(data | {"note": "new"})


async def test_an_input_that_cannot_be_loaded_is_not_edited(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
):
    problems.expect("status of 403")
    await open_session(page, person)
    run_id = await started(api, REPEATS, {"id": 2**60 + 1, "score": 8.0, "note": "old"})
    await page.goto(f"/runs/{run_id}")
    await expect(status(page)).to_have_text("Completed")
    refusal = {"code": "scope_missing", "detail": "No.", "status": 403, "title": "Forbidden"}

    async def refuse(route: Route) -> None:
        await route.fulfill(status=403, json=refusal)

    await page.route(re.compile(rf"/api/runs/{run_id}\?steps=false"), refuse)
    dialog = await open_retry(page)

    await expect(dialog.get_by_role("alert")).to_contain_text("The input could not be loaded")
    await expect(dialog.get_by_role("button", name="Retry", exact=True)).to_be_enabled()
    await expect(dialog.get_by_label("Input")).to_have_count(0)
    await expect(dialog.get_by_label("id", exact=True)).to_have_count(0)


async def test_a_retry_sends_the_numbers_that_were_typed(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    run_id = await started(api, REPEATS, {"id": 1})
    await page.goto(f"/runs/{run_id}?step=second")
    await expect(status(page)).to_have_text("Completed")

    dialog = await open_retry(page)
    await dialog.get_by_role("combobox", name="Start from").click()
    await page.get_by_role("option", name="second").click()
    await dialog.get_by_role("combobox", name="Edit the output of").click()
    await page.get_by_role("option", name="first").click()
    json_tabs = dialog.get_by_text("JSON", exact=True)
    await expect(json_tabs).to_have_count(2)
    await json_tabs.first.click()
    await json_tabs.last.click()
    await dialog.get_by_label("Output of first").fill(f'{{"id": {2**60 + 3}}}')
    await dialog.get_by_label("Input").fill(f'{{"id": {2**60 + 5}}}')
    await dialog.get_by_role("button", name="Retry", exact=True).click()

    await expect(page).not_to_have_url(re.compile(run_id))
    retried = await run_of(api, page)
    assert retried["input_data"] == {"id": 2**60 + 5}
    assert retried["output"] == f"{2**60 + 3}"
