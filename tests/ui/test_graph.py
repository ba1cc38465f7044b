"""The graph of a pipeline: in the editor it follows the text and the cursor, on the page of a run it is live."""

import re

import httpx2
import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.fake_provider import RunningFakeProvider
from tests.ui.support import Person, assert_accessible_in_both_themes, open_session

pytestmark = pytest.mark.one_store

MAX_MOUNTED = 60

SOURCE = """\
name: Routing
input:
  schema:
    amount: {type: integer, default: 700}

steps:
  - id: ask
    name: Ask the model
    model: openai/gpt-4o-mini
    prompt: Say hello

  - id: route
    type: condition
    cases:
      - {if: input.amount >= 10000, goto: board}
      - {if: input.amount >= 500, goto: manager}
    else: end

  - {id: board, type: transform, template: The board decides., on_condition: [{if: true, goto: both}]}
  - {id: manager, type: transform, template: The manager decides.}

  - id: both
    type: parallel
    steps:
      - {id: careful, type: transform, template: Careful}
      - id: bold
        steps:
          - {id: idea, type: transform, template: Idea}
          - {id: refined, type: transform, template: "{{steps.idea.output}}!"}

  - id: each
    type: parallel
    for_each: "[1, 2, 3]"
    step: {id: item, type: transform, template: "{{item}}"}
"""


async def saved(api: httpx2.AsyncClient, source: str = SOURCE) -> str:
    headers = {"Content-Type": "application/yaml"}
    response = await api.post("/api/pipelines", content=source.encode(), headers=headers)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def started(api: httpx2.AsyncClient, source: str = SOURCE) -> str:
    """Create a pipeline and start a run of it. Returns the id of the run."""
    response = await api.post(f"/api/pipelines/{await saved(api, source)}/run", json={})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def graph(page: Page) -> Locator:
    return page.get_by_role("application", name="Graph of the pipeline")


def box(page: Page, name: str) -> Locator:
    return graph(page).get_by_role("button", name=re.compile(name))


def marked(page: Page) -> Locator:
    return graph(page).locator("[aria-current=step]")


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Pipeline YAML")


async def open_graph(page: Page, pipeline: str) -> None:
    await page.goto(f"/pipelines/{pipeline}/edit?panel=graph")
    await expect(box(page, "^Ask the model")).to_be_visible()


async def test_the_graph_shows_steps_jumps_and_branches(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    pipeline = await saved(api)
    await page.goto(f"/pipelines/{pipeline}/edit")
    await page.get_by_role("tab", name="Graph").click()

    await expect(page).to_have_url(re.compile("panel=graph"))
    await expect(box(page, "^Ask the model ask · llm")).to_contain_text("openai/gpt-4o-mini")
    route = box(page, "^route condition 1 input.amount >= 10000 goes to board")
    await expect(route).to_contain_text("input.amount >= 500")
    await page.get_by_role("button", name="Show the whole graph").click()
    await expect(box(page, "^each parallel · once for each item")).to_contain_text("[1, 2, 3]")
    await expect(box(page, "^both parallel")).to_contain_text("2 branches")
    await expect(box(page, "^item transform")).to_be_visible()
    await expect(graph(page).get_by_text("bold", exact=True)).to_be_visible()
    await expect(graph(page).get_by_role("img", name="From route to board, 1")).to_be_attached()
    await expect(graph(page).get_by_role("img", name="From route to End, else")).to_be_attached()


async def test_the_graph_follows_the_cursor_and_a_click_goes_to_the_line(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await open_graph(page, await saved(api))
    await expect(marked(page)).to_have_count(0)

    await editor(page).get_by_text("The manager decides.").click()
    await expect(marked(page)).to_have_accessible_name(re.compile("^manager"))
    await editor(page).get_by_text("Ask the model").click()
    await expect(marked(page)).to_have_accessible_name(re.compile("^Ask the model"))

    await page.get_by_role("button", name="Show the whole graph").click()
    await box(page, "^refined").click()
    await expect(editor(page)).to_be_focused()
    await expect(page.locator(".cm-activeLine")).to_contain_text("id: refined")
    await expect(marked(page)).to_have_accessible_name(re.compile("^refined"))


async def test_the_graph_moves_to_a_step_that_is_not_on_the_screen(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await page.emulate_media(reduced_motion="reduce")
    await open_session(page, person)
    await open_graph(page, await saved(api))
    await editor(page).click()

    await page.keyboard.press("Control+End")

    await expect(marked(page)).to_have_accessible_name(re.compile("^(item|each)"))
    await expect(marked(page)).to_be_in_viewport()


async def test_the_graph_of_the_last_valid_text_stays(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await open_graph(page, await saved(api))
    outdated = page.get_by_role("status").filter(has_text="This is its last graph.")
    await editor(page).click()
    await page.keyboard.press("Control+Home")

    await page.keyboard.type("broken: [")
    await expect(outdated).to_be_visible()
    await expect(box(page, "^Ask the model")).to_be_visible()
    await editor(page).get_by_text("The manager decides.").click()
    await expect(marked(page)).to_have_accessible_name(re.compile("^manager"))

    await page.keyboard.press("Control+Home")
    await page.keyboard.press("Control+Shift+ArrowRight")
    await page.keyboard.press("Shift+End")
    await page.keyboard.press("Delete")
    await page.keyboard.type("name: Routing")
    await editor(page).get_by_text("Ask the model").click()
    await page.keyboard.press("End")
    await page.keyboard.type(" again")
    await expect(outdated).to_be_hidden()
    await expect(box(page, "^Ask the model again ask")).to_be_visible()


async def test_a_text_without_steps_has_no_graph_yet(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    pipeline = await saved(api)
    text = {"text": "name: Nothing\n", "base_version": 1}
    response = await api.put(f"/api/pipelines/{pipeline}/draft", json=text)
    assert response.status_code in (200, 201), response.text

    await page.goto(f"/pipelines/{pipeline}/edit?panel=graph")

    panel = page.get_by_role("tabpanel", name="Graph")
    await expect(panel).to_contain_text("The graph appears when the text can be read")


async def test_arrow_keys_move_and_enter_goes_to_the_step(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await page.emulate_media(reduced_motion="reduce")
    await open_session(page, person)
    await open_graph(page, await saved(api))

    await graph(page).focus()
    await page.keyboard.press("ArrowDown")
    await expect(box(page, "^Ask the model")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(box(page, "^route")).to_be_focused()
    await page.keyboard.press("End")
    await expect(box(page, "^item")).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(box(page, "^each")).to_be_focused()
    await page.keyboard.press("Enter")

    await expect(editor(page)).to_be_focused()
    await expect(page.locator(".cm-activeLine")).to_contain_text("id: each")


async def test_of_1_000_steps_only_those_on_the_screen_are_mounted(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await page.emulate_media(reduced_motion="reduce")
    await open_session(page, person)
    pipeline = await saved(api)
    steps = "".join(f"  - {{id: s{index}, prompt: Hi}}\n" for index in range(1000))
    text = {"text": f"name: Large\nsteps:\n{steps}", "base_version": 1}
    response = await api.put(f"/api/pipelines/{pipeline}/draft", json=text)
    assert response.status_code in (200, 201), response.text
    await page.goto(f"/pipelines/{pipeline}/edit?panel=graph")
    await expect(box(page, "^s0 llm$")).to_be_visible()

    await graph(page).focus()
    await page.keyboard.press("End")

    await expect(box(page, "^s0 llm$")).to_have_count(0)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("End")
    await expect(box(page, "^s999 llm$")).to_be_focused()
    assert await graph(page).get_by_role("button").count() <= MAX_MOUNTED


async def test_the_graph_of_a_run_is_live_and_a_click_selects_the_step(
    page: Page, person: Person, api: httpx2.AsyncClient, fake_provider: RunningFakeProvider
):
    await open_session(page, person)
    with fake_provider.holding():
        run_id = await started(api)
        await page.goto(f"/runs/{run_id}")
        await page.get_by_role("tab", name="Graph").click()
        await expect(page).to_have_url(re.compile("panel=graph"))

        await expect(box(page, "^Ask the model")).to_contain_text("Running")
        await expect(box(page, "^manager")).to_contain_text("Not started")
        await expect(box(page, "^manager")).to_be_disabled()
        await page.get_by_role("button", name="Show the whole graph").click()

    await expect(box(page, "^Ask the model")).to_contain_text("Completed")
    await expect(box(page, "^manager")).to_contain_text("Completed")
    await expect(box(page, "^board")).to_contain_text("Not started")
    await expect(box(page, "^item transform Completed 3 of 3 ended")).to_be_visible()

    await box(page, "^manager").click()
    await expect(page).to_have_url(re.compile("step=manager"))
    await expect(page.get_by_role("region", name="Step manager")).to_be_visible()
    await page.go_back()
    await expect(box(page, "^manager")).to_be_visible()


async def test_the_graph_is_accessible(page: Page, person: Person, api: httpx2.AsyncClient):
    await page.emulate_media(reduced_motion="reduce")
    await open_session(page, person)
    await open_graph(page, await saved(api))
    await editor(page).get_by_text("The manager decides.").click()
    await expect(marked(page)).to_be_visible()
    await assert_accessible_in_both_themes(page)
    await page.keyboard.press("Control+Home")
    await page.keyboard.type("broken: [")
    await expect(page.get_by_text("This is its last graph.")).to_be_visible()
    await assert_accessible_in_both_themes(page)

    await page.goto(f"/runs/{await started(api)}?panel=graph")
    await expect(page.get_by_role("status", name="Status of the run")).to_have_text("Completed")
    await expect(box(page, "^manager")).to_contain_text("Completed")
    await assert_accessible_in_both_themes(page)
