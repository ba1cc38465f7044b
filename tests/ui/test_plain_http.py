"""Pages that another machine opens without https: browsers do not have all functions there."""

import httpx2
from playwright.async_api import Page, expect

from tests.ui.support import Person, open_session

# Chromium trusts 127.0.0.1 without https, so the functions are removed.
INSECURE = """
Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
Object.defineProperty(Crypto.prototype, "randomUUID", { value: undefined });
"""
SOURCE = "name: Later\nsteps: [{id: a, type: transform, template: x}]"


async def test_runs_are_live(page: Page, person: Person, api: httpx2.AsyncClient):
    await page.add_init_script(INSECURE)
    headers = {"Content-Type": "application/yaml"}
    pipeline = (await api.post("/api/pipelines", content=SOURCE, headers=headers)).json()
    path = f"/api/pipelines/{pipeline['id']}/run"
    await api.post(path, params={"wait": "30"}, json={})
    await open_session(page, person)
    await page.goto("/runs")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()

    await api.post(path, params={"wait": "30"}, json={})

    await page.get_by_role("button", name="1 new run").click()
    await expect(page.get_by_role("table", name="Runs").get_by_role("row")).to_have_count(3)


async def test_a_pipeline_can_be_edited(page: Page, person: Person):
    await page.add_init_script(INSECURE)
    await open_session(page, person)
    await page.goto("/pipelines")
    await page.get_by_role("button", name="Create pipeline").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("Blank", exact=True).click()
    await dialog.get_by_role("button", name="Open in the editor").click()

    await expect(page.get_by_role("textbox", name="Pipeline YAML")).to_be_visible()
