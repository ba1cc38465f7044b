"""Reviews of runs that are really carried: what waits, what wakes, who wins."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.core import clock as core_clock
from stepiq.execution.admission.control import PARKED
from stepiq.execution.limits.plans import Plans
from stepiq.execution.runtime import Engine
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder
from stepiq.store.tables import reviews, runs, workspaces
from tests.notify import conftest as notify

settings, vault, mailer, definitions = (
    notify.settings,
    notify.vault,
    notify.mailer,
    notify.definitions,
)
outbox, sender = notify.outbox, notify.sender

RACES = 10
TICKETS = {
    True: "SELECT status FROM workflow_status",
    False: "SELECT status FROM dbos.workflow_status",
}
"""By whether the store is SQLite."""
ASKING = """
name: Letters
timeout_seconds: 2592000
steps:
  - {id: draft, type: transform, template: "Dear Ada"}
  - id: check
    type: human_review
    message: "Is this fine?"
    editable: true
    timeout_seconds: 600
  - {id: send, type: transform, template: "Sent: {{steps.check.output.output}}"}
"""


@pytest.fixture
async def start_engine(
    database, changes, providers, settings, http, definitions, outbox
) -> AsyncIterator:
    """Starts an engine as a process would, and stops it at the end if nobody has."""
    running: list[Engine] = []

    async def start() -> Engine:
        plans = Plans.load(settings.plans)
        engine = Engine(
            database, changes, providers, plans, http, definitions=definitions, outbox=outbox
        )
        await engine.start()
        running.append(engine)
        return engine

    yield start
    for engine in running:
        await engine.stop(drain=timedelta(0))


@pytest.fixture
async def engine(start_engine) -> Engine:
    return await start_engine()


@pytest.fixture
async def asked(sender):
    """A run that waits at its review."""

    async def asked(source=ASKING):
        run_id = await sender.run(await sender.pipeline(source))
        await sender.status(run_id, "waiting")
        return run_id

    return asked


@pytest.fixture
def decide(sender):
    async def decide(run_id, decision="approve", **more):
        body = {"decision": decision, **more}
        return await sender.client.post(f"/api/runs/{run_id}/reviews/check", json=body)

    return decide


class TestWaiting:
    @pytest.mark.both_stores
    async def test_it_holds_no_ticket_and_no_slot(self, asked, database, account):
        await asked()

        async with database.reading() as session:
            run = (await session.execute(sa.select(runs))).one()
            workspace = (
                await session.execute(
                    sa.select(workspaces).where(workspaces.c.id == account.workspace_id)
                )
            ).one()
            tickets = await session.execute(sa.text(TICKETS[database.is_sqlite]))
        assert run.ticket == PARKED
        assert {status for (status,) in tickets} <= {"SUCCESS"}
        assert (workspace.unfinished_runs, workspace.admitted_runs) == (0, 0)

    async def test_the_run_says_what_it_waits_for(self, asked, sender):
        run_id = await asked()

        run = (await sender.client.get(f"/api/runs/{run_id}")).json()
        [review] = (await sender.client.get("/api/reviews")).json()["data"]
        assert [(step["step_id"], step["status"]) for step in run["steps"]] == [
            ("draft", "completed"),
            ("check", "waiting"),
        ]
        assert (review["run_id"], review["input"]) == (run_id, "Dear Ada")


class TestDecided:
    async def test_an_approval_with_an_edit_goes_on_with_the_edit(
        self, asked, decide, sender, account
    ):
        run_id = await asked()

        answer = await decide(run_id, comment="Shorter", output="Dear A.")

        run = await sender.ended(run_id)
        assert answer.status_code == 200
        assert (run["status"], run["output"]) == ("completed", "Sent: Dear A.")
        review = (await sender.client.get(f"/api/runs/{run_id}/reviews/check")).json()
        assert run["steps"][1]["output"] == {
            "decision": "approve",
            "comment": "Shorter",
            "output": "Dear A.",
            "reviewer": account.email,
            "decided_at": review["closed_at"],
        }

    async def test_without_an_edit_it_goes_on_with_what_was_there(self, asked, decide, sender):
        run_id = await asked()

        await decide(run_id)

        assert (await sender.ended(run_id))["output"] == "Sent: Dear Ada"

    async def test_it_outlives_the_process_that_asked(
        self, asked, decide, sender, engine, start_engine
    ):
        run_id = await asked()
        await engine.stop(drain=timedelta(0))
        await start_engine()

        await decide(run_id)

        assert (await sender.ended(run_id))["status"] == "completed"

    async def test_a_decision_waits_for_a_process_that_carries_on(
        self, asked, decide, sender, engine, start_engine
    ):
        run_id = await asked()
        await engine.stop(drain=timedelta(0))
        decided = await decide(run_id)

        await start_engine()

        assert decided.status_code == 200
        assert (await sender.ended(run_id))["status"] == "completed"

    async def test_a_rejection_ends_the_run(self, asked, decide, sender, account):
        run_id = await asked()

        await decide(run_id, "reject", comment="Too cold")

        error = (await sender.ended(run_id))["error"]
        assert (error["code"], error["step_id"]) == ("review_rejected", "check")
        assert account.email in error["message"]
        assert "Too cold" in error["message"]

    async def test_a_rejection_may_lead_back(self, asked, decide, sender):
        source = ASKING.replace("    editable: true\n", "    on_reject: {goto: draft}\n")
        run_id = await asked(source)
        await decide(run_id, "reject", iteration=1)
        second = await self._until_asked(sender)

        await decide(run_id, iteration=2)

        run = await sender.ended(run_id)
        assert second["iteration"] == 2
        assert run["status"] == "completed"
        assert [step["iteration"] for step in run["steps"] if step["step_id"] == "check"] == [1, 2]

    async def _until_asked(self, sender):
        async with asyncio.timeout(20):
            while True:
                found = (await sender.client.get("/api/reviews")).json()["data"]
                if found:
                    return found[0]
                await asyncio.sleep(0.02)


class TestNobody:
    @pytest.mark.parametrize(
        ("on_timeout", "status", "code"),
        [
            ("fail", "failed", "review_timeout"),
            ("reject", "failed", "review_rejected"),
            ("approve", "completed", None),
        ],
    )
    async def test_time_decides_as_the_step_says(
        self, asked, decide, sender, clock, database, on_timeout, status, code
    ):
        run_id = await asked(ASKING.replace("600", f"600\n    on_timeout: {on_timeout}"))
        clock.advance(timedelta(minutes=10))

        run = await sender.ended(run_id)

        assert (run["status"], (run["error"] or {}).get("code")) == (status, code)
        late = await decide(run_id)
        assert (late.status_code, late.json()["code"]) == (409, "review_closed")
        assert "This review expired on " in late.json()["detail"]
        async with database.reading() as session:
            review = (await session.execute(sa.select(reviews))).one()
        assert (review.decision, review.closed_at is not None) == (None, True)

    async def test_the_runs_own_time_comes_first(self, asked, decide, sender, clock):
        run_id = await asked(ASKING.replace("2592000", "300"))
        review = (await sender.client.get(f"/api/runs/{run_id}/reviews/check")).json()
        clock.advance(timedelta(minutes=5))

        run = await sender.ended(run_id)

        ends = core_clock.parse(review["expires_at"])
        assert ends - core_clock.parse(run["created_at"]) == timedelta(minutes=5)
        assert run["error"]["code"] == "run_timeout"
        assert (await decide(run_id)).status_code == 409


@pytest.mark.both_stores
class TestRace:
    @pytest.mark.slow
    async def test_of_several_who_decide_one_does(self, asked, sender, settings, client, database):
        for _ in range(RACES):
            run_id = await asked(
                ASKING.replace("editable: true", "editable: true\n    assignees: ada@example.com")
            )
            async with database.reading() as session:
                review_id = await session.scalar(
                    sa.select(reviews.c.id).where(reviews.c.closed_at.is_(None))
                )
            token = ReviewLinks(settings).token(LinkHolder(review_id, 0))
            decisions = ["approve", "reject"] * 3

            answers = await asyncio.gather(
                *(
                    sender.client.post(
                        f"/api/runs/{run_id}/reviews/check", json={"decision": decision}
                    )
                    if number % 3
                    else client.post(
                        "/api/reviews/decide", json={"decision": decision, "token": token}
                    )
                    for number, decision in enumerate(decisions)
                )
            )

            run = await sender.ended(run_id)
            won = [
                decision
                for decision, answer in zip(decisions, answers, strict=True)
                if answer.status_code == 200
            ]
            assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
            assert won == ["approve" if run["status"] == "completed" else "reject"]

    @pytest.mark.slow
    async def test_against_a_cancel_one_of_the_two_counts(self, asked, decide, sender):
        for _ in range(RACES):
            run_id = await asked()

            decided, cancelled = await asyncio.gather(
                decide(run_id), sender.client.post(f"/api/runs/{run_id}/cancel")
            )

            run = await sender.ended(run_id)
            assert cancelled.status_code == (200 if run["status"] == "cancelled" else 409)
            assert decided.status_code in (200, 409)
            assert decided.status_code == 200 or run["status"] == "cancelled"
