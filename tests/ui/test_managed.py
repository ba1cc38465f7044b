"""The editor of a pipeline that a repository manages."""

import httpx2
from playwright.async_api import Page, expect

from tests.ui.support import Person, assert_accessible_in_both_themes, open_session

TEXT = "name: Prices\nsteps: [{id: a, type: transform, template: x}]\n"
REPOSITORY = "https://git.example.com/team/pipelines"


async def test_the_editor_is_locked_until_somebody_edits_here_instead(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    body = {"text": TEXT, "managed_by": "git", "source": REPOSITORY}
    pipeline = (await api.post("/api/pipelines", json=body)).json()["id"]
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline}/edit")
    notice = page.get_by_role("note").filter(has_text=REPOSITORY)
    text = page.get_by_role("textbox", name="Pipeline YAML")

    await expect(notice).to_be_visible()
    await expect(text).to_have_attribute("aria-readonly", "true")
    await expect(page.get_by_role("button", name="Save")).to_have_count(0)
    await assert_accessible_in_both_themes(page)

    await page.get_by_role("button", name="Edit here instead").press("Enter")

    await expect(notice).to_have_count(0)
    await expect(text).not_to_have_attribute("aria-readonly", "true")
    shown = (await api.get(f"/api/pipelines/{pipeline}")).json()
    assert (shown["managed_by"], shown["source"], shown["version"]) == (None, None, 1)
    await text.click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("# here")
    await expect(page.get_by_role("button", name="Save")).to_be_enabled()


async def test_an_older_version_cannot_be_restored_meanwhile(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    body = {"text": TEXT, "managed_by": "git", "source": REPOSITORY}
    pipeline = (await api.post("/api/pipelines", json=body)).json()["id"]
    await api.put(f"/api/pipelines/{pipeline}", json={"text": TEXT.replace("x}", "y}")})
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline}/versions")
    rows = page.get_by_role("table", name="Versions", exact=True).get_by_role("row")
    restore = page.get_by_role("button", name="Restore")

    await expect(rows).to_have_count(3)
    await expect(restore).to_have_count(0)

    await api.patch(f"/api/pipelines/{pipeline}", json={"managed_by": None})
    await page.reload()

    await expect(restore).to_have_count(1)
