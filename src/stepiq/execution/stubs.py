"""Given results for steps, so that a pipeline can be tested without external calls, reviews or waits."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from stepiq.core.json import Json
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language.definitions.step import Step
from stepiq.store.states import ReviewDecision


@dataclass(frozen=True, slots=True)
class GivenDecision:
    """The given answer to a review."""

    decision: ReviewDecision | None
    """None if the review expires without an answer."""
    comment: str | None = None
    edited: tuple[Json] | None = None
    """The edited data in a 1-tuple, which may be null; None if the data is not edited."""


Given = Completed | Failed | GivenDecision


@dataclass(frozen=True, slots=True)
class Ends:
    """The given results of one step's executions."""

    each: tuple[Given, ...]
    """One result per execution, in order; the last one repeats."""
    item_at: int | None = None
    """For a step inside a `for_each`: index in the branch path of the item's number, which then selects the result."""


class Stubs:
    """Replaces the external actions of steps by given results, for one run at a time. Other steps are executed."""

    def __init__(self) -> None:
        self._given: Mapping[str, Ends] = {}
        self._taken: Counter[str] = Counter()
        self.missing: dict[str, str] = {}
        """Steps of this run that lack a given result, and the external action of each."""

    def give(self, given: Mapping[str, Ends]) -> None:
        """Set the results for the next run, by step id, and reset all counters."""
        self._given, self._taken, self.missing = given, Counter(), {}

    def outcome(self, step: Step, branch: str) -> Outcome | None:
        """The result of an attempt; None if the step has neither a given result nor an external action: execute it."""
        found = self._next(step, branch)
        if found is None and step.spec.external_action is None:
            return None
        return found if isinstance(found, Completed | Failed) else self._refuse(step)

    def decision(self, step: Step) -> GivenDecision | Failed:
        """The given answer to a review, or the failure if there is none."""
        found = self._next(step, "")
        return found if isinstance(found, GivenDecision) else self._refuse(step)

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

    def _refuse(self, step: Step) -> Failed:
        doing = step.spec.external_action
        assert doing is not None  # noqa: S101 - other steps are executed
        self.missing[step.id] = doing
        return Failed(
            FailureCode.EGRESS_BLOCKED,
            f"The step would {doing}, but the test gives no result for it. Add one under `given.{step.id}`.",
        )
