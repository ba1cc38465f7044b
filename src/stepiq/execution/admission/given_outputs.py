"""Checks outputs of steps that a caller provides, before or inside the transaction that uses them."""

from collections.abc import Mapping
from types import MappingProxyType

from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.execution.scope import owners
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.step_types import output_issues
from stepiq.language.schemas.work import ValidationMeter

OutputIssues = Mapping[tuple[str, str], tuple[Issue, ...]]
"""The problems of outputs that were checked, by the id of the step and the name under which the output was given."""

UNCHECKED: OutputIssues = MappingProxyType({})


def check(
    definition: Definition, outputs: Mapping[str, Json], meter: ValidationMeter
) -> OutputIssues:
    """Check outputs before the transaction that uses them. Those without a step are left out.

    Args:
        definition: the definition of the version that the new run executes.
        outputs: outputs by the ids of steps, or of branches of a `parallel`.
        meter: is charged for the work before it is done.
    """
    if not outputs:
        return UNCHECKED
    steps = {step.id: step for step in definition.every_step}
    # The output of a branch is that of its last step.
    named = steps | {name: steps[place[0]] for place, name in owners(definition).items()}
    return {
        (named[name].id, name): issues(named[name], name, value, UNCHECKED, meter)
        for name, value in outputs.items()
        if name in named
    }


def issues(
    step: Step, name: str, value: Json, checked: OutputIssues, meter: ValidationMeter | None
) -> tuple[Issue, ...]:
    """The problems of a value that was given under this name as the output of a step. It is not checked again."""
    found = checked.get((step.id, name))
    return output_issues(step, value, ("outputs", name), meter) if found is None else found
