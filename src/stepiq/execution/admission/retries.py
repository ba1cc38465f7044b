"""Retries a run from one of its steps: steps recorded before that step's last start are reused, not executed again.

The new run continues like a run after a crash: it replays the reused steps and reaches the same step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from stepiq.core import json
from stepiq.core.errors import Invalid, Issue, first_of
from stepiq.core.ids import uuid7
from stepiq.core.json import Json, SerializedJson
from stepiq.execution.admission import given_outputs
from stepiq.execution.admission.given_outputs import UNCHECKED, OutputIssues
from stepiq.execution.limits.usage import Meter
from stepiq.execution.records.rows import step_row
from stepiq.execution.records.run import NOTHING, ClaimedRun, Reservation, Reuse, StepRecord
from stepiq.language.data import is_object
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.step_types import step_types
from stepiq.language.places import write_path
from stepiq.language.schemas.work import ValidationMeter
from stepiq.store.database import Session
from stepiq.store.states import StepStatus
from stepiq.store.tables import large_values, run_steps

START = "start"
"""In place of a step id: reuse nothing."""
FAILED = "failed"
"""In place of a step id: the step that failed, or at which the run was stopped."""


class RetryInvalid(Invalid):
    """The run cannot be retried from this step, or with this data."""

    code = "retry_invalid"

    def __init__(self, *issues: Issue) -> None:
        super().__init__(first_of(issues), issues)


def plan(
    run: ClaimedRun,
    error: Mapping[str, Json] | None,
    definition: Definition,
    *,
    start: str,
    outputs: Mapping[str, Json],
    meter: ValidationMeter | None = None,
    checked: OutputIssues = UNCHECKED,
) -> Reuse:
    """Determine what a retry reuses.

    Args:
        run: the run to retry, as recorded.
        error: the error of the run; None if it did not fail.
        definition: the definition of the version that the new run executes.
        start: a step id, `start` or `failed`.
        outputs: replacements for outputs of reused steps, by step id.
        meter: is charged for the validation of the outputs.
        checked: outputs that are not validated again.

    Raises:
        RetryInvalid: the run cannot be retried from `start`; or an output is for a step that is not reused, is not
            valid for its step, or would have led to other steps.
    """
    before = _end_of_reuse(run, error, definition, start)
    known = {step.id for step in definition.every_step}
    kept = [
        record
        for record in run.steps.values()
        if record.ordinal < before
        and record.is_final
        and record.status is not StepStatus.CANCELLED
        and record.step_id in known
    ]
    edited = _edited(kept, outputs, definition, meter, checked)
    if not kept:
        return NOTHING
    copies = tuple(copied(record, edited) for record in kept)
    return Reuse(copies, saved(kept))


async def copy(session: Session, run_id: UUID, reuse: Reuse) -> None:
    """Write the reused steps of a new run, in the transaction that accepts it."""
    if not reuse.steps:
        return
    rows: list[dict[str, Any]] = []
    large: list[dict[str, Any]] = []
    for record in reuse.steps:
        row, output = step_row(run_id, record)
        rows.append(row)
        if output is not None:
            large.append({"owner_id": record.id, "run_id": run_id, "value": output})
    await session.execute(run_steps.insert(), rows)
    if large:
        await session.execute(large_values.insert(), large)


def _end_of_reuse(
    run: ClaimedRun, error: Mapping[str, Json] | None, definition: Definition, start: str
) -> int:
    """The ordinal before which steps are reused."""
    if start == START:
        return 0
    wanted = start
    if start == FAILED:
        stopped = (error or {}).get("step_id") or _unfinished(run)
        if stopped is None and error is None:
            raise _invalid(
                "from", "The run did not fail. Set `from` to the id of a step, or to `start`."
            )
        if stopped is None:
            # No step was in progress when the run failed.
            return run.last_ordinal + 1
        wanted = str(stopped)
    step = around(definition, wanted)
    if step is None:
        raise _invalid(
            "from",
            f"The pipeline version of this retry has no step `{wanted[:64]}`. Set `from` to the id of another step.",
        )
    return _ordinal(run, step.id)


def around(definition: Definition, step_id: str) -> Step | None:
    """The top-level step that has this id or contains the step with this id."""
    for step in definition.steps:
        inside = (inner.id for sequence in step.sequences for inner in _every(sequence))
        if step.id == step_id or step_id in inside:
            return step
    return None


def _every(steps: tuple[Step, ...]) -> list[Step]:
    return [
        found
        for step in steps
        for found in (step, *(each for inner in step.sequences for each in _every(inner)))
    ]


def _unfinished(run: ClaimedRun) -> str | None:
    """Id of the top-level step at which a run was stopped. Branches can also be stopped by a failure of another one."""
    top_level = [record for record in run.steps.values() if not record.branch]
    stopped = [record for record in top_level if record.status is StepStatus.CANCELLED] or [
        record for record in top_level if not record.is_final
    ]
    return min(stopped, key=lambda record: record.ordinal).step_id if stopped else None


def _ordinal(run: ClaimedRun, step_id: str) -> int:
    starts = [record.ordinal for record in run.steps.values() if record.step_id == step_id]
    if not starts:
        raise _invalid(
            "from",
            f"Step `{step_id}` did not run in this run. Set `from` to the id of a step that did.",
        )
    return max(starts)


def _edited(
    kept: list[StepRecord],
    outputs: Mapping[str, Json],
    definition: Definition,
    meter: ValidationMeter | None,
    checked: OutputIssues,
) -> dict[UUID, Json]:
    """The replacement outputs by the id of the record that they apply to: the last one of each top-level step."""
    last = {record.step_id: record for record in kept if not record.branch}
    steps = {step.id: step for step in definition.every_step}
    issues: list[Issue] = []
    for step_id, value in outputs.items():
        if step_id in last:
            issues += _misfits(steps[step_id], last[step_id], value, meter, checked)
        else:
            issues.append(
                Issue(
                    f"outputs.{step_id[:64]}",
                    "retry_invalid",
                    f"Step `{step_id[:64]}` is executed again, or did not run. `outputs` can only replace outputs of steps "
                    "that are reused.",
                )
            )
    if issues:
        raise RetryInvalid(*issues)
    return {last[step_id].id: value for step_id, value in outputs.items()}


def _misfits(
    step: Step,
    record: StepRecord,
    value: Json,
    meter: ValidationMeter | None,
    checked: OutputIssues,
) -> Iterable[Issue]:
    at = ("outputs", step.id)
    issues = given_outputs.issues(step, step.id, value, checked, meter)
    deciding = step_types()[step.type].decisive_fields
    if issues or not deciding or not is_object(value):
        return issues
    before = record.output
    if isinstance(before, SerializedJson):
        before = json.read_trusted(before)
    if not is_object(before):
        return []
    return [
        Issue(
            path := write_path((*at, name)),
            "conflict",
            f"`{path}` must be {json.dumps(before.get(name))}, because it decided which step came next. "
            f"To take another path, retry from `{step.id}`.",
        )
        for name in sorted(deciding)
        if value.get(name) != before.get(name)
    ]


def copied(record: StepRecord, edited: Mapping[UUID, Json]) -> StepRecord:
    """A copy of a record for another run, without usage. `edited` has replacement outputs by record id."""
    new = replace(
        record,
        id=uuid7(),
        is_reused=True,
        is_stored=False,
        meter=Meter(),
        stored_meter=Meter(),
        reservation=Reservation(),
    )
    if record.id in edited:
        new.output, new.written, new.output_bytes = edited[record.id], None, None
        new.status, new.error = StepStatus.COMPLETED, None
    return new


def saved(kept: list[StepRecord]) -> dict[str, int]:
    """Number, tokens and cost of reused steps, as the API shows them."""
    meters = [record.meter for record in kept]
    tokens_in = sum(meter.input_tokens for meter in meters)
    tokens_out = sum(meter.output_tokens for meter in meters)
    return {
        "steps": len(kept),
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "cost_usd_micros": sum(meter.cost_usd_micros for meter in meters),
    }


def _invalid(path: str, message: str) -> RetryInvalid:
    return RetryInvalid(Issue(path, "retry_invalid", message))
