"""Readable names for the executions of a run's steps, such as `draft (item 3)`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepiq.core.control_characters import escape_line

if TYPE_CHECKING:
    from stepiq.language.definitions.compiled import Definition
    from stepiq.language.definitions.step import Step
    from stepiq.steps.parallel.spec import ParallelSpec


class Labels:
    """The name of each execution of a step, and whether the run may continue after its failure."""

    def __init__(self, definition: "Definition | None" = None) -> None:
        """Without a definition, branches have only numbers, and the run may continue after each failure."""
        self._steps: dict[str, tuple[Step, tuple[ParallelSpec, ...]]] = {}
        if definition is not None:
            self._add(definition.steps, ())

    def _add(self, steps: "tuple[Step, ...]", around: "tuple[ParallelSpec, ...]") -> None:
        # Commands that show runs of a server have no definition, and do not load the language.
        from stepiq.steps.parallel.spec import ParallelSpec

        for step in steps:
            self._steps[step.id] = step, around
            if isinstance(step.spec, ParallelSpec):
                for sequence in step.sequences:
                    self._add(sequence, (*around, step.spec))

    def of(self, event: Mapping[str, Any]) -> str:
        """The name of an event's step, with its item or branch inside a `parallel`."""
        step_id, path = escape_line(str(event["step_id"])), str(event.get("branch") or "")
        if not path:
            return step_id
        if step_id not in self._steps:
            return f"{step_id} [{escape_line(path)}]"
        _, around = self._steps[step_id]
        numbers = map(int, path.split("/"))
        places = [_place(spec, number) for spec, number in zip(around, numbers, strict=True)]
        # A branch of one step has the step's name.
        named = ", ".join(place for place in places if place != f"branch {step_id}")
        return f"{step_id} ({named})" if named else step_id

    def continues(self, event: Mapping[str, Any]) -> bool:
        """Whether the run may continue after this step's failure."""
        if event["step_id"] not in self._steps:
            return True
        from stepiq.steps.parallel.spec import BranchError

        step, around = self._steps[event["step_id"]]
        is_dropped = bool(around) and around[-1].on_branch_error is BranchError.CONTINUE
        return step.on_error.goes_on or is_dropped


def _place(spec: "ParallelSpec", number: int) -> str:
    return f"branch {spec.branches[number].id}" if spec.branches else f"item {number}"
