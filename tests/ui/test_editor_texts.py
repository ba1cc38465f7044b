"""The editor: what it says about a text belongs to that text."""

import re

import httpx2
from playwright.async_api import Page, expect

from tests.ui.editor_pages import editor, open_editor, saved_pipeline, type_on_top
from tests.ui.support import PageProblems, Person, open_session


async def test_after_the_first_save_the_page_is_that_of_the_pipeline(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    draft = await api.post("/api/drafts", json={"text": "", "format": "yaml"})
    await open_session(page, person)
    await open_editor(page, draft.json()["pipeline_id"])
    await editor(page).fill("name: Moss\nsteps: [{id: a, type: transform, template: b}]\n")

    await page.get_by_role("button", name="Save", exact=True).click()

    views = page.get_by_role("navigation", name="Pages of the pipeline")
    await expect(views.get_by_role("link", name="Settings")).to_be_visible()
    await expect(page.get_by_role("heading", name="Moss", level=1)).to_be_visible()
    await expect(page.get_by_text("Not saved yet")).to_have_count(0)


async def test_the_reason_why_a_text_was_not_saved_goes_when_the_text_changes(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
):
    problems.expect("status of 422")
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api))
    await type_on_top(page, "nane: Moss")
    await page.get_by_role("button", name="Save", exact=True).click()
    refusal = page.get_by_role("alert").filter(has_text="The pipeline was not saved")
    await expect(refusal.get_by_role("link", name="invalid_definition")).to_be_visible()

    await type_on_top(page, "# a comment")

    await expect(refusal).to_have_count(0)


async def test_an_empty_text_has_a_problem_that_says_how_to_begin(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await page.goto(f"/pipelines/{await saved_pipeline(api)}/edit?panel=problems")

    await editor(page).fill("")

    problem = page.get_by_role("list", name="Problems").get_by_role("button")
    await expect(problem).to_contain_text(re.compile("it is empty. Start with name: My pipeline"))


async def test_code_in_a_problem_is_shown_as_code(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await open_session(page, person)
    await page.goto(f"/pipelines/{await saved_pipeline(api)}/edit?panel=problems")

    await type_on_top(page, "nane: Moss")

    problem = page.get_by_role("list", name="Problems").get_by_role("button").first
    await expect(problem.locator("code", has_text=re.compile("^nane$")).first).to_be_visible()
    await expect(problem).not_to_contain_text("`")
