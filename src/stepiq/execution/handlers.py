"""Finds the handlers of step types: packages registered as entry points in the group `stepiq.steps`."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from stepiq.core.errors import Invalid
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Result
from stepiq.language.steps.registry import KINDS

GROUP = "stepiq.steps"


class InstallationIncomplete(Invalid):
    """The installed package does not register all step types of its source code."""

    code = "installation_incomplete"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"stepIQ is not installed completely: it cannot execute steps of type {', '.join(missing)}. Install it again. In"
            " a checkout of the source, run `make serve`.",
            missing=list(missing),
        )


class StepHandler(Protocol):
    """The `handler` module in the package of a step type."""

    async def run(self, spec: Any, context: StepContext, /) -> Result:
        """Execute the step once.

        Called again if a failed attempt is retried, and if the step continues after a crash or a wait.

        Args:
            spec: the fields of this step type.
            context: the execution. Call `context.begin()` before any external effect.
        """
        ...


@cache
def handlers() -> Mapping[str, StepHandler]:
    """The handlers by step type. The first call imports them, which takes a few milliseconds.

    Raises:
        InstallationIncomplete: a step type of the language has no handler, for example after the source code was updated
            without an installation.
    """
    found = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    if missing := sorted(KINDS.keys() - found.keys()):
        raise InstallationIncomplete(missing)
    return {
        name: cast(StepHandler, import_module(f"{package}.handler"))
        for name, package in found.items()
    }
