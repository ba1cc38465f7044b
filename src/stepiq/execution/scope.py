"""Scopes: the names that templates and expressions may use."""

from typing import Any

from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.execution.outcomes import STOP
from stepiq.execution.records.run import ClaimedRun, StepRecord
from stepiq.execution.run_secrets import RunSecrets
from stepiq.language.data import is_object
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.step import Step
from stepiq.store.states import StepStatus


def new_scope(run: ClaimedRun, definition: Definition, secrets: RunSecrets) -> dict[str, Any]:
    """The scope at the start of a run. It contains every step, as pending and without output.

    Absent fields of the input are null, so that templates and expressions can read them. An input that is not parsed,
    because nothing reads it, is unchanged.
    `env` has labels in place of the secrets; `RunSecrets.sending` adds the values for text that leaves the server.
    """
    given = run.input_data
    return {
        "input": definition.input.with_absent(given) if is_object(given) else given,
        "vars": definition.variables,
        "variables": definition.variables,
        "steps": pending(definition.steps),
        "env": secrets.labels,
        "run": {
            "id": str(run.id),
            "trigger_type": str(run.trigger_type),
            "started_at": clock.iso(run.started_at),
        },
    }


def pending(steps: tuple[Step, ...]) -> dict[str, Json]:
    """The state of steps that have not started, including the inner steps and branch names of a `parallel`."""
    found: dict[str, Json] = {}
    for step in steps:
        found[step.id] = state(StepStatus.PENDING)
        for sequence in step.sequences:
            found |= pending(sequence)
        for branch in step.spec.named_branches:
            found[branch.id] = state(StepStatus.PENDING)
    return found


def inner_scope(scope: dict[str, Any], **names: Json) -> dict[str, Any]:
    """The scope inside a branch. Changes to it are not visible outside."""
    return {**scope, "steps": dict(scope["steps"]), **names}


def last_records(run: ClaimedRun, definition: Definition) -> dict[str, StepRecord | None]:
    """The records that `last_scope` shows, by name of a step or a branch.

    A branch has the value None if all its steps were skipped. Steps and branches that have not ended are left out.
    """
    names = owners(definition)
    found: dict[str, StepRecord | None] = {}
    last: dict[str, StepRecord] = {}
    for record in sorted(run.steps.values(), key=lambda record: record.ordinal):
        name = names.get((record.step_id, record.branch))
        if name is None or not record.is_final:
            continue
        if not record.branch:
            found[name] = record
            # A loop can execute the branches of a `parallel` several times.
            last.clear()
            continue
        if record.status is not StepStatus.SKIPPED:
            last[name] = record
        found[name] = last.get(name)
    return found


def last_scope(run: ClaimedRun, definition: Definition, secrets: RunSecrets) -> dict[str, Any]:
    """The scope at the end of a run, from its recorded steps. Its values must have been read, if they are used."""
    scope = new_scope(run, definition, secrets)
    for name, record in last_records(run, definition).items():
        scope["steps"][name] = (
            branch_state(record) if record is None or record.branch else shown(record)
        )
    return scope


def owners(definition: Definition) -> dict[tuple[str, str], str]:
    """By step id and branch, the name in the run's scope that shows the step's record."""
    found: dict[tuple[str, str], str] = {}
    for step in definition.steps:
        found[step.id, ""] = step.id
        for index, branch in enumerate(step.spec.named_branches):
            found |= {(inner.id, str(index)): branch.id for inner in branch.steps}
    return found


def state(status: StepStatus, output: Json = None, error: Json = None) -> dict[str, Json]:
    """The value of a step or a branch in templates and expressions."""
    return {"status": str(status), "output": output, "error": error}


def branch_state(last: StepRecord | None) -> dict[str, Json]:
    """The value of a branch in templates and expressions, from the last of its executions that was not skipped."""
    if last is None:
        return state(StepStatus.COMPLETED)
    is_stopped = last.jump == STOP and last.error is not None
    if is_stopped or last.status is StepStatus.CANCELLED:
        return state(last.status, error=last.error)
    return state(StepStatus.COMPLETED, last.output)


def shown(record: StepRecord) -> dict[str, Json]:
    """The value of a recorded execution in templates and expressions."""
    return state(record.status, record.output, record.error)
