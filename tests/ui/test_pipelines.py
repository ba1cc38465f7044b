"""The list of pipelines and the dialog that creates one."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from tests.ui.support import Person, assert_accessible_in_both_themes, open_session

YAML = {"Content-Type": "application/yaml"}


async def saved(api: httpx2.AsyncClient, name: str, *tags: str) -> str:
    source = f"name: {name}\nsteps: [{{id: a, type: transform, template: x}}]\n"
    response = await api.post("/api/pipelines", content=source, headers=YAML)
    pipeline = response.json()["id"]
    await api.patch(f"/api/pipelines/{pipeline}", json={"tags": list(tags)})
    return pipeline


async def test_filters_are_in_the_address(page: Page, person: Person, api: httpx2.AsyncClient):
    await saved(api, "Invoices", "finance")
    await saved(api, "Letters")
    await saved(api, "Payments", "finance")
    await open_session(page, person)
    await page.goto("/pipelines")
    rows = page.get_by_role("table", name="Pipelines").get_by_role("row")
    await expect(rows).to_have_count(4)

    await page.get_by_role("link", name="finance").first.click()
    await expect(rows).to_have_count(3)
    await page.get_by_role("searchbox", name="Search by name").fill("inv")
    await expect(rows).to_have_count(2)
    await expect(page).to_have_url(re.compile(r"tag=finance.*q=inv|q=inv.*tag=finance"))
    await page.reload()
    await expect(rows).to_have_count(2)
    await page.go_back()
    await expect(rows).to_have_count(3)
    await expect(page.get_by_role("searchbox", name="Search by name")).to_have_value("")


async def test_what_is_typed_while_a_search_loads_is_kept(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await saved(api, "Invoices")
    await saved(api, "Letters")
    search = re.compile(r"/api/pipelines\?(.*&)?q=inv(&|$)")
    may_answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_answer.wait()
        await route.continue_()

    await page.route(search, hold)
    await open_session(page, person)
    await page.goto("/pipelines")
    field = page.get_by_role("searchbox", name="Search by name")
    async with page.expect_request(search):
        await field.press_sequentially("inv")

    await page.keyboard.type("oices")
    may_answer.set()

    await expect(page).to_have_url(re.compile("q=invoices"))
    await expect(field).to_have_value("invoices")
    await expect(page.get_by_role("table", name="Pipelines").get_by_role("row")).to_have_count(2)


async def test_a_search_keeps_what_was_opened_meanwhile(
    new_context: Callable[[], Awaitable[BrowserContext]], person: Person, api: httpx2.AsyncClient
):
    await saved(api, "Invoices")
    context = await new_context()
    page = await context.new_page()
    await page.clock.install()
    await open_session(page, person)
    await page.goto("/pipelines")
    await page.get_by_role("searchbox", name="Search by name").fill("inv")

    await page.get_by_role("button", name="Create pipeline").click()
    await expect(page).to_have_url(re.compile("create=blank"))
    await page.clock.run_for(1_000)

    await expect(page).to_have_url(re.compile("q=inv"))
    await expect(page).to_have_url(re.compile("create=blank"))


async def test_a_list_that_loads_is_not_called_empty(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await saved(api, "Invoices")
    unfiltered = re.compile(r"/api/pipelines\?(?!.*q=)")
    may_answer = asyncio.Event()

    async def hold(route: Route) -> None:
        await may_answer.wait()
        await route.continue_()

    await open_session(page, person)
    await page.goto("/pipelines?q=letters")
    await expect(
        page.get_by_role("heading", name="No pipeline matches the filters")
    ).to_be_visible()
    await page.route(unfiltered, hold)
    async with page.expect_request(unfiltered):
        await page.get_by_role("searchbox", name="Search by name").fill("")

    await expect(page).not_to_have_url(re.compile("q="))
    await expect(page.get_by_role("heading", name="No pipeline")).to_have_count(0)
    may_answer.set()

    await expect(page.get_by_role("table", name="Pipelines").get_by_role("row")).to_have_count(2)


async def test_an_empty_list_offers_an_example_and_the_call_of_the_api(page: Page, person: Person):
    await open_session(page, person)
    await page.goto("/pipelines")

    await expect(page.get_by_role("heading", name="No pipelines yet")).to_be_visible()
    await expect(page.get_by_text("--data-binary @pipeline.yaml")).to_be_visible()
    await page.get_by_role("link", name="Start with an example").click()
    await expect(page.get_by_role("radio", name=re.compile("Order summary"))).to_be_visible()


@pytest.mark.parametrize("source", ["file", "paste", "blank"])
async def test_a_pipeline_begins_with_a_text(page: Page, person: Person, source: str):
    await open_session(page, person)
    await page.goto(f"/pipelines?create={source}")
    text = "name: Imported\nsteps: []\n"
    if source == "file":
        file = {"name": "p.yaml", "mimeType": "application/yaml", "buffer": text.encode()}
        await page.locator("input[type=file]").set_input_files(file)  # pyright: ignore[reportArgumentType]
    if source == "paste":
        await page.get_by_label("Definition").fill(text)
    await page.get_by_role("button", name="Open in the editor").click()

    name = "New pipeline" if source == "blank" else "Imported"
    await expect(page.get_by_role("textbox", name="Pipeline YAML")).to_contain_text(f"name: {name}")
    await page.goto("/pipelines")
    row = page.get_by_role("row", name=re.compile(name))
    await expect(row).to_contain_text("Not saved yet")


async def test_the_list_and_the_dialog_are_accessible(
    page: Page, person: Person, api: httpx2.AsyncClient
):
    await saved(api, "Invoices", "finance")
    await open_session(page, person)
    await page.goto("/pipelines")
    await expect(page.get_by_role("table", name="Pipelines")).to_be_visible()
    await assert_accessible_in_both_themes(page)
    await page.goto("/pipelines?create=example")
    await expect(page.get_by_role("radio", name=re.compile("Order summary"))).to_be_visible()
    await assert_accessible_in_both_themes(page)
