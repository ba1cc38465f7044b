"""Finds the handlers of step types: packages registered as entry points in the group `stepiq.steps`."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Result
from stepiq.language.step_types import packages


class StepHandler(Protocol):
    """The `handler` module in the package of a step type."""

    async def run(self, spec: Any, context: StepContext, /) -> Result:
        """Execute the step once.

        Called again if a failed attempt is retried, and if the step continues after a crash or a wait.

        Args:
            spec: the fields of this step type.
            context: the execution, and the only way to reach outside.
        """
        ...


@cache
def handlers() -> Mapping[str, StepHandler]:
    """The handlers by step type. The first call imports them, which takes a few milliseconds.

    Raises:
        InstallationIncomplete: as for `packages`.
    """
    return {
        name: cast(StepHandler, import_module(f"{package}.handler"))
        for name, package in packages().items()
    }
