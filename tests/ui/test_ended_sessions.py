"""The editor when the session of the person has ended."""

import re

import httpx2
from playwright.async_api import Page, expect

from tests.ui.editor_pages import (
    draft_of,
    editor,
    expect_kept,
    open_editor,
    saved_pipeline,
)
from tests.ui.support import PageProblems, Person, open_session
from tests.ui.team import address, joined


async def type_after_the_session_has_ended(page: Page, text: str) -> None:
    """Type a line before the first one, and wait for the sign-in page."""
    await editor(page).click()
    await page.keyboard.press("Control+Home")
    await page.context.clear_cookies()
    await page.keyboard.insert_text(f"{text}\n")
    await expect(page).to_have_url(re.compile("/login"))


async def sign_in_again(page: Page, person: Person) -> None:
    """Sign in on the page that is open, and wait for the editor that it returns to."""
    await page.get_by_label("Email").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(editor(page)).to_contain_text("name: Greeting")


async def test_a_text_of_a_session_that_has_ended_is_not_shown_to_the_next_person(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
):
    problems.expect("status of 401")
    colleague = await joined(api, address("eda"), "editor")
    await open_session(page, person)
    await open_editor(page, await saved_pipeline(api))
    await type_after_the_session_has_ended(page, "# not sent")

    await sign_in_again(page, colleague)

    await expect(page.get_by_role("status", name="Draft")).to_have_text("Saved")
    await expect(editor(page)).not_to_contain_text("# not sent")


async def test_a_text_of_a_session_that_has_ended_is_sent_after_the_next_sign_in(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
):
    problems.expect("status of 401")
    await open_session(page, person)
    pipeline = await saved_pipeline(api)
    await open_editor(page, pipeline)
    await type_after_the_session_has_ended(page, "# not sent")

    await sign_in_again(page, person)

    await expect_kept(page)
    assert (await draft_of(api, pipeline)).startswith("# not sent\n")
