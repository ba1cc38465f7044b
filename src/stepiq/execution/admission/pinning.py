"""Runs of one step: the outputs of other steps come from an earlier run, or from the caller."""

from collections.abc import Mapping
from dataclasses import replace

from stepiq.core import clock
from stepiq.core.errors import Invalid, Issue, first_of
from stepiq.core.ids import uuid7
from stepiq.core.json import Json
from stepiq.execution.admission import given_outputs, retries
from stepiq.execution.admission.given_outputs import UNCHECKED, OutputIssues
from stepiq.execution.records.run import NOTHING, ClaimedRun, Reuse, StepRecord
from stepiq.execution.scope import owners
from stepiq.language.definitions.compiled import Definition, every_step
from stepiq.language.definitions.step import Step
from stepiq.language.schemas.work import ValidationMeter
from stepiq.store.states import StepStatus


class StepRunInvalid(Invalid):
    """The step cannot be executed alone, or not with these outputs of other steps."""

    code = "step_run_invalid"

    def __init__(self, *issues: Issue) -> None:
        super().__init__(first_of(issues), issues)


def pin(
    definition: Definition,
    step_id: str,
    outputs: Mapping[str, Json],
    earlier: ClaimedRun | None = None,
    meter: ValidationMeter | None = None,
    checked: OutputIssues = UNCHECKED,
) -> tuple[str, Reuse]:
    """The step to execute alone, and the recorded outputs of other steps that it can use.

    Args:
        definition: what the new run executes.
        step_id: a step. A step inside a `parallel` is executed together with the whole `parallel`.
        outputs: outputs by the names of steps, or of branches of a `parallel`.
        earlier: a run with further outputs, as recorded.
        meter: is charged for the validation of the outputs.
        checked: outputs that are not validated again.

    Raises:
        StepRunInvalid: the step does not exist, or an output is not one of another step.
    """
    step = retries.around(definition, step_id)
    if step is None:
        raise StepRunInvalid(
            Issue("step_id", "step_run_invalid", f"The definition has no step `{step_id[:64]}`.")
        )
    inside = {each.id for each in every_step((step,))}
    places = {place: name for place, name in owners(definition).items() if place[0] not in inside}
    kept = {} if earlier is None else _recorded(earlier, places)
    given = _given(definition, places, outputs, kept, meter, checked)
    found = {place: retries.copied(record, {}) for place, record in kept.items()} | given
    in_order = [found[place] for place in places if place in found]
    # Each is the first execution of its step, in the order of the definition.
    pinned = tuple(
        replace(record, ordinal=number, iteration=1)
        for number, record in enumerate(in_order, start=1)
    )
    if not pinned:
        return step.id, NOTHING
    return step.id, Reuse(pinned, {**retries.saved(list(kept.values())), "steps": len(pinned)})


Place = tuple[str, str]
"""A step id and a branch."""


def _recorded(earlier: ClaimedRun, places: Mapping[Place, str]) -> dict[Place, StepRecord]:
    """The last results of a run."""
    records = sorted(earlier.steps.values(), key=lambda record: record.ordinal)
    return {
        (record.step_id, record.branch): record
        for record in records
        if (record.step_id, record.branch) in places
        and record.is_final
        and record.status is not StepStatus.CANCELLED
    }


def _given(
    definition: Definition,
    places: Mapping[Place, str],
    outputs: Mapping[str, Json],
    kept: Mapping[Place, StepRecord],
    meter: ValidationMeter | None,
    checked: OutputIssues,
) -> dict[Place, StepRecord]:
    """Records of outputs that the caller provides."""
    steps = {step.id: step for step in definition.every_step}
    # The output of a branch is that of its last step.
    by_name = {name: place for place, name in places.items()}
    issues: list[Issue] = []
    given: dict[Place, StepRecord] = {}
    for name, value in outputs.items():
        place = by_name.get(name)
        if place is None:
            message = (
                f"`outputs` can only have outputs of other steps, and `{name[:64]}` is not one."
            )
            issues.append(Issue(f"outputs.{name[:64]}", "step_run_invalid", message))
            continue
        step = steps[place[0]]
        issues += given_outputs.issues(step, name, value, checked, meter)
        given[place] = _as_record(step, place[1], value, kept.get(place))
    if issues:
        raise StepRunInvalid(*issues)
    return given


def _as_record(step: Step, branch: str, value: Json, kept: StepRecord | None) -> StepRecord:
    if kept is not None:
        return retries.copied(kept, {kept.id: value})
    now = clock.now()
    return StepRecord(
        id=uuid7(),
        step_id=step.id,
        name=step.name,
        type=str(step.type),
        ordinal=0,
        branch=branch,
        status=StepStatus.COMPLETED,
        output=value,
        is_reused=True,
        started_at=now,
        completed_at=now,
    )
