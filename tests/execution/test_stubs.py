from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from stepiq.core.http import GuardedClient
from stepiq.execution.outcomes import Completed, Failed
from stepiq.execution.runtime import Engine
from stepiq.execution.stubs import Ends, GivenDecision, Stubs
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.providers.registry import Providers
from stepiq.store.database import Database
from stepiq.store.pubsub import LocalChanges
from stepiq.store.states import ReviewDecision, RunStatus
from tests.support.engine import Ended, World, WorldPlans

TEXT = """\
name: T
steps:
  - {id: ask, prompt: x}
  - {id: call, type: webhook, url: "https://example.com"}
  - {id: count, type: code, language: python, source: "def main(i): return 1"}
  - {id: check, type: human_review, message: x}
"""


@pytest.fixture
def steps():
    definition = load(TEXT, SourceFormat.YAML).definition
    assert definition is not None
    return {step.id: step for step in definition.steps}


class TestStubs:
    def test_the_last_end_counts_for_all_that_follow(self, steps):
        stubs = Stubs()
        stubs.give({"ask": Ends((Completed("a"), Completed("b")))})

        found = [stubs.outcome(steps["ask"], "") for _ in range(3)]

        assert found == [Completed("a"), Completed("b"), Completed("b")]

    def test_an_item_gets_its_own_however_late_it_comes(self, steps):
        stubs = Stubs()
        stubs.give({"ask": Ends((Completed("a"), Completed("b"), Completed("c")), item_at=1)})

        found = [stubs.outcome(steps["ask"], branch) for branch in ("0/2", "0/0/1", "0/7", "0/1")]

        assert found == [Completed("c"), Completed("a"), Completed("c"), Completed("b")]

    @pytest.mark.parametrize(
        ("step_id", "doing"),
        [("ask", "call a model"), ("call", "send a request"), ("check", "ask a person")],
    )
    def test_what_nothing_is_given_for_fails_once_and_is_named(self, steps, step_id, doing):
        stubs = Stubs()
        step = steps[step_id]

        found = stubs.decision(step) if step_id == "check" else stubs.outcome(step, "")

        assert isinstance(found, Failed)
        assert not found.is_retryable
        assert stubs.missing == {step_id: doing}

    def test_code_that_nothing_is_given_for_runs(self, steps):
        stubs = Stubs()

        assert stubs.outcome(steps["count"], "") is None
        assert stubs.missing == {}

    def test_every_run_begins_anew(self, steps):
        stubs, decided = Stubs(), GivenDecision(ReviewDecision.APPROVE)
        given = {"check": Ends((decided,)), "ask": Ends((Completed(1), Completed(2)))}
        stubs.give(given)
        stubs.outcome(steps["ask"], "")
        stubs.outcome(steps["call"], "")

        stubs.give(given)

        assert stubs.missing == {}
        assert stubs.outcome(steps["ask"], "") == Completed(1)
        assert stubs.decision(steps["check"]) is decided


PIPELINE = """\
name: T
steps:
  - {id: ask, prompt: x}
  - {id: pause, type: wait, seconds: 86400}
  - {id: check, type: human_review, message: x, input: steps.ask.output, editable: true, on_timeout: approve}
"""


@dataclass
class Stage:
    """An engine whose runs take their results from `stand_ins`."""

    world: World
    stubs: Stubs

    async def run(self, decided: GivenDecision) -> Ended:
        self.stubs.give({"ask": Ends((Completed("a"),)), "check": Ends((decided,))})
        return await self.world.run(PIPELINE)


@pytest.fixture
async def stage(
    database: Database, changes: LocalChanges, providers: Providers, http: GuardedClient
) -> AsyncIterator[Stage]:
    stubs = Stubs()
    engine = Engine(database, changes, providers, WorldPlans(), http, stubs=stubs)
    await engine.start()
    yield Stage(await World.create(database, changes, engine), stubs)
    await engine.stop(drain=timedelta(0))


@pytest.mark.one_store
class TestRuns:
    @pytest.mark.parametrize(
        ("decided", "expected"),
        [
            (
                GivenDecision(ReviewDecision.APPROVE, "Good."),
                {"decision": "approve", "output": "a"},
            ),
            (
                GivenDecision(ReviewDecision.APPROVE, edited=("b",)),
                {"decision": "approve", "output": "b"},
            ),
            (GivenDecision(None), {"decision": "approve", "output": "a"}),
        ],
    )
    async def test_nothing_is_called_and_nobody_is_waited_for(
        self, stage: Stage, decided: GivenDecision, expected: dict[str, Any]
    ):
        ended = await stage.run(decided)

        assert ended.run.status == RunStatus.COMPLETED
        output = ended.steps["check"].output
        assert {name: output[name] for name in expected} == expected

    async def test_a_review_without_a_given_decision_fails(self, stage: Stage):
        stage.stubs.give({"ask": Ends((Completed("a"),))})

        ended = await stage.world.run(PIPELINE)

        assert ended.run.error["step_id"] == "check"
        assert stage.stubs.missing == {"check": "ask a person"}
