"""The page of the editor, and the pipelines that tests edit."""

import httpx2
from playwright.async_api import Locator, Page, expect

YAML = {"Content-Type": "application/yaml"}
SOURCE = """\
name: Greeting

input:
  schema:
    who: {type: string, required: true}

steps:
  - id: greet
    type: transform
    template: Hello {{input.who}}

  - id: shout
    type: transform
    template: "{{steps.greet.output}}!"
"""


async def saved_pipeline(api: httpx2.AsyncClient, source: str = SOURCE) -> str:
    response = await api.post("/api/pipelines", content=source, headers=YAML)
    assert response.status_code == 201, response.text
    return response.json()["id"]


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Pipeline YAML")


async def open_editor(page: Page, pipeline: str) -> Locator:
    await page.goto(f"/pipelines/{pipeline}/edit")
    await expect(editor(page)).to_be_visible()
    return editor(page)


async def type_on_top(page: Page, text: str) -> None:
    """Type a line before the first one."""
    await editor(page).click()
    await page.keyboard.press("Control+Home")
    await page.keyboard.type(f"{text}\n")


async def expect_kept(page: Page) -> None:
    """Wait until the server has the text as a draft."""
    await expect(page.get_by_role("status", name="Draft")).to_contain_text(
        "Draft kept on the server"
    )


async def draft_of(api: httpx2.AsyncClient, pipeline: str) -> str:
    return (await api.get(f"/api/pipelines/{pipeline}/draft")).json()["text"]
