"""Tables: what they show, and what stays on the screen."""

import httpx2
from playwright.async_api import Page, expect

from tests.ui.editor_pages import saved_pipeline
from tests.ui.support import Person, open_session

_FAILS = """\
name: تلخيص الطلبات
steps:
  - id: check
    type: code
    language: python
    source: |
      def main(input):
          return 1 / 0
"""


async def _runs(page: Page, person: Person, api: httpx2.AsyncClient, count: int) -> None:
    """The list of runs, with this many that failed."""
    pipeline = await saved_pipeline(api, _FAILS)
    for _ in range(count):
        await api.post(f"/api/pipelines/{pipeline}/run?wait=30", json={"input_data": {}})
    await open_session(page, person)
    await page.goto("/runs")
    rows = page.get_by_role("table", name="Runs").locator("tr[data-row]")
    await expect(rows).to_have_count(count)


async def test_the_header_of_a_list_stays_while_the_page_scrolls(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await page.set_viewport_size({"width": 1440, "height": 400})
    await _runs(page, person, api, 14)

    await page.mouse.move(700, 300)
    await page.mouse.wheel(0, 10_000)

    await expect(page.locator("tr[data-row]").last).to_be_in_viewport()
    await expect(page.get_by_role("columnheader", name="Pipeline")).to_be_in_viewport()


async def test_errors_are_words_and_columns_without_values_are_hidden(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _runs(page, person, api, 1)

    await expect(page.get_by_role("columnheader", name="Error")).to_be_visible()
    await expect(page.get_by_role("columnheader", name="Tags")).to_have_count(0)
    await expect(page.locator("tr[data-row]")).to_contain_text("ZeroDivisionError")
    await expect(page.locator("tr[data-row]")).not_to_contain_text("code_error")


async def test_an_error_has_as_much_room_as_the_name(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await page.set_viewport_size({"width": 1440, "height": 900})
    await _runs(page, person, api, 1)

    name = await page.get_by_role("columnheader", name="Pipeline").bounding_box()
    error = await page.get_by_role("columnheader", name="Error").bounding_box()
    assert name is not None
    assert error is not None
    assert error["width"] > 0.9 * name["width"]


async def test_a_name_has_the_direction_of_its_own_letters(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _runs(page, person, api, 1)

    name = page.get_by_role("link", name="تلخيص الطلبات")
    assert await name.evaluate("each => getComputedStyle(each).direction") == "rtl"


async def test_a_cell_of_a_right_to_left_text_begins_below_its_header(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    pipeline = await saved_pipeline(api, _FAILS)
    tagged = await api.patch(f"/api/pipelines/{pipeline}", json={"tags": ["عربي"]})
    tagged.raise_for_status()
    await open_session(page, person)
    await page.goto("/pipelines")

    tag = await page.get_by_role("link", name="عربي").bounding_box()
    header = await page.get_by_role("columnheader", name="Tags").bounding_box()
    assert tag is not None
    assert header is not None
    assert header["x"] <= tag["x"] < header["x"] + 20


async def test_a_list_of_active_pipelines_has_no_column_for_their_state(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await saved_pipeline(api, _FAILS)
    await open_session(page, person)
    await page.goto("/pipelines")

    await expect(page.get_by_role("columnheader", name="Last run")).to_be_visible()
    await expect(page.get_by_role("columnheader", name="State")).to_have_count(0)


async def test_a_plan_without_limits_has_no_table_of_limits(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _runs(page, person, api, 1)

    await page.goto("/usage?show=runs&by=pipeline")

    await expect(page.get_by_text("All of it on")).to_be_visible()
    await expect(page.get_by_role("figure", name="Usage by day")).to_have_count(0)
    await expect(page.get_by_text("unlimited")).to_have_count(0)
