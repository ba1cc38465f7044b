"""The split of the page of a run: what is selected, and where the details are."""

import re

import httpx2
import pytest
from playwright.async_api import Locator, Page, ViewportSize, expect

from tests.ui.support import Person, assert_accessible_in_both_themes, open_session
from tests.ui.test_reviews import Reviews
from tests.ui.test_run import FAILS, created, item, status, tree

pytestmark = pytest.mark.one_store

TWO_BREAK = """\
name: Two break
steps:
  - {id: first, type: transform, set: {x: int("a")}, on_error: continue}
  - {id: second, type: transform, set: {y: int("b")}}
"""


ITEMS_BREAK = """\
name: Items break
steps:
  - id: each
    type: parallel
    for_each: input.items
    on_branch_error: continue
    step: {id: one, type: transform, set: {x: int(item)}}
"""


async def ended(api: httpx2.AsyncClient, text: str, data: object = None) -> str:
    """Create a pipeline and run it. Returns the id of the run after its end."""
    path = f"/api/pipelines/{await created(api, text)}/run?wait=20"
    return str((await api.post(path, json={"input_data": data or {}})).json()["id"])


async def failed(api: httpx2.AsyncClient) -> str:
    return await ended(api, FAILS, {"amount": "many"})


def whole_run(page: Page) -> Locator:
    return page.get_by_role("region", name="Whole run")


def broken_step(page: Page) -> Locator:
    return page.get_by_role("region", name="Step broken")


async def test_a_failed_run_opens_with_its_first_failed_step(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    run_id = await ended(api, TWO_BREAK)
    await open_session(page, person)

    await page.goto(f"/runs/{run_id}")

    await expect(page.get_by_role("region", name="Step first")).to_be_visible()
    await expect(item(page, "^failed first")).to_have_attribute("aria-selected", "true")
    await expect(page).to_have_url(re.compile("step=first"))


async def test_a_run_that_was_chosen_stays_chosen_after_a_reload(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await page.goto(f"/runs/{await failed(api)}")
    await expect(broken_step(page)).to_be_visible()

    await page.keyboard.press("Escape")
    await expect(whole_run(page).get_by_role("link", name="expression_error")).to_be_visible()
    await page.reload()

    await expect(whole_run(page).get_by_role("link", name="expression_error")).to_be_visible()
    await whole_run(page).get_by_role("button", name="Show the step").click()
    await expect(broken_step(page)).to_be_visible()


async def test_the_run_is_above_its_steps_with_the_same_row_of_tabs(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await page.goto(f"/runs/{await ended(api, FAILS, {'amount': '1'})}?step=first")
    run = page.get_by_role("button", name="Whole run")
    tabs = page.get_by_role("tablist")
    await expect(tabs).to_contain_text("Prompt")
    await expect(tabs).to_have_count(1)
    await expect(run).to_have_attribute("aria-pressed", "false")

    await tree(page).focus()
    await page.keyboard.press("ArrowUp")

    await expect(whole_run(page)).to_be_visible()
    await expect(tabs).to_have_text("OutputInputDeliveriesEventsGraph")
    await expect(tabs).to_have_count(1)
    await expect(run).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("ArrowDown")
    await expect(item(page, " first ")).to_have_attribute("aria-selected", "true")
    await run.click()
    await expect(whole_run(page)).to_be_visible()


async def test_the_split_fills_the_window_and_nothing_moves_with_the_selection(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await page.goto(f"/runs/{await ended(api, FAILS, {'amount': '1'})}")
    await expect(status(page)).to_have_text("Completed")
    fixed = [
        page.get_by_role("button", name="Retry…"),
        page.get_by_role("tablist"),
        tree(page),
        page.get_by_role("tabpanel"),
    ]
    await expect(whole_run(page)).to_be_visible()
    before = [await each.bounding_box() for each in fixed]

    await item(page, " broken ").click()
    await expect(broken_step(page)).to_be_visible()

    assert [await each.bounding_box() for each in fixed] == before
    heights = "() => [document.documentElement.scrollHeight, innerHeight]"
    needed, given = await page.evaluate(heights)
    assert needed == given
    side, panel = before[2], before[3]
    assert side is not None
    assert panel is not None
    assert side["y"] + side["height"] == panel["y"] + panel["height"] > given - 32


async def test_the_divider_moves_with_keys_and_the_pointer_and_is_remembered(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await page.goto(f"/runs/{await ended(api, FAILS, {'amount': '1'})}")
    divider = page.get_by_role("separator", name="Width of the steps")
    await expect(divider).to_have_attribute("aria-valuenow", "56")

    await divider.press("ArrowRight")
    await expect(divider).to_have_attribute("aria-valuenow", "58")
    await divider.press("Home")
    await page.reload()
    await expect(divider).to_have_attribute("aria-valuenow", "25")

    box = await divider.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"], box["y"] + 100)
    await page.mouse.down()
    await page.mouse.move(2000, box["y"] + 100)
    await page.mouse.up()
    await expect(divider).to_have_attribute("aria-valuenow", "75")
    await page.mouse.move(10, box["y"] + 100)
    await expect(divider).to_have_attribute("aria-valuenow", "75")


@pytest.mark.parametrize("width", [360, 900])
async def test_on_narrow_screens_the_details_slide_over_the_steps(
    page: Page, person: Person, api: httpx2.AsyncClient, width: int
):
    await page.set_viewport_size(ViewportSize(width=width, height=800))
    await open_session(page, person)
    await page.goto(f"/runs/{await failed(api)}")
    await expect(broken_step(page)).to_be_visible()
    await assert_accessible_in_both_themes(page)
    await page.get_by_role("button", name="Close the details").click()
    await expect(broken_step(page)).to_have_count(0)
    await expect(tree(page)).to_be_focused()

    await page.get_by_role("button", name="Whole run").click()
    await expect(whole_run(page)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(whole_run(page)).to_have_count(0)
    await expect(item(page, "^failed broken")).to_be_visible()
    await page.go_back()
    await expect(item(page, "^failed broken")).to_be_visible()
    await assert_accessible_in_both_themes(page)


async def test_a_long_title_leaves_the_buttons_their_place(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    long = FAILS.replace("Failing", "Summarise all support tickets " * 6)
    await open_session(page, person)
    await page.goto(f"/runs/{await ended(api, long, {'amount': '1'})}")

    title = await page.get_by_role("heading", level=1).bounding_box()
    button = await page.get_by_role("button", name="Retry…").bounding_box()

    assert title is not None
    assert button is not None
    assert button["y"] < title["y"] + title["height"]


async def test_the_header_of_the_events_is_above_them(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await page.goto(f"/runs/{await ended(api, FAILS, {'amount': '1'})}?panel=events")
    table = page.get_by_role("table", name="Events")
    await expect(table.locator("tr[data-row='1']")).to_be_visible()

    header = await table.locator("th").first.bounding_box()
    first = await table.locator("tr[data-row='1']").bounding_box()

    assert header is not None
    assert first is not None
    assert first["y"] >= header["y"] + header["height"]


async def test_a_step_that_waits_for_a_person_leads_to_its_review(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    text = "name: Asks\nsteps: [{id: check, type: human_review, message: Right?}]\n"
    run_id = await Reviews(api).ask(await created(api, text), {})
    await open_session(page, person)
    await page.goto(f"/runs/{run_id}?step=check")

    await page.get_by_role("link", name="Open the review").click()

    await expect(page.get_by_role("region", name="Question")).to_have_text("Right?")
    await expect(page).to_have_url(re.compile(f"/reviews.*{run_id}"))


async def test_a_step_that_completed_although_items_failed_is_marked(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    run_id = await ended(api, ITEMS_BREAK, {"items": ["1", "a", "2"]})
    await open_session(page, person)

    await page.goto(f"/runs/{run_id}")

    await expect(item(page, "^completed · 1 failed each")).to_be_visible()


async def test_runs_of_the_same_minute_have_different_short_ids(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    shown: set[str] = set()
    for _ in range(2):
        await page.goto(f"/runs/{await failed(api)}")
        await expect(broken_step(page)).to_be_visible()
        shown.add(await page.get_by_title("Copy run id").inner_text())

    assert len(shown) == 2
