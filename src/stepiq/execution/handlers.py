"""Finds the handlers of step types, in the packages that are registered as entry points of the group `stepiq.steps`."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Result

GROUP = "stepiq.steps"


class StepHandler(Protocol):
    """The module `handler` of the package of a step type."""

    async def run(self, spec: Any, context: StepContext, /) -> Result:
        """Execute the step once.

        Called again if an attempt fails and can be repeated, and if the step continues after a crash or a wait.

        Args:
            spec: the own fields of the step.
            context: what it can use. Call `context.begin()` before anything that has an effect outside.
        """
        ...


@cache
def handlers() -> Mapping[str, StepHandler]:
    """The handlers by step type. The first call imports them, which takes some milliseconds."""
    return {
        entry.name: cast(StepHandler, import_module(f"{entry.value}.handler"))
        for entry in entry_points(group=GROUP)
    }
