"""The settings of a pipeline: details, its own secrets, archive and restore."""

import re

import httpx2
import pytest
from playwright.async_api import Page, expect

from tests.ui.support import PageProblems, Person, assert_accessible, open_session

pytestmark = pytest.mark.one_store

YAML = {"Content-Type": "application/yaml"}
CRM = 'name: CRM\nsteps: [{id: a, type: transform, template: "{{env.TOKEN}} {{env.OTHER}}"}]'


async def opened(page: Page, person: Person, api: httpx2.AsyncClient) -> str:
    """Create a pipeline and open its settings. Returns its id."""
    created = await api.post("/api/pipelines", content=CRM, headers=YAML)
    assert created.status_code == 201, created.text
    pipeline_id = str(created.json()["id"])
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline_id}")
    pages = page.get_by_role("navigation", name="Pages of the pipeline")
    await pages.get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("heading", name="Details")).to_be_visible()
    return pipeline_id


async def test_name_description_and_tags_change_without_a_version(
    page: Page, person: Person, api: httpx2.AsyncClient, problems: PageProblems
) -> None:
    problems.expect("status of 422")
    pipeline_id = await opened(page, person, api)
    save = page.get_by_role("button", name="Save")
    await expect(save).to_be_disabled()
    await assert_accessible(page)

    await page.get_by_label("Name").fill("Customers")
    await page.get_by_label("Description").fill("Copies customers.")
    await page.get_by_label("Tags").fill("crm\nbad \\")
    await save.click()
    await expect(page.get_by_text("Must not contain double quotes, backslashes")).to_be_visible()
    await page.get_by_label("Tags").fill("crm\ntwo words")
    await save.click()

    await expect(page.get_by_role("heading", name="Customers", level=1)).to_be_visible()
    await expect(save).to_be_disabled()
    stored = (await api.get(f"/api/pipelines/{pipeline_id}")).json()
    assert stored["name"] == "Customers"
    assert stored["description"] == "Copies customers."
    assert stored["tags"] == ["crm", "two words"]
    assert stored["version"] == 1
    await page.reload()
    await expect(page.get_by_label("Tags")).to_have_value("crm\ntwo words")
    await page.get_by_label("Name").fill("Other")
    await page.get_by_role("button", name="Discard changes").click()
    await expect(page.get_by_label("Name")).to_have_value("Customers")


async def test_secrets_of_the_pipeline_are_set_and_deleted(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    pipeline_id = await opened(page, person, api)
    missing = page.get_by_role("table", name="Missing secrets")
    await expect(missing.get_by_role("row")).to_have_count(3)

    await missing.get_by_role("button", name="Set TOKEN").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Value", exact=True).fill("a very secret value")
    await form.get_by_role("button", name="Set secret").click()
    own = page.get_by_role("table", name="Secrets of this pipeline")
    await expect(own.get_by_role("row", name=re.compile("TOKEN"))).to_be_visible()
    await expect(missing.get_by_text("TOKEN", exact=True)).to_have_count(0)
    await expect(missing.get_by_text("OTHER", exact=True)).to_be_visible()
    await assert_accessible(page)
    assert "a very secret value" not in await page.content()
    stored = (await api.get(f"/api/pipelines/{pipeline_id}/secrets")).json()["data"]
    assert [each["name"] for each in stored] == ["TOKEN"]
    assert (await api.get("/api/user/secrets")).json()["data"] == []

    await own.get_by_role("button", name="Delete TOKEN").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_text("This pipeline has no secrets of its own.")).to_be_visible()
    await expect(missing.get_by_text("TOKEN", exact=True)).to_be_visible()


async def test_a_pipeline_is_archived_and_restored_after_a_question(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    pipeline_id = await opened(page, person, api)
    path = f"/api/pipelines/{pipeline_id}"

    await page.get_by_role("button", name="Archive").click()
    question = page.get_by_role("dialog", name="Archive the pipeline “CRM”?")
    await question.get_by_role("button", name="Cancel").click()
    await expect(question).to_have_count(0)
    assert (await api.get(path)).json()["status"] == "active"
    await page.get_by_role("button", name="Archive").click()
    await question.get_by_role("button", name="Archive").click()

    await expect(page.get_by_text("The pipeline is archived. Restore it")).to_be_visible()
    await expect(page.get_by_label("Name")).to_be_disabled()
    assert (await api.get(path)).json()["status"] == "archived"
    await page.get_by_role("button", name="Restore").click()
    await page.get_by_role("dialog").get_by_role("button", name="Restore").click()
    await expect(page.get_by_label("Name")).to_be_enabled()
    assert (await api.get(path)).json()["status"] == "active"
