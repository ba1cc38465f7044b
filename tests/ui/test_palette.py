"""The command palette: pages, settings, things to create, and pipelines to run."""

import re

import httpx2
import pytest
from playwright.async_api import Locator, Page, expect

from tests.ui.editor_pages import saved_pipeline
from tests.ui.support import Person, open_session


async def _choose(page: Page, text: str) -> Locator:
    """Open the palette, type, and take the first result; returns the palette's field."""
    await page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search pages")
    await field.fill(text)
    await expect(page.get_by_role("option").first).to_be_visible()
    await page.keyboard.press("Enter")
    return field


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("api keys", "/settings/keys"),
        ("create pipe", "/pipelines\\?create=blank"),
        ("docs: roadmap", "/docs/roadmap"),
        ("docs: scaling", "/docs/scaling"),
        ("two-factor", "/settings/profile#two-factor"),
    ],
)
async def test_a_page_opens_by_its_name(page: Page, person: Person, text: str, address: str):
    await open_session(page, person)
    await page.goto("/runs")
    await expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()

    await _choose(page, text)

    await expect(page).to_have_url(re.compile(f"{address}$"))


async def test_a_pipeline_is_run_from_every_page(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await saved_pipeline(api)
    await open_session(page, person)
    await page.goto("/usage")
    await expect(page.get_by_role("heading", name="Usage", level=1)).to_be_visible()

    await page.keyboard.press("Control+k")
    await page.get_by_role("option", name="Run Greeting").click()

    await expect(page.get_by_role("dialog", name="Run the pipeline")).to_be_visible()


async def test_what_was_used_last_comes_first(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/runs")
    await expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
    await _choose(page, "secrets")
    await expect(page).to_have_url(re.compile("/settings/secrets$"))

    await page.keyboard.press("Control+k")

    await expect(page.get_by_role("option").first).to_have_text("Secrets")


async def test_the_buttons_of_the_page_are_actions(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/settings/secrets")
    await expect(page.get_by_role("button", name="Set secret").first).to_be_visible()

    await page.keyboard.press("Control+k")
    await page.get_by_role("option", name="Set secret").click()

    await expect(page.get_by_role("dialog", name="Set secret")).to_be_visible()
