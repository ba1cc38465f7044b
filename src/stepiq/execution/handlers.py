"""Finds the handlers of step types: packages registered as entry points in the group `stepiq.steps`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Failed, FailureCode, Result
from stepiq.language.definitions.step_types import imported, packages


@dataclass(frozen=True, slots=True)
class StepHandler:
    """What executes the steps of a type: the module `handler` in its package."""

    run: Callable[[Any, StepContext], Awaitable[Result]]
    """Executes the step once. Gets the fields of this step type and the execution.

    Called again if a failed attempt is retried, and if the step continues after a crash or a wait. The execution is the
    only way to reach outside.
    """


@cache
def handlers() -> Mapping[str, StepHandler]:
    """The handlers by step type. The first call imports them, which takes a few milliseconds.

    Steps whose handler cannot be imported fail; `unusable_handlers` has the reason.

    Raises:
        InstallationIncomplete, StepTypeConflict: as for `packages`.
    """
    found = imported("handler", "run").found
    return {
        name: StepHandler(found[name] if name in found else partial(_refuse, name))
        for name in packages()
    }


def unusable_handlers() -> Mapping[str, str]:
    """Why handlers could not be imported, by step type."""
    return imported("handler", "run").failed


async def _refuse(step_type: str, _: Any, __: StepContext) -> Failed:
    return Failed(
        FailureCode.DEFINITION_INVALID,
        f"The step type `{step_type}` cannot be used, because its package {packages()[step_type].distribution} cannot be "
        "imported. `stepiq doctor` on the server shows the reason.",
    )
