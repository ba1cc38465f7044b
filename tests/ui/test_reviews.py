"""The inbox of reviews, and the page of a link from an email."""

import asyncio
import re
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx2
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.ui.support import (
    PageProblems,
    Person,
    UiServer,
    assert_accessible,
    linked_in_mail,
    open_session,
)

TEXT_PIPELINE = """
name: Answer with a second look
steps:
  - id: check
    type: human_review
    message: "**Please** check this. <b>Now</b>"
    input: input.text
    editable: true
    assignees: [ADDRESS]
"""
JSON_PIPELINE = """
name: Contract facts
steps:
  - id: check
    type: human_review
    message: Please check these facts.
    input: input.facts
    editable: true
"""
SCHEMA_PIPELINE = """
name: Letters
input:
  schema:
    type: object
    properties:
      letter:
        type: object
        properties:
          kind: {type: string, enum: [praise, complaint]}
          stars: {type: integer}
          urgent: {type: boolean}
steps:
  - {id: check, type: human_review, message: Please check., input: input.letter, editable: true}
"""


class Reviews:
    """Runs that wait for a decision."""

    def __init__(self, api: httpx2.AsyncClient) -> None:
        self._api = api

    async def pipeline(self, definition: str) -> str:
        headers = {"Content-Type": "application/yaml"}
        made = await self._api.post("/api/pipelines", content=definition, headers=headers)
        assert made.status_code == 201, made.text
        return made.json()["id"]

    async def ask(self, pipeline_id: str, data: dict[str, Any]) -> str:
        """Start a run; returns its id when it waits."""
        made = await self._api.post(f"/api/pipelines/{pipeline_id}/run", json={"input": data})
        run_id = made.json()["id"]
        async with asyncio.timeout(30):
            # The API can wait for the end of a run, not for a review.
            while (await self._api.get(f"/api/runs/{run_id}")).json()["status"] != "waiting":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return run_id

    async def row(self, run_id: str) -> dict[str, Any]:
        """The review of a run."""
        return (await self._api.get(f"/api/runs/{run_id}/reviews/check")).json()

    async def output(self, run_id: str) -> Any:
        """The output of a run, after its end."""
        # The stream ends with the run.
        await self._api.get(f"/api/runs/{run_id}/stream")
        run = (await self._api.get(f"/api/runs/{run_id}")).json()
        assert run["status"] == "completed", run
        return run["output"]


@pytest.fixture
def reviews(api: httpx2.AsyncClient) -> Reviews:
    return Reviews(api)


class TestInbox:
    async def test_without_open_reviews_it_explains_them(self, page: Page, person: Person):
        await open_session(page, person)
        await page.goto("/reviews")

        await expect(page.get_by_role("heading", name="No open reviews")).to_be_visible()
        await assert_accessible(page)

    async def test_keys_move_and_decide_and_the_next_one_opens(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        old, new = [await reviews.ask(pipeline, {"text": f"Draft {n}"}) for n in (1, 2)]
        await open_session(page, person)
        await page.goto("/reviews")
        field = page.get_by_role("textbox", name="Under review")
        await expect(field).to_have_value("Draft 2")
        await assert_accessible(page)

        await page.keyboard.press("j")
        await expect(field).to_have_value("Draft 1")
        await expect(page).to_have_url(re.compile(f"run={old}"))
        await page.reload()
        await expect(field).to_have_value("Draft 1")
        await page.keyboard.press("a")

        await expect(page.get_by_text("Approved: Answer with a second look.")).to_be_visible()
        await expect(field).to_have_value("Draft 2")
        await page.keyboard.press("r")
        await expect(page.get_by_role("heading", name="No open reviews")).to_be_visible()
        assert (await reviews.row(old))["decision"] == "approve"
        assert (await reviews.row(new))["decision"] == "reject"

    async def test_a_key_that_is_held_decides_one_review(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        old, new = [await reviews.ask(pipeline, {"text": f"Draft {n}"}) for n in (1, 2)]
        await open_session(page, person)
        await page.goto("/reviews")
        field = page.get_by_role("textbox", name="Under review")
        await expect(field).to_have_value("Draft 2")

        await page.keyboard.down("a")
        await expect(field).to_have_value("Draft 1")
        await page.keyboard.down("a")
        await page.keyboard.up("a")
        await page.keyboard.press("r")

        await expect(page.get_by_role("heading", name="No open reviews")).to_be_visible()
        assert (await reviews.row(new))["decision"] == "approve"
        assert (await reviews.row(old))["decision"] == "reject"

    async def test_a_late_response_does_not_replace_the_review_that_a_person_reads(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        old, _, new = [await reviews.ask(pipeline, {"text": f"Draft {n}"}) for n in (1, 2, 3)]
        late = asyncio.Event()

        async def hold(route: Route) -> None:
            await late.wait()
            await route.continue_()

        await page.route(re.compile(f"/api/runs/{new}/reviews/check$"), hold)
        await open_session(page, person)
        await page.goto("/reviews")
        field = page.get_by_role("textbox", name="Under review")
        await expect(field).to_have_value("Draft 3")

        await page.keyboard.press("a")
        await page.keyboard.press("j")
        await expect(field).to_have_value("Draft 2")
        await page.keyboard.press("a")
        await expect(field).to_have_value("Draft 1")
        late.set()
        rows = page.get_by_role("navigation", name="Open reviews").get_by_role("link")
        await expect(rows).to_have_count(1)
        await page.keyboard.press("r")

        await expect(page.get_by_role("heading", name="No open reviews")).to_be_visible()
        assert (await reviews.row(old))["decision"] == "reject"

    async def test_a_text_is_edited_and_compared(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        run_id = await reviews.ask(pipeline, {"text": "Hello\nWe open at nine."})
        await open_session(page, person)
        await page.goto(f"/reviews?run={run_id}&step=check")

        await page.get_by_role("textbox", name="Under review").fill("Hello\nWe open at ten.")
        await page.get_by_text("Changes", exact=True).click()
        changes = page.get_by_role("region", name="Changes")
        await expect(changes).to_contain_text("- We open at nine.")
        await expect(changes).to_contain_text("+ We open at ten.")
        await page.get_by_label("Comment").fill("An hour later.")
        await page.get_by_role("button", name="Approve").click()

        await expect(page.get_by_text("Approved: Answer with a second look.")).to_be_visible()
        assert (await reviews.output(run_id))["output"] == "Hello\nWe open at ten."

    async def test_json_keeps_its_numbers_and_invalid_json_is_not_sent(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(JSON_PIPELINE)
        run_id = await reviews.ask(pipeline, {"facts": {"id": 2**60 + 1, "score": 8.0}})
        await open_session(page, person)
        await page.goto("/reviews")
        field = page.get_by_role("textbox", name="Under review")
        await expect(field).to_have_value(f'{{\n  "id": {2**60 + 1},\n  "score": 8.0\n}}')

        await field.fill("{id: 1}")
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_role("alert")).to_contain_text("The decision was not sent.")
        assert (await reviews.row(run_id))["decision"] is None
        await field.fill(f'{{"id": {2**60 + 1}, "score": 9.0}}')
        await page.get_by_role("button", name="Approve").click()

        await expect(page.get_by_text("Approved: Contract facts.")).to_be_visible()
        output = (await reviews.output(run_id))["output"]
        assert output == {"id": 2**60 + 1, "score": 9.0}
        assert isinstance(output["score"], float)

    async def test_data_with_a_schema_has_a_field_of_its_type_for_each_value(
        self, page: Page, person: Person, reviews: Reviews
    ):
        letter = {"kind": "praise", "stars": 2, "urgent": False}
        run_id = await reviews.ask(await reviews.pipeline(SCHEMA_PIPELINE), {"letter": letter})
        await open_session(page, person)
        await page.goto("/reviews")

        await page.get_by_label("kind").select_option("complaint")
        await page.get_by_label("urgent").check()
        await expect(page.get_by_label("stars")).to_have_value("2")
        await assert_accessible(page)
        await page.get_by_role("button", name="Approve").click()

        await expect(page.get_by_text("Approved: Letters.")).to_be_visible()
        output = (await reviews.output(run_id))["output"]
        assert output == {"kind": "complaint", "stars": 2, "urgent": True}

    async def test_a_part_with_an_enum_is_a_choice_and_json_the_second_tab(
        self, page: Page, person: Person, reviews: Reviews, problems: PageProblems
    ):
        problems.expect("status of 422")
        source = SCHEMA_PIPELINE.replace("input.letter", "input.letter.kind")
        run_id = await reviews.ask(await reviews.pipeline(source), {"letter": {"kind": "praise"}})
        await open_session(page, person)
        await page.goto("/reviews")
        await expect(page.get_by_role("combobox", name="Under review")).to_have_value('"praise"')

        await page.get_by_text("JSON", exact=True).click()
        await page.get_by_role("textbox", name="Under review").fill('"spam"')
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_role("alert")).to_contain_text('must be one of "praise"')
        await page.get_by_text("Form", exact=True).click()
        await page.get_by_role("combobox", name="Under review").select_option("complaint")
        await page.get_by_role("button", name="Approve").click()

        await expect(page.get_by_text("Approved: Letters.")).to_be_visible()
        assert (await reviews.output(run_id))["output"] == "complaint"

    async def test_what_was_typed_is_there_after_a_look_at_the_run_until_it_is_decided(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        run_id = await reviews.ask(pipeline, {"text": "Draft"})
        await open_session(page, person)
        await page.goto(f"/reviews?run={run_id}&step=check")
        field = page.get_by_role("textbox", name="Under review")
        await field.fill("A better draft")
        await page.get_by_label("Comment").fill("Shorter.")

        await page.get_by_role("region", name="Review").get_by_role("link", name=run_id[:8]).click()
        await expect(page.get_by_role("status", name="Status of the run")).to_have_text("Waiting")
        await page.go_back()
        await expect(field).to_have_value("A better draft")
        await expect(page.get_by_label("Comment")).to_have_value("Shorter.")
        await page.get_by_role("button", name="Approve").click()

        await expect(page.get_by_text("Approved: Answer with a second look.")).to_be_visible()
        assert "Shorter." not in await page.evaluate("JSON.stringify({...sessionStorage})")
        assert (await reviews.output(run_id))["output"] == "A better draft"

    async def test_what_was_typed_is_gone_after_signing_out(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        run_id = await reviews.ask(pipeline, {"text": "Draft"})
        await open_session(page, person)
        await page.goto(f"/reviews?run={run_id}&step=check")
        await page.get_by_label("Comment").fill("Shorter.")

        await page.get_by_role("button", name=f"Account {person.email}").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(re.compile("/login"))

        assert "Shorter." not in await page.evaluate("JSON.stringify({...sessionStorage})")

    async def test_the_case_of_an_assignee_does_not_matter(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email.upper()))
        await reviews.ask(pipeline, {"text": "Draft"})
        await open_session(page, person)

        await page.goto("/reviews?show=mine")

        rows = page.get_by_role("navigation", name="Open reviews").get_by_role("link")
        await expect(rows).to_have_count(1)

    async def test_a_new_review_does_not_replace_the_one_that_a_person_reads(
        self, page: Page, person: Person, reviews: Reviews
    ):
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        old = await reviews.ask(pipeline, {"text": "Draft 1"})
        await open_session(page, person)
        await page.goto("/reviews")
        await expect(page.get_by_role("textbox", name="Under review")).to_have_value("Draft 1")
        comment = page.get_by_label("Comment")
        await comment.fill("Good")

        new = await reviews.ask(pipeline, {"text": "Draft 2"})
        rows = page.get_by_role("navigation", name="Open reviews").get_by_role("link")
        await expect(rows).to_have_count(2)
        await expect(comment).to_be_focused()
        await page.get_by_role("button", name="Approve").click()

        await expect(page.get_by_text("Approved: Answer with a second look.")).to_be_visible()
        assert (await reviews.row(old))["decision"] == "approve"
        assert (await reviews.row(new))["decision"] is None

    async def test_keys_decide_nothing_while_a_narrow_window_shows_only_the_list(
        self, page: Page, person: Person, reviews: Reviews
    ):
        await page.set_viewport_size({"width": 800, "height": 700})
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        run_id = await reviews.ask(pipeline, {"text": "Draft"})
        await open_session(page, person)
        await page.goto("/reviews")
        row = page.get_by_role("navigation", name="Open reviews").get_by_role("link")
        await expect(row).to_be_visible()
        await expect(page.locator("dl")).to_be_attached()

        await page.keyboard.press("a")
        await row.click()

        await expect(page.get_by_role("button", name="Approve")).to_be_visible()
        assert (await reviews.row(run_id))["decision"] is None
        await page.keyboard.press("a")
        await expect(page.get_by_text("Approved: Answer with a second look.")).to_be_visible()

    async def test_a_narrow_window_opens_no_review_that_somebody_else_decides(
        self, page: Page, person: Person, reviews: Reviews, api: httpx2.AsyncClient
    ):
        await page.set_viewport_size({"width": 800, "height": 700})
        run_id = await reviews.ask(await reviews.pipeline(JSON_PIPELINE), {"facts": {}})
        await open_session(page, person)
        await page.goto("/reviews")
        await expect(page.get_by_role("navigation", name="Open reviews")).to_be_visible()

        await api.post(f"/api/runs/{run_id}/reviews/check", json={"decision": "reject"})

        await expect(page.get_by_role("heading", name="No open reviews")).to_be_visible()
        await expect(page.get_by_role("region", name="Review")).to_have_count(0)

    async def test_it_follows_what_others_do(
        self, page: Page, person: Person, reviews: Reviews, api: httpx2.AsyncClient
    ):
        await open_session(page, person)
        await page.goto("/reviews?show=mine")
        await expect(page.get_by_role("heading", name="No open reviews")).to_be_visible()

        facts = await reviews.pipeline(JSON_PIPELINE)
        await reviews.ask(facts, {"facts": {}})
        await expect(page.get_by_role("heading", name="No open reviews for you")).to_be_visible()
        mine = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", person.email))
        run_id = await reviews.ask(mine, {"text": "Draft"})
        rows = page.get_by_role("navigation", name="Open reviews").get_by_role("link")
        await expect(rows).to_have_count(1)
        await rows.click()
        await expect(page.get_by_role("button", name="Approve")).to_be_visible()
        await api.post(f"/api/runs/{run_id}/reviews/check", json={"decision": "reject"})

        await expect(page.get_by_text(f"({person.email}) rejected it")).to_be_visible()
        await expect(page.get_by_role("button", name="Approve")).to_have_count(0)


class TestLink:
    async def test_without_an_account_it_shows_the_review_and_decides_only_by_a_button(
        self, page: Page, reviews: Reviews, ui_server: UiServer
    ):
        address = f"{uuid4().hex}@example.com"
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", address))
        run_id = await reviews.ask(pipeline, {"text": "Draft"})
        link = await linked_in_mail(ui_server, address, r"/review#\S+")
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url.removeprefix(ui_server.url)))

        await page.goto(link)
        await expect(page.get_by_role("heading", name="Answer with a second look")).to_be_visible()
        await expect(page.get_by_text("Please check this. <b>Now</b>")).to_be_visible()
        await expect(page.get_by_text(f"recorded as made by {address}")).to_be_visible()
        await assert_accessible(page)
        await page.reload()
        await expect(page.get_by_role("button", name="Approve")).to_be_visible()
        assert {url for url in sent if url.startswith("/api")} == {"/api/reviews/open"}
        assert (await reviews.row(run_id))["closed_at"] is None

        await page.get_by_label("Comment").fill("Too early.")
        await page.get_by_role("button", name="Reject").click()
        await expect(page.get_by_role("status")).to_contain_text("Your decision is recorded.")
        await expect(page).to_have_url(f"{ui_server.url}/review")
        decided = await reviews.row(run_id)
        assert (decided["decision"], decided["reviewer"]) == ("reject", address)

    async def test_a_used_link_shows_who_decided(
        self, page: Page, reviews: Reviews, ui_server: UiServer, problems: PageProblems
    ):
        problems.expect("status of 409")
        address = f"{uuid4().hex}@example.com"
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", address))
        await reviews.ask(pipeline, {"text": "Draft"})
        link = await linked_in_mail(ui_server, address, r"/review#\S+")
        other = await page.context.new_page()
        await other.goto(link)
        await expect(other.get_by_role("button", name="Reject")).to_be_visible()
        await page.goto(link)
        await page.get_by_role("button", name="Approve").click()
        await expect(page.get_by_role("status")).to_contain_text("Approved.")

        await other.get_by_role("button", name="Reject").click()
        await expect(other.get_by_role("alert")).to_contain_text(f"{address} approved it on")
        await expect(other.get_by_role("button", name="Reject")).to_have_count(0)
        await page.goto("/login")
        await page.goto(link)
        await expect(page.get_by_role("alert")).to_contain_text(f"{address} approved it on")

    @pytest.mark.parametrize(
        ("fragment", "message"),
        [("", "This link is incomplete"), ("#abc", "This link is not valid.")],
    )
    async def test_a_wrong_link_is_explained(
        self, page: Page, problems: PageProblems, fragment: str, message: str
    ):
        problems.expect("status of 404")

        await page.goto(f"/review{fragment}")

        await expect(page.get_by_role("alert")).to_contain_text(message)
        await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        await assert_accessible(page)

    async def test_it_says_until_when_in_english_with_the_zone_on_a_phone_of_any_language(
        self, browser: Browser, reviews: Reviews, ui_server: UiServer
    ):
        address = f"{uuid4().hex}@example.com"
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", address))
        run_id = await reviews.ask(pipeline, {"text": "Draft"})
        link = await linked_in_mail(ui_server, address, r"/review#\S+")
        expires_at = datetime.fromisoformat((await reviews.row(run_id))["expires_at"])
        local = expires_at.astimezone(ZoneInfo("America/New_York"))
        phone = await browser.new_page(
            viewport={"width": 390, "height": 844},
            base_url=ui_server.url,
            locale="de-DE",
            timezone_id="America/New_York",
        )

        await phone.goto(link)

        shown = phone.get_by_text(f"{local:%b} {local.day}, {local.year}, {local:%H:%M:%S %Z} (in ")
        await expect(shown).to_be_visible()
        assert await phone.evaluate("document.documentElement.scrollWidth") == 390
        text = await shown.bounding_box()
        box = await phone.get_by_role("textbox", name="Comment").bounding_box()
        assert text is not None
        assert box is not None
        assert text["x"] + text["width"] <= box["x"] + box["width"]
        await phone.close()

    async def test_it_fits_a_phone(self, browser: Browser, reviews: Reviews, ui_server: UiServer):
        address = f"{uuid4().hex}@example.com"
        pipeline = await reviews.pipeline(TEXT_PIPELINE.replace("ADDRESS", address))
        await reviews.ask(pipeline, {"text": f"Draft {'x' * 300}"})
        link = await linked_in_mail(ui_server, address, r"/review#\S+")
        phone = await browser.new_page(
            viewport={"width": 360, "height": 740}, base_url=ui_server.url, color_scheme="dark"
        )

        await phone.goto(link)
        await expect(phone.get_by_role("button", name="Approve")).to_be_visible()

        assert await phone.evaluate("document.documentElement.scrollWidth") == 360
        await assert_accessible(phone)
        await phone.close()
