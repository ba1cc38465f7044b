"""Ends that are given for steps that reach outside, so that a pipeline can be tried without asking, calling or waiting."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from stepiq.core.json import Json
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language.specs import Step
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


@dataclass(frozen=True, slots=True)
class Ends:
    """What the executions of one step come to."""

    each: tuple[Given, ...]
    """For each in turn; the last one counts for all that follow."""
    item_at: int | None = None
    """Where in its branch's path a step inside a `for_each` has the number of its item, whose place the turn is then."""


class Stubs:
    """What steps come to instead of reaching outside, run by run. Steps that only compute are done for real."""

    def __init__(self) -> None:
        self._given: Mapping[str, Ends] = {}
        self._taken: Counter[str] = Counter()
        self.missing: dict[str, str] = {}
        """Steps of this run that had no end given, and what each of them was about to do."""

    def give(self, given: Mapping[str, Ends]) -> None:
        """Begin anew, for the next run, with what each step comes to, by its id."""
        self._given, self._taken, self.missing = given, Counter(), {}

    def outcome(self, step: Step, branch: str) -> Outcome | None:
        """How an attempt ends; None for a step without an external action that has none: it is executed."""
        found = self._next(step, branch)
        action = step.spec.external_action
        if found is None and action is None:
            return None
        return found if isinstance(found, Completed | Failed) else self._refuse(step, action)

    def decision(self, step: Step) -> Decided | Failed:
        """What a review comes to."""
        found = self._next(step, "")
        return (
            found if isinstance(found, Decided) else self._refuse(step, step.spec.external_action)
        )

    def _next(self, step: Step, branch: str) -> Given | None:
        ends = self._given.get(step.id)
        if ends is None:
            return None
        if ends.item_at is not None:
            turn = int(branch.split("/")[ends.item_at])
        else:
            turn = self._taken[step.id]
            self._taken[step.id] += 1
        return ends.each[min(turn, len(ends.each) - 1)]

    def _refuse(self, step: Step, action: str | None) -> Failed:
        doing = action or "have an effect outside"
        self.missing[step.id] = doing
        return Failed(
            FailureCode.EGRESS_BLOCKED,
            f"The step would {doing}, but the test gives no result for it. Add one under `given.{step.id}`.",
        )
