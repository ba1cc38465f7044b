"""Starts many runs in one transaction. What is the same for all runs of a version is read once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from stepiq.core.errors import StepIQError
from stepiq.core.json import Json
from stepiq.execution.limits.plans import Plan
from stepiq.execution.records.run import NewRun, RunCaller
from stepiq.execution.runtime import Engine
from stepiq.language import offload
from stepiq.language.definitions.compiled import Definition
from stepiq.language.schemas.work import ValidationMeter
from stepiq.language.templates import OverBudget
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


_CHECKING_SECONDS = 0.25
"""After this time, a transaction validates no more inputs that take long."""


class NotYet(Exception):
    """The run can be started a moment later.

    Its version is being compiled in the background, or its input takes long to validate, as those of other runs do.
    """


Refusal = StepIQError | NotYet


async def start_many(
    session: Session, wanted: Sequence[WantedRun], *, engine: Engine
) -> list[Refusal | None]:
    """Accept runs of any workspaces and pipelines; returns the refusal of each, or None if it was accepted.

    The caller has checked access to the pipelines and locked them. The refusals are those of `service.prepare_target` and
    `service.accept`, and `NotYet`. At least one run is not `NotYet`, unless all versions are being compiled.

    Raises:
        StoreUnavailable: no run was accepted.
    """
    versions: dict[tuple[UUID, int], tuple[Definition, Payment] | Refusal] = {}
    refusals: dict[UUID, Refusal | None] = {}
    new: list[NewRun] = []
    slow: list[tuple[WantedRun, Definition, Payment]] = []
    for each in wanted:
        key = (each.pipeline_id, each.version)
        if (found := versions.get(key)) is None:
            found = versions[key] = await _version(session, each, engine)
        if isinstance(found, Refusal):
            refusals[each.id] = found
            continue
        definition, payment = found
        try:
            given = definition.input.validate(
                each.input_data, ValidationMeter(budget=offload.INLINE_OPERATIONS)
            )
            new.append(_new_run(each, definition, payment, given))
        except OverBudget:
            slow.append((each, definition, payment))
        except StepIQError as error:
            refusals[each.id] = error
    # Last, so that they delay no other run. On SQLite, other transactions wait for this one.
    end = time.monotonic() + _CHECKING_SECONDS
    for number, (each, definition, payment) in enumerate(slow):
        if number and time.monotonic() > end:
            refusals[each.id] = NotYet()
            continue
        try:
            given = await offload.validate_apart(definition.input, each.input_data)
            new.append(_new_run(each, definition, payment, given))
        except StepIQError as error:
            refusals[each.id] = error
    decided = await engine.accept_many(session, new)
    refusals |= zip((each.id for each in new), decided, strict=True)
    return [refusals[each.id] for each in wanted]


async def _version(
    session: Session, wanted: WantedRun, engine: Engine
) -> tuple[Definition, Payment] | Refusal:
    try:
        definition = await engine.definitions.get_now(
            session, wanted.pipeline_id, wanted.version, wanted.workspace_id
        )
        if definition is None:
            return NotYet()
        return definition, await service.payment(
            session, definition, wanted.workspace_id, wanted.pipeline_id, engine=engine
        )
    except StoreUnavailable:
        raise
    except StepIQError as error:
        return error


def _new_run(
    wanted: WantedRun, definition: Definition, payment: Payment, given: dict[str, Json]
) -> NewRun:
    return NewRun(
        id=wanted.id,
        workspace_id=wanted.workspace_id,
        pipeline_id=wanted.pipeline_id,
        pipeline_version=wanted.version,
        trigger_type=wanted.trigger,
        input_data=given,
        timeout=definition.timeout,
        plan=wanted.plan,
        spends_credits=payment.spends_credits,
        own_keys=payment.own_keys,
        caller=wanted.caller,
        schedule_id=wanted.schedule_id,
    )
