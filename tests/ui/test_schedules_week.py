"""The week of schedules: how many runs are due in each hour, also on days on which the clocks change."""

import re
from datetime import UTC, date, datetime, timedelta

import httpx2
import pytest
from playwright.async_api import Locator, Page, expect

from tests.ui.support import (
    PageProblems,
    Person,
    assert_accessible_in_both_themes,
    open_session,
)
from tests.ui.test_schedules import GREETING, created, scheduled

pytestmark = pytest.mark.one_store

NEXT_YEAR = datetime.now(UTC).year + 1


def last_sunday(month: int) -> date:
    """The day on which the clocks change in Berlin: in March and October, which have 31 days."""
    end = date(NEXT_YEAR, month, 31)
    return end - timedelta(days=end.isoweekday() % 7)


def grid(page: Page) -> Locator:
    return page.get_by_role("table", name="Runs by hour")


def cell(page: Page, name: str) -> Locator:
    return grid(page).get_by_role("button", name=re.compile(name))


async def test_a_week_counts_runs_and_lists_the_schedules_of_an_hour(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    pipeline = await created(api)
    other = await created(api, GREETING.replace("Greeting", "Other"))
    hourly = await scheduled(api, pipeline, name="Hourly", cron_expression="0 * * * *")
    await scheduled(api, other, name="Each minute", cron_expression="* * * * *")
    await open_session(page, person)
    await page.goto("/schedules")
    await page.get_by_role("navigation", name="View").get_by_role("link", name="Week").click()

    await expect(page).to_have_url(re.compile("view=week"))
    await expect(grid(page).get_by_role("columnheader")).to_have_count(7)
    nine = cell(page, r"^61 runs: .* 09:00$").last
    await expect(nine).to_have_text("61")
    await nine.click()
    hour = page.get_by_role("region", name=re.compile(r"09:00.*10:00$"))
    await expect(hour).to_contain_text("61 runs")
    await expect(hour.get_by_role("listitem")).to_have_text(
        [re.compile("Each minute.*60 runs"), re.compile("Hourly.*1 run")]
    )
    await page.reload()
    await expect(nine).to_have_attribute("aria-pressed", "true")
    await hour.get_by_role("link", name="Hourly").click()
    await expect(page).to_have_url(re.compile(f"schedule={hourly}"))
    await page.get_by_role("region", name="Hourly").get_by_role("button", name="Close").click()
    await expect(hour).to_be_visible()

    await page.goto(f"/schedules?view=week&pipeline={pipeline}")
    await expect(cell(page, r"^1 run: .* 09:00$").last).to_be_visible()
    await expect(cell(page, "^61 runs")).to_have_count(0)


async def test_days_on_which_the_clocks_change_have_23_or_25_hours(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    await scheduled(api, await created(api), cron_expression="30 2 * * *")
    await open_session(page, person)

    spring = last_sunday(3)
    await page.goto(f"/schedules?view=week&from={spring - timedelta(days=3)}")
    await expect(grid(page).get_by_role("columnheader", name="Sun")).to_contain_text("23 hours")
    await expect(grid(page).get_by_title("This day does not have this hour.")).to_have_count(1)
    await expect(cell(page, r"^1 run: Sat.* 02:00")).to_be_visible()
    await expect(cell(page, r"^1 run: Sun.* 03:00")).to_be_visible()
    await expect(grid(page).get_by_role("button")).to_have_count(7)

    await page.goto(f"/schedules?view=week&from={last_sunday(10)}")
    await expect(grid(page).get_by_role("columnheader", name="Sun")).to_contain_text("25 hours")
    await expect(
        grid(page).get_by_role("rowheader", name=re.compile(r"02:00 again"))
    ).to_be_visible()
    await expect(cell(page, r"^1 run: Sun.* 02:00")).to_have_count(1)
    await expect(grid(page).get_by_role("button")).to_have_count(7)


async def test_buttons_lead_to_other_weeks_and_keys_to_other_hours(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    await scheduled(api, await created(api), cron_expression="0 9,17 * * *")
    await open_session(page, person)
    await page.goto("/schedules?view=week")
    week = page.get_by_role("region", name="Runs by hour")
    await expect(week.get_by_role("button", name="Previous week")).to_be_disabled()

    await week.get_by_role("button", name="Next week").click()
    await expect(page).to_have_url(re.compile(r"from=\d{4}-\d\d-\d\d"))
    await expect(grid(page).get_by_role("button")).to_have_count(14)
    await cell(page, r"09:00$").first.focus()
    await page.keyboard.press("ArrowDown")
    await expect(cell(page, r"17:00$").first).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(cell(page, r"17:00$").nth(1)).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(cell(page, r"09:00$").nth(1)).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name=re.compile(r"09:00.*10:00"))).to_be_visible()

    await week.get_by_role("button", name="Today").click()
    await expect(page).not_to_have_url(re.compile("from="))


async def test_an_empty_week_and_a_failed_request_say_so(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
) -> None:
    problems.expect("status of 503")
    await open_session(page, person)
    await page.goto("/schedules?view=week")
    await expect(page.get_by_role("heading", name="No schedules yet")).to_be_visible()
    next_year = (datetime.now(UTC) + timedelta(days=200)).strftime("0 0 %d %m *")
    await scheduled(api, await created(api), cron_expression=next_year)
    await page.reload()
    await expect(page.get_by_text("No runs are due in these days.")).to_be_visible()
    await expect(grid(page)).to_be_visible()

    body = '{"error": {"code": "store_unavailable", "message": "The database does not respond."}}'
    await page.route(
        "**/api/schedules/density*", lambda route: route.fulfill(status=503, body=body)
    )
    await page.reload()
    await expect(
        page.get_by_role("heading", name="The times of the schedules could not be loaded")
    ).to_be_visible()
    await page.unroute("**/api/schedules/density*")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("No runs are due in these days.")).to_be_visible()


async def test_the_week_is_accessible_and_fits_a_phone(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    pipeline = await created(api)
    for name, expression in (("A", "* * * * *"), ("B", "*/4 9-17 * * 1-5"), ("C", "0 6 * * *")):
        await scheduled(api, pipeline, name=name, cron_expression=expression)
    await page.emulate_media(reduced_motion="reduce")
    await open_session(page, person)
    await page.goto("/schedules?view=week")
    await cell(page, r"06:00$").last.click()
    await expect(page.get_by_role("region", name=re.compile(r"06:00.*07:00"))).to_be_visible()
    await assert_accessible_in_both_themes(page)

    await page.set_viewport_size({"width": 360, "height": 800})

    await expect(grid(page)).to_be_visible()
    await assert_accessible_in_both_themes(page)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
