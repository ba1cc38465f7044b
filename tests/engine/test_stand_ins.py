import pytest

from stepiq.engine.outcomes import Completed, Failed
from stepiq.engine.stand_ins import Decided, Ends, StandIns
from stepiq.language.loading import load
from stepiq.language.source import SourceFormat
from stepiq.store.states import ReviewDecision

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


class TestStandIns:
    def test_the_last_end_counts_for_all_that_follow(self, steps):
        stand_ins = StandIns()
        stand_ins.give({"ask": Ends((Completed("a"), Completed("b")))})

        found = [stand_ins.outcome(steps["ask"], "") for _ in range(3)]

        assert found == [Completed("a"), Completed("b"), Completed("b")]

    def test_an_item_gets_its_own_however_late_it_comes(self, steps):
        stand_ins = StandIns()
        stand_ins.give({"ask": Ends((Completed("a"), Completed("b"), Completed("c")), item_at=1)})

        found = [
            stand_ins.outcome(steps["ask"], branch) for branch in ("0/2", "0/0/1", "0/7", "0/1")
        ]

        assert found == [Completed("c"), Completed("a"), Completed("c"), Completed("b")]

    @pytest.mark.parametrize(
        ("step_id", "doing"),
        [("ask", "call a model"), ("call", "send a request"), ("check", "ask a person")],
    )
    def test_what_nothing_is_given_for_fails_once_and_is_named(self, steps, step_id, doing):
        stand_ins = StandIns()
        step = steps[step_id]

        found = stand_ins.decision(step) if step_id == "check" else stand_ins.outcome(step, "")

        assert isinstance(found, Failed)
        assert not found.is_retryable
        assert stand_ins.missing == {step_id: doing}

    def test_code_that_nothing_is_given_for_runs(self, steps):
        stand_ins = StandIns()

        assert stand_ins.outcome(steps["count"], "") is None
        assert stand_ins.missing == {}

    def test_every_run_begins_anew(self, steps):
        stand_ins, decided = StandIns(), Decided(ReviewDecision.APPROVE)
        given = {"check": Ends((decided,)), "ask": Ends((Completed(1), Completed(2)))}
        stand_ins.give(given)
        stand_ins.outcome(steps["ask"], "")
        stand_ins.outcome(steps["call"], "")

        stand_ins.give(given)

        assert stand_ins.missing == {}
        assert stand_ins.outcome(steps["ask"], "") == Completed(1)
        assert stand_ins.decision(steps["check"]) is decided
