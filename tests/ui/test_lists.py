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


async def test_a_name_has_the_direction_of_its_own_letters(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _runs(page, person, api, 1)

    name = page.get_by_role("link", name="تلخيص الطلبات")
    assert await name.evaluate("each => getComputedStyle(each).direction") == "rtl"


async def test_a_plan_without_limits_has_no_table_of_limits(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await _runs(page, person, api, 1)

    await page.goto("/usage?show=runs&by=pipeline")

    await expect(page.get_by_text("All of it on")).to_be_visible()
    await expect(page.get_by_role("figure", name="Usage by day")).to_have_count(0)
    await expect(page.get_by_text("unlimited")).to_have_count(0)
