"""Tests that all random choices depend on the seed."""

import pytest

from tests.chaos.plan import FaultKind, Options, draw, for_text


class TestDraw:
    @pytest.mark.parametrize("store", ["sqlite", "postgresql"])
    def test_a_seed_gives_one_plan(self, store: str):
        options = Options(store, seed=7, kills=20, runs=200)

        assert draw(options) == draw(options)
        assert draw(options).moments != draw(Options(store, seed=8, kills=20, runs=200)).moments

    def test_it_has_the_kills_and_runs_that_are_asked_for(self):
        plan = draw(Options("postgresql", seed=7, kills=500, runs=5000))

        kinds = [moment.fault.kind for moment in plan.moments]
        assert sum(kind.is_kill for kind in kinds) == 500
        assert sum(len(moment.runs) for moment in plan.moments) == 5000
        assert kinds.count(FaultKind.CUT_COMMIT) >= 50
        assert kinds.count(FaultKind.PAUSE) >= 100

    def test_a_pause_outlasts_a_lease(self):
        plan = draw(Options("postgresql", seed=7))

        pauses = [m.fault for m in plan.moments if m.fault.kind is FaultKind.PAUSE]
        assert pauses
        assert all(pause.seconds > 6 for pause in pauses)

    @pytest.mark.parametrize(("store", "workers"), [("sqlite", 3), ("postgresql", 0)])
    def test_one_server_has_no_api_of_its_own_to_kill(self, store: str, workers: int):
        plan = draw(Options(store, seed=7, workers=workers))

        kinds = {moment.fault.kind for moment in plan.moments}
        assert FaultKind.KILL_WORKER in kinds
        assert FaultKind.KILL_API not in kinds

    def test_what_belongs_to_a_text_does_not_depend_on_when_it_is_asked(self):
        first = for_text(7, "a", 1).random()
        for_text(7, "b").random()

        assert for_text(7, "a", 1).random() == first
        assert for_text(8, "a", 1).random() != first
