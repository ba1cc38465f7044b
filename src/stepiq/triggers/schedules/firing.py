"""Fires schedules in one transaction: decides about each due tick, starts the runs, and writes outcomes and next times.

The caller has locked the schedules. The statements write all rows of a table together, so their number depends on the
number of workspaces and pipeline versions, not on the number of schedules.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from stepiq.billing import service as billing
from stepiq.core import clock
from stepiq.core.errors import StepIQError
from stepiq.core.json import Json
from stepiq.core.observability import logging, metrics
from stepiq.execution.limits.plans import Plan, Plans
from stepiq.execution.records.run import NewRun, RunCaller
from stepiq.execution.runtime import Engine
from stepiq.language import offload
from stepiq.language.definitions.compiled import Definition
from stepiq.language.schemas.work import ValidationMeter
from stepiq.language.templates import OverBudget
from stepiq.pipelines import pausing
from stepiq.runs import service
from stepiq.runs.service import Payment
from stepiq.store.database import Session, StoreUnavailable
from stepiq.store.states import CallerType, PipelineStatus, TickOutcome, TriggerType
from stepiq.triggers.schedules import queries
from stepiq.triggers.schedules.records import Due, Tick, TickReason
from stepiq.triggers.schedules.ticks import Look, look, run_id


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
    end = clock.monotonic() + _CHECKING_SECONDS
    for number, (each, definition, payment) in enumerate(slow):
        if number and clock.monotonic() > end:
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


log = logging.get(__name__)

_DECIDING_SECONDS = 0.05
"""After this time, a transaction decides about no more schedules. The event loop is held meanwhile."""


@dataclass(frozen=True, slots=True)
class _Firing:
    """One due schedule, and what to do about it."""

    due: Due
    look: Look
    run: WantedRun | None = None
    reason: str | None = None
    """Why a due tick starts no run."""


async def fire(
    session: Session, taken: Sequence[Due], now: datetime, engine: Engine, plans: Plans
) -> int:
    """Fire due schedules that this transaction has locked. Returns how many of them are done.

    A schedule whose run is not ready to start stays due: other transactions would wait for this one on SQLite. After a
    long outage, deciding takes long, and some schedules also stay due, except for the first one of each workspace.

    Raises:
        StoreUnavailable: nothing was changed.
    """
    if not taken:
        return 0
    # A later statement than the one that locked the schedules, so that it sees a pause that was committed meanwhile.
    statuses = await pausing.lock_to_trigger(session, {due.schedule.pipeline_id for due in taken})
    firings: list[_Firing] = []
    begun: set[UUID] = set()
    end = clock.monotonic() + _DECIDING_SECONDS
    for due in taken:
        if due.schedule.workspace_id in begun and clock.monotonic() > end:
            break
        begun.add(due.schedule.workspace_id)
        is_paused = statuses.get(due.schedule.pipeline_id) is PipelineStatus.PAUSED
        firings.append(_decide(due, now, plans, is_paused=is_paused))
    wanted = [firing.run for firing in firings if firing.run is not None]
    refusals = await start_many(session, wanted, engine=engine)
    refused: dict[UUID, str] = {}
    waiting: set[UUID] = set()
    for run, refusal in zip(wanted, refusals, strict=True):
        if isinstance(refusal, NotYet):
            waiting.add(run.id)
        elif refusal is not None:
            refused[run.id] = refusal.code
    handled = [each for each in firings if each.run is None or each.run.id not in waiting]
    await _write(session, handled, now, refused)
    return len(handled)


async def give_up(session: Session, taken: Sequence[Due], now: datetime) -> None:
    """Skip due schedules that cannot be fired, for an unknown reason."""
    await _write(session, [_given_up(due, now) for due in taken], now, {})


def _decide(due: Due, now: datetime, plans: Plans, *, is_paused: bool) -> _Firing:
    schedule = due.schedule
    if due.pipeline_status is not PipelineStatus.ACTIVE:
        stopped = Look(due.due_at, (), None, None)
        return _Firing(due, stopped, reason=TickReason.PIPELINE_ARCHIVED)
    try:
        seen = look(schedule, due.due_at, now)
    except StepIQError as error:
        log.warning("schedule_unreadable", schedule_id=str(schedule.id), code=error.code)
        return _Firing(due, Look(due.due_at, (), None, None), reason=error.code)
    if seen.due is None or (due.is_recorded and seen.due == due.due_at):
        return _Firing(due, seen)
    if is_paused:
        return _Firing(due, seen, reason=TickReason.PIPELINE_PAUSED)
    if due.is_disabled:
        return _Firing(due, seen, reason=TickReason.ACCOUNT_DISABLED)
    try:
        plan = plans.get(due.plan)
        billing.require_cron(plan)
    except StepIQError as error:
        return _Firing(due, seen, reason=error.code)
    if due.last_run is not None and not due.last_run.is_final:
        return _Firing(due, seen, reason=TickReason.OVERLAP)
    run = WantedRun(
        id=run_id(schedule.id, seen.due, now),
        workspace_id=schedule.workspace_id,
        pipeline_id=schedule.pipeline_id,
        version=due.version,
        plan=plan,
        trigger=TriggerType.CRON,
        input_data=schedule.input_data,
        caller=RunCaller(CallerType.SCHEDULE, schedule.id),
        schedule_id=schedule.id,
    )
    return _Firing(due, seen, run)


async def _write(
    session: Session, firings: Sequence[_Firing], now: datetime, refused: Mapping[UUID, str]
) -> None:
    recorded: list[Tick] = []
    moves: list[tuple[UUID, datetime | None, datetime | None]] = []
    for firing in firings:
        outcomes = _outcomes(firing, now, refused)
        started = any(tick.outcome is TickOutcome.STARTED for tick in outcomes)
        recorded += outcomes
        moves.append((firing.due.schedule.id, firing.look.next_at, now if started else None))
    for outcome, number in Counter(tick.outcome for tick in recorded).items():
        session.after_commit(partial(metrics.schedule_ticks.labels(outcome).inc, number))
    await queries.record(session, recorded)
    await queries.advance(session, moves)


def _outcomes(firing: _Firing, now: datetime, refused: Mapping[UUID, str]) -> list[Tick]:
    schedule_id, seen = firing.due.schedule.id, firing.look

    def tick(due_at: datetime, outcome: TickOutcome, reason: str | None) -> Tick:
        started = firing.run.id if firing.run and outcome is TickOutcome.STARTED else None
        return Tick(schedule_id, due_at, outcome, reason, started, now)

    ticks = [tick(at, TickOutcome.MISSED, TickReason.NOT_RUNNING) for at in seen.missed]
    if seen.missed_from is not None:
        reason = TickReason.NOT_RUNNING_FOR_LONG
        ticks.append(tick(seen.missed_from, TickOutcome.MISSED, reason))
    if seen.due is None:
        return ticks
    if firing.run is not None and firing.run.id not in refused:
        ticks.append(tick(seen.due, TickOutcome.STARTED, None))
    elif firing.run is not None or firing.reason is not None:
        reason = firing.reason if firing.run is None else refused[firing.run.id]
        ticks.append(tick(seen.due, TickOutcome.SKIPPED, reason))
    return ticks


def _given_up(due: Due, now: datetime) -> _Firing:
    try:
        next_at = due.schedule.next_after(max(due.due_at, now))
    except Exception:
        # The expression itself may be the cause. The schedule then stops firing until it is changed.
        next_at = None
    return _Firing(due, Look(due.due_at, (), None, next_at), reason=TickReason.INTERNAL)
