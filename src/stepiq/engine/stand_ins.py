"""Ends that are given for steps that reach outside, so that a pipeline can be tried without asking, calling or waiting."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepiq.core.json import Json
from stepiq.engine.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language.specs import CodeSpec, Step
from stepiq.store.states import ReviewDecision


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person says to a review."""

    decision: ReviewDecision | None
    """None: nobody says anything in time."""
    comment: str | None = None
    edited: tuple[Json] | None = None
    """What they make of the data under review; None leaves it as it is."""


Given = Completed | Failed | Decided


class StandIns:
    """What steps come to instead of reaching outside, run by run. Steps that only compute are done for real."""

    def __init__(self) -> None:
        self._given: Mapping[str, Sequence[Given]] = {}
        self._taken: Counter[str] = Counter()
        self.missing: dict[str, str] = {}
        """Steps of this run that had no end given, and what each of them was about to do."""

    def give(self, given: Mapping[str, Sequence[Given]]) -> None:
        """Begin anew, for the next run.

        Args:
            given: by step id, the ends of its executions in the order in which they begin; the last one counts for all that
                follow.
        """
        self._given, self._taken, self.missing = given, Counter(), {}

    def outcome(self, step: Step) -> Outcome | None:
        """How an attempt ends; None for code that nothing is given for, which runs in its sandbox as ever."""
        found = self._next(step)
        if found is None and isinstance(step.spec, CodeSpec):
            return None
        return found if isinstance(found, Completed | Failed) else self._refuse(step)

    def decision(self, step: Step) -> Decided | Failed:
        """What a review comes to."""
        found = self._next(step)
        return found if isinstance(found, Decided) else self._refuse(step)

    def _next(self, step: Step) -> Any:
        ends = self._given.get(step.id)
        if not ends:
            return None
        self._taken[step.id] += 1
        return ends[min(self._taken[step.id], len(ends)) - 1]

    def _refuse(self, step: Step) -> Failed:
        doing = {"llm": "ask a model", "webhook": "make a call"}.get(step.type, "ask a person")
        self.missing[step.id] = doing
        return Failed(
            FailureCode.EGRESS_BLOCKED,
            f"Step `{step.id}` would {doing}, and nothing is given to stand in for that.",
        )
