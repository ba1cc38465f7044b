"""The examples that come with stepIQ, and those of the pages about steps, give what they are said to give."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.receiver import Receiver, Reply, running_receiver
from tests.support.stage import Stage

pytestmark = pytest.mark.one_store

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "steps"
EXAMPLES = ROOT / "examples"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def stage(world: World, fake_provider: RunningFakeProvider, receiver: Receiver) -> Stage:
    return Stage(world, fake_provider, receiver)


def answered(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode(), JSON)


def page(name: str) -> tuple[str, Any, Any]:
    """The first example of a page, its input and its output."""
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    source = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0]
    given, gives = (
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.DOTALL)[:2]
    )
    return source, given, gives


PLAYED: dict[str, dict[str, Any]] = {
    "llm": {"answers": {"What is this ticket about": {"topic": "billing", "urgent": True}}},
    "transform": {},
    "condition": {},
    "parallel": {"answers": {"into German": "Guten Morgen", "into French": "Bonjour"}},
    "webhook": {},
    "human_review": {
        "answers": {"Answer politely": "We open at nine."},
        "reviews": [{"decision": "approve", "output": "We open at ten."}],
    },
    "wait": {},
    "code": {},
}
"""What is played for the example of each page."""


class TestPages:
    def test_each_page_is_played(self):
        assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(PLAYED)

    @pytest.mark.parametrize("name", sorted(PLAYED))
    async def test_its_example_gives_what_it_says(
        self, stage: Stage, receiver: Receiver, name: str
    ):
        source, given, gives = page(name)
        await stage.world.secret("CRM_TOKEN", "crm-token-of-the-test")
        receiver.reply_with(answered({"name": "Ada", "plan": "pro"}))

        ended = await stage.play(source, given, **PLAYED[name])

        assert ended.run.error is None
        assert ended.run.output == gives

    async def test_the_example_of_a_call_sends_what_it_shows(
        self, stage: Stage, receiver: Receiver
    ):
        source, given, _ = page("webhook")
        await stage.world.secret("CRM_TOKEN", "crm-token-of-the-test")
        receiver.reply_with(answered({"name": "Ada", "plan": "pro"}))

        await stage.play(source, given)

        (request,) = receiver.received
        assert (request.method, request.path) == ("POST", "/customers/search")
        assert request.headers["authorization"] == "Bearer crm-token-of-the-test"
        assert request.json == {"email": "ada@example.com", "fields": ["name", "plan"]}


def example(name: str) -> tuple[str, Any]:
    source = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    return source, json.loads((EXAMPLES / "inputs" / f"{name}.json").read_text(encoding="utf-8"))


class TestExamples:
    async def test_support_triage_drafts_until_it_is_good_enough(
        self, stage: Stage, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(
            replies=[
                '{"topic": "question", "urgency": 2}', "Look around.", '{"score": 3, "problem": "Where?"}',
                "Under Settings, Invoices.", '{"score": 9, "problem": ""}',
            ]
        )  # fmt: skip

        ended = await stage.play(*example("support_triage"))

        assert ended.run.output == "Under Settings, Invoices.\n\nYour care team\n"
        assert "The last draft was not good enough: Where?" in ended.rows[4].prompt
        assert "note" not in ended.steps

    async def test_support_triage_hands_on_what_is_urgent(self, stage: Stage):
        source, given = example("support_triage")

        ended = await stage.play(
            source, given, answers={"What is this ticket about": {"topic": "bug", "urgency": 5}}
        )

        assert ended.run.output.startswith("Urgency 5, about: bug (pro)\n> How do I change")
        assert "draft" not in ended.steps

    SMALL: ClassVar[dict[str, Any]] = {"customer": "Contoso", "months": 24, "value_eur": 12000}

    async def test_contract_review_of_a_small_contract_needs_no_person(self, stage: Stage):
        ended = await stage.play(
            *example("contract_review"), answers={"Read this contract": self.SMALL}
        )

        assert ended.run.output == {**self.SMALL, "checked": False}
        assert ended.steps["check"].status == "skipped"

    async def test_contract_review_uses_the_corrections_of_a_person(self, stage: Stage):
        ended = await stage.play(
            *example("contract_review"),
            answers={"Read this contract": {**self.SMALL, "value_eur": 120_000}},
            reviews=[{"decision": "approve", "output": self.SMALL}],
        )

        assert ended.run.output == {**self.SMALL, "checked": True}

    async def test_weekly_brief_merges_three_looks(self, stage: Stage):
        ended = await stage.play(
            *example("weekly_brief"),
            answers={
                "What got done": "Checkout shipped.", "What could go wrong": "The audit.",
                "Who is named": "Anna\nTom", "Thank these people": "Thank you, Anna and Tom.",
            },
        )  # fmt: skip

        assert ended.run.output == (
            "# The week, for the whole team\n\n## Done\nCheckout shipped.\n\n## Risks\nThe audit.\n\n"
            "Thank you, Anna and Tom.\n"
        )

    async def test_weekly_brief_does_without_a_look_that_fails(
        self, stage: Stage, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[401, 401, 401])

        ended = await stage.play(*example("weekly_brief"))

        assert "Nothing was noted." in ended.run.output
        assert "None were found." in ended.run.output

    async def test_translation_fanout_keeps_the_order_and_counts_what_is_missing(
        self, stage: Stage, fake_provider: RunningFakeProvider
    ):
        source, given = example("translation_fanout")

        ended = await stage.play(
            source,
            given,
            answers={
                "into German": "Guten Morgen", "into French": "Bonjour", "into Spanish": "Buenos días",
                "English, nothing else: Guten": "Good morning", "English, nothing else: Bon": "Hello",
                "English, nothing else: Buenos": "Good day",
            },
        )  # fmt: skip

        assert [entry["language"] for entry in ended.run.output["translations"]] == given[
            "languages"
        ]
        assert ended.run.output["translations"][2]["back"] == "Good day"
        assert ended.run.output["missing"] == 0

    async def test_lead_enrichment_writes_back_what_it_found(
        self, stage: Stage, receiver: Receiver
    ):
        await stage.world.secret("CRM_TOKEN", "crm-token-of-the-test")
        receiver.reply_with(answered({"companies": [{"employees": 120}]}))

        ended = await stage.play(
            *example("lead_enrichment"),
            answers={"Rate this lead": {"score": 80, "reason": "Large."}},
        )

        assert ended.run.output == {"score": 80, "reason": "Large."}
        assert "Employees: 120" in ended.steps["rate"].prompt
        assert {request.path for request in receiver.received[:2]} == {
            "/leads/ada@northwind.example", "/companies?domain=northwind.example",
        }  # fmt: skip
        stored = receiver.received[2]
        assert (stored.method, stored.json) == ("PUT", {"score": 80, "reason": "Large."})
        assert stored.headers["content-type"] == "application/json"

    async def test_expense_report_adds_up_exactly(self, stage: Stage):
        ended = await stage.play(
            *example("expense_report"),
            answers={
                "Grand Hotel": {"shop": "Grand Hotel", "total": "198.00"},
                "Taxi": {"shop": "Taxi", "total": "31.50"},
                "Cafe": {"shop": "Cafe Central", "total": "24.90"},
            },
        )

        assert ended.run.output == {
            "lines": [
                {"shop": "Grand Hotel", "cents": 19800}, {"shop": "Taxi", "cents": 3150},
                {"shop": "Cafe Central", "cents": 2490},
            ],
            "total_cents": 25440,
            "over_limit": True,
        }  # fmt: skip
