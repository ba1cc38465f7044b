"""The versions of a pipeline: compare two of them, and restore one."""

import re

import httpx2
import pytest
from playwright.async_api import Page, expect

from tests.ui.support import Person, assert_accessible, open_session

pytestmark = pytest.mark.one_store

YAML = {"Content-Type": "application/yaml"}
TEXT = """\
name: Letter
steps:
  - {id: greet, type: transform, template: "Hello"}
"""


async def test_versions_are_compared_and_restored(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    response = await api.post("/api/pipelines", content=TEXT, headers=YAML)
    pipeline_id = response.json()["id"]
    changed = TEXT.replace("Hello", "Good morning")
    for text in (changed, changed + "description: For customers\n"):
        response = await api.put(f"/api/pipelines/{pipeline_id}", content=text, headers=YAML)
        assert response.status_code == 200, response.text
    await open_session(page, person)

    await page.goto(f"/pipelines/{pipeline_id}/versions")
    table = page.get_by_role("table", name="Versions", exact=True)
    await expect(table.get_by_role("row")).to_have_count(4)
    await expect(table.get_by_role("row", name=re.compile("^v3 newest You"))).to_be_visible()
    fields = page.get_by_role("list", name="Changed fields")
    await expect(fields.get_by_role("listitem")).to_have_text(
        [re.compile("Added description: For customers")]
    )
    await expect(page.get_by_role("table", name="Text of versions 2 and 3")).to_be_visible()

    await table.get_by_role("link", name="v2").click()
    await expect(fields).to_contain_text("from Hello to Good morning")
    await page.get_by_label("to version").select_option("3")
    text = page.get_by_role("table", name="Text of versions 1 and 3")
    await expect(text.get_by_role("row")).to_contain_text(["Version 1", "Letter"])
    await expect(text).to_contain_text("+description: For customers")
    await assert_accessible(page)
    await page.reload()
    await expect(text).to_be_visible()

    await table.get_by_role("button", name="Restore version 1").click()
    question = page.get_by_role("dialog", name="Restore version 1?")
    await question.get_by_role("button", name="Restore").click()
    await expect(table.get_by_role("row", name=re.compile("^v4 newest You"))).to_be_visible()
    saved = await api.get(f"/api/pipelines/{pipeline_id}", headers={"Accept": "application/yaml"})
    assert saved.text == TEXT


async def test_runs_of_a_version_and_of_the_pipeline(
    page: Page, person: Person, api: httpx2.AsyncClient
) -> None:
    pipeline_id = (await api.post("/api/pipelines", content=TEXT, headers=YAML)).json()["id"]
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline_id}/versions")
    await expect(page.get_by_text("This pipeline has one version.")).to_be_visible()

    await page.get_by_role("link", name="0 runs of version 1").click()
    await expect(page).to_have_url(re.compile(rf"/runs\?pipeline={pipeline_id}&version=1"))
    await page.go_back()
    await page.get_by_role("navigation", name="Pages of the pipeline").get_by_text("Runs").click()
    await expect(page).to_have_url(re.compile(rf"/runs\?pipeline={pipeline_id}$"))
