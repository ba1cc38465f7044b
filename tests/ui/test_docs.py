"""The reference of the server: inside the frame for people with a session, and without the app for all others."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.ui.support import (
    PageProblems,
    Person,
    UiServer,
    assert_accessible_in_both_themes,
    expect_signed_in,
    open_session,
)

pytestmark = pytest.mark.one_store

PAGES = {"/docs": "API reference", "/docs/errors": "Errors", "/docs/steps": "Step types"}


async def test_the_reference_is_found_searched_and_read(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/pipelines")
    await expect_signed_in(page)
    await page.keyboard.press("Control+k")
    await page.get_by_role("combobox").fill("API ref")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="API reference")).to_be_visible()
    await expect(page.get_by_role("navigation", name="Main")).to_be_visible()

    entries = page.get_by_role("navigation", name="Contents").get_by_role("link")
    # Keys of the page work when the entries have loaded and the dialog is closed.
    await expect(entries.first).to_be_visible()
    await expect(page.get_by_role("combobox")).to_have_count(0)
    await page.keyboard.press("/")
    await page.keyboard.type("post pipeline_id}/run")
    await expect(entries.first).to_contain_text("/pipelines/{pipeline_id}/run")
    await page.keyboard.press("Enter")

    article = page.get_by_role("article", name="POST /api/pipelines/{pipeline_id}/run", exact=True)
    await expect(article.get_by_role("heading", name="Parameters")).to_be_visible()
    await expect(article.get_by_role("figure", name="Example").first).to_contain_text(
        "curl -X POST"
    )
    await expect(page).to_have_url(re.compile(r"/docs\?q=.*#post-api-pipelines-pipeline_id-run$"))

    await page.reload()
    await expect(article).to_be_visible()
    await article.get_by_role("link", name="RunDetail").click()
    shape = page.get_by_role("article", name="RunDetail", exact=True)
    await expect(shape).to_be_focused()
    await expect(shape).to_contain_text("pipeline_version")
    await page.go_back()
    await expect(article).to_be_visible()


async def test_keys_go_through_the_entries(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/pipelines")
    await expect_signed_in(page)
    await page.get_by_role("button", name="Account").click()
    await page.get_by_role("link", name="API reference").click()
    await page.get_by_role("link", name="Step types").click()
    await expect(page.get_by_role("heading", name="Step types")).to_be_visible()

    await page.keyboard.press("j")
    await expect(page.get_by_role("article", name="llm")).to_contain_text("system_prompt")
    await page.keyboard.press("j")
    await expect(page.get_by_role("article", name="transform")).to_be_visible()
    await page.keyboard.press("k")
    await expect(page.get_by_role("article", name="llm")).to_be_visible()


async def test_an_unknown_entry_is_said_to_be_unknown(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/docs/errors#nothing_like_it")

    await expect(page.get_by_role("main")).to_contain_text("no entry named “nothing_like_it”")


@pytest.mark.parametrize("has_script", [True, False])
async def test_without_a_session_the_link_of_an_error_shows_its_explanation(
    browser: Browser, ui_server: UiServer, has_script: bool
):
    context = await browser.new_context(java_script_enabled=has_script)
    problems = PageProblems(ui_server.url)
    problems.watch(context)
    page = await context.new_page()
    await page.goto(f"{ui_server.url}/docs/errors#run_not_found")

    await expect(page.locator("#run_not_found")).to_be_in_viewport()
    contents = page.get_by_role("navigation", name="Contents")
    await expect(contents.get_by_role("link", name="API", exact=True)).to_have_attribute(
        "href", "/docs"
    )
    await context.close()
    problems.check()


async def test_an_ended_session_gets_the_reference_too(
    page: Page, person: Person, ui_server: UiServer
):
    await open_session(page, person)
    await page.goto("/docs/errors#run_not_found")
    await expect(page.get_by_role("article", name="run_not_found")).to_be_visible()
    await page.evaluate("""async () => {
        const {csrf_token} = await (await fetch('/api/session')).json();
        await fetch('/api/session', {method: 'DELETE', headers: {'X-CSRF-Token': csrf_token}});
    }""")

    await page.reload()

    await expect(page.locator("#run_not_found")).to_be_in_viewport()
    await expect(page.get_by_role("navigation", name="Main")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
async def test_the_pages_are_accessible_with_an_entry(page: Page, person: Person, path: str):
    await open_session(page, person)
    await page.goto(path)
    await expect(page.get_by_role("heading", name=PAGES[path], exact=True)).to_be_visible()

    await page.keyboard.press("j")
    await expect(page.get_by_role("article")).to_be_visible()
    await assert_accessible_in_both_themes(page)
