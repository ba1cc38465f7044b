"""Starts many runs in one transaction. What is the same for all runs of a version is read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from stepiq.billing.plans import Plan
from stepiq.core.errors import StepIQError
from stepiq.core.json import Json
from stepiq.execution.records import NewRun, RunCaller
from stepiq.execution.runtime import Engine
from stepiq.language import offload
from stepiq.language.definition import Definition
from stepiq.runs import service
from stepiq.runs.service import Payment
from stepiq.store.database import Session, StoreUnavailable
from stepiq.store.states import TriggerType


@dataclass(frozen=True, slots=True)
class WantedRun:
    """A run that a trigger wants to start."""

    id: UUID
    workspace_id: UUID
    pipeline_id: UUID
    version: int
    plan: Plan
    """The workspace's plan."""
    trigger: TriggerType
    input_data: dict[str, Json]
    """Not validated yet."""
    caller: RunCaller
    schedule_id: UUID | None = None


class NotCompiledYet(Exception):
    """The version is being compiled in the background, because that takes long. Start the run a moment later."""


Refusal = StepIQError | NotCompiledYet


async def start_many(
    session: Session, wanted: Sequence[WantedRun], *, engine: Engine
) -> list[Refusal | None]:
    """Accept runs of any workspaces and pipelines; returns the refusal of each, or None if it was accepted.

    The caller has checked access to the pipelines and locked them. The refusals are those of `service.prepare_target` and
    `service.accept`, and `NotCompiledYet`.

    Raises:
        StoreUnavailable: no run was accepted.
    """
    versions: dict[tuple[UUID, int], tuple[Definition, Payment] | Refusal] = {}
    refusals: list[Refusal | None] = []
    new: list[NewRun] = []
    for each in wanted:
        key = (each.pipeline_id, each.version)
        if (found := versions.get(key)) is None:
            found = versions[key] = await _version(session, each, engine)
        refusals.append(None)
        if isinstance(found, Refusal):
            refusals[-1] = found
            continue
        try:
            new.append(await _new_run(each, *found))
        except StepIQError as error:
            refusals[-1] = error
    decided = iter(await engine.accept_many(session, new))
    return [next(decided) if refusal is None else refusal for refusal in refusals]


async def _version(
    session: Session, wanted: WantedRun, engine: Engine
) -> tuple[Definition, Payment] | Refusal:
    try:
        definition = await engine.definitions.get_now(
            session, wanted.pipeline_id, wanted.version, wanted.workspace_id
        )
        if definition is None:
            return NotCompiledYet()
        return definition, await service.payment(
            session, definition, wanted.workspace_id, wanted.pipeline_id, engine=engine
        )
    except StoreUnavailable:
        raise
    except StepIQError as error:
        return error


async def _new_run(wanted: WantedRun, definition: Definition, payment: Payment) -> NewRun:
    return NewRun(
        id=wanted.id,
        workspace_id=wanted.workspace_id,
        pipeline_id=wanted.pipeline_id,
        pipeline_version=wanted.version,
        trigger_type=wanted.trigger,
        input_data=await offload.validate_apart(definition.input, wanted.input_data),
        timeout=definition.timeout,
        plan=wanted.plan,
        spends_credits=payment.spends_credits,
        own_keys=payment.own_keys,
        caller=wanted.caller,
        schedule_id=wanted.schedule_id,
    )
