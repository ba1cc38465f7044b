"""The plan's limits on what a workspace stores and on what it does per day.

Each check locks or updates the workspace's row for one quota, in the transaction that adds something. Transactions that
compete for the last unit are therefore serialised. No other part of the server locks these rows, so they delay no run
except one of a new draft. To prevent deadlocks, lock pipelines, their versions and schedules before these rows, and
several of these rows in the order that `pipelines.service` uses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.errors import Forbidden
from stepiq.core.observability import metrics
from stepiq.execution.limits import usage
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.runs import how_to_raise, tomorrow
from stepiq.execution.limits.usage import CountedPeriod
from stepiq.store.database import Session
from stepiq.store.statements.workspaces import membership_of
from stepiq.store.states import PipelineStatus
from stepiq.store.tables import (
    api_keys,
    drafts,
    memberships,
    pipeline_versions,
    pipelines,
    quota_counts,
    schedules,
)


class Quota(StrEnum):
    """A limit of a plan, by the name that it has there."""

    API_KEYS = "api_keys"
    """API keys that are not revoked."""
    VERSIONS = "versions"
    """Stored versions of all pipelines, including archived ones, and, for drafts, the texts of drafts that were run."""
    DEFINITION_BYTES = "definition_bytes"
    """Size of these versions, as they were sent."""
    DRAFTS = "drafts"
    """Stored drafts of editors, of all members."""
    SCHEDULES = "schedules"
    """Schedules of active pipelines, enabled or not."""
    EMAILS_PER_DAY = "emails_per_day"
    """Emails of deliveries and reviews, one for each recipient. Retries do not count."""
    REDELIVERIES_PER_DAY = "redeliveries_per_day"
    """Redeliveries and test deliveries, one for each target."""


DAILY = frozenset({Quota.EMAILS_PER_DAY, Quota.REDELIVERIES_PER_DAY})
_ROWS = frozenset({Quota.API_KEYS, Quota.DRAFTS, Quota.SCHEDULES})
"""Quotas whose rows are counted; the others have a counter."""
_DELETE_VERSIONS = (
    "Delete versions that you do not need. The text of a draft that was run counts only "
    "for other drafts, until its runs are deleted. "
)
_COUNTED_BYTES = pipeline_versions.c.counted_bytes
_ALWAYS = ""
"""In place of a day, for counters that do not restart."""
_ALL_TIME = CountedPeriod(sa.literal(_ALWAYS), sa.literal(_ALWAYS))


@dataclass(frozen=True, slots=True)
class Reached:
    """The facts of a refusal."""

    plan: str
    quota: Quota
    limit: int
    used: int

    @property
    def facts(self) -> dict[str, object]:
        """For the log."""
        return {"plan": self.plan, "limit": self.limit, "used": self.used}

    def message(self, what: str, advice: str = "") -> str:
        """States the limit, the current value, and how to raise the limit."""
        has = f"has {self.used:,}"
        if self.quota in DAILY:
            restarts_at = clock.iso(tomorrow(clock.now()))
            has = f"has used {self.used:,} today. The count restarts at {restarts_at}"
        how = how_to_raise(self.plan, f"{self.quota} = …")
        return f"Plan `{self.plan}` allows {self.limit:,} {what}, and the workspace {has}. {advice}{how}"


class PlanKeysExceeded(Forbidden):
    """The workspace has reached the plan's limit of API keys."""

    code = "plan_api_keys_exceeded"

    def __init__(self, reached: Reached) -> None:
        super().__init__(
            reached.message("API keys", "Revoke a key that you do not use. "), **reached.facts
        )


class PlanVersionsExceeded(Forbidden):
    """The workspace has reached the plan's limit of stored versions."""

    code = "plan_versions_exceeded"

    def __init__(self, reached: Reached) -> None:
        super().__init__(
            reached.message("stored versions of pipelines", _DELETE_VERSIONS), **reached.facts
        )


class PlanBytesExceeded(Forbidden):
    """The definition does not fit into the bytes that the plan allows for all stored versions."""

    code = "plan_definition_bytes_exceeded"

    def __init__(self, reached: Reached) -> None:
        super().__init__(
            reached.message("bytes for all stored versions of pipelines", _DELETE_VERSIONS),
            **reached.facts,
        )


class PlanDraftsExceeded(Forbidden):
    """The workspace has reached the plan's limit of stored drafts."""

    code = "plan_drafts_exceeded"

    def __init__(self, reached: Reached) -> None:
        super().__init__(
            reached.message("stored drafts", "Save or delete a draft. "), **reached.facts
        )


class PlanSchedulesExceeded(Forbidden):
    """The workspace has reached the plan's limit of schedules."""

    code = "plan_schedules_exceeded"

    def __init__(self, reached: Reached) -> None:
        super().__init__(
            reached.message(
                "schedules of active pipelines", "Delete a schedule, or archive its pipeline. "
            ),
            **reached.facts,
        )


class PlanEmailsExhausted(Forbidden):
    """The workspace has sent as many emails today as its plan allows."""

    code = "plan_emails_exhausted"

    def __init__(self, reached: Reached) -> None:
        super().__init__(reached.message("emails per day"), **reached.facts)


class PlanRedeliveriesExhausted(Forbidden):
    """The workspace has used the plan's redeliveries and test deliveries of this day."""

    code = "plan_redeliveries_exhausted"

    def __init__(self, reached: Reached) -> None:
        super().__init__(
            reached.message("redeliveries and test deliveries per day"), **reached.facts
        )


_REFUSALS: dict[Quota, Callable[[Reached], Forbidden]] = {
    Quota.API_KEYS: PlanKeysExceeded,
    Quota.VERSIONS: PlanVersionsExceeded,
    Quota.DEFINITION_BYTES: PlanBytesExceeded,
    Quota.DRAFTS: PlanDraftsExceeded,
    Quota.SCHEDULES: PlanSchedulesExceeded,
    Quota.EMAILS_PER_DAY: PlanEmailsExhausted,
    Quota.REDELIVERIES_PER_DAY: PlanRedeliveriesExhausted,
}


@dataclass(frozen=True, slots=True)
class QuotaState:
    """The current state of a workspace's quota."""

    name: Quota
    limit: int | None
    """None is unlimited."""
    used: int
    resets_at: datetime | None
    """When `used` restarts at 0; None if it never does."""


async def take(
    session: Session, workspace_id: UUID, plan: Plan, quota: Quota, amount: int = 1
) -> None:
    """Count an amount, if the plan allows it. It is also counted without a limit, because the plan may change.

    Raises:
        Forbidden: the quota's own subclass. Nothing was counted.
    """
    if not await _take(session, workspace_id, plan, quota, amount):
        raise _refusal(plan, quota, await _counted(session, workspace_id, quota))


async def take_draft_version(
    session: Session, workspace_id: UUID, plan: Plan, size_bytes: int
) -> None:
    """Count the text of a draft as a version, if the plan allows it beside all versions and texts.

    Raises:
        PlanVersionsExceeded, PlanBytesExceeded: it does not.
    """
    await take(session, workspace_id, plan, Quota.VERSIONS)
    await take(session, workspace_id, plan, Quota.DEFINITION_BYTES, size_bytes)


async def take_version(session: Session, workspace_id: UUID, plan: Plan, size_bytes: int) -> None:
    """Count a saved version of a pipeline and its bytes, if the plan allows both beside the other saved versions.

    Texts of drafts do not prevent it, because a person cannot delete them. So a workspace stores at most twice what the
    plan allows.

    Raises:
        PlanVersionsExceeded, PlanBytesExceeded: it does not.
    """
    for quota, amount, of_drafts in (
        (Quota.VERSIONS, 1, sa.func.count()),
        (Quota.DEFINITION_BYTES, size_bytes, sa.func.sum(_COUNTED_BYTES)),
    ):
        if await _take(session, workspace_id, plan, quota, amount):
            continue
        # The refusal has locked the counter, so texts cannot begin or cease to count until this transaction ends.
        texts = await session.scalar(texts_statement(workspace_id, of_drafts)) or 0
        if not await _take(session, workspace_id, plan, quota, amount, beside=texts):
            used = await _counted(session, workspace_id, quota)
            raise _refusal(plan, quota, used - texts)


def texts_statement(workspace_id: UUID, of_drafts: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """An aggregate of a workspace's texts of drafts that count for quotas, from an index."""
    return (
        sa.select(of_drafts)
        .select_from(pipeline_versions)
        .where(pipeline_versions.c.workspace_id == workspace_id, _COUNTED_BYTES.is_not(None))
    )


async def _take(
    session: Session,
    workspace_id: UUID,
    plan: Plan,
    quota: Quota,
    amount: int,
    *,
    beside: int = 0,
) -> bool:
    """Count an amount, if the plan allows it beside an amount that is counted, but has no limit."""
    limit = _limit(plan, quota)
    if limit is None:
        return await _count(session, workspace_id, quota, amount, None)
    if amount > limit:
        # The first count of a workspace has no condition.
        return False
    return await _count(session, workspace_id, quota, amount, limit + beside)


async def require_room(
    session: Session, workspace_id: UUID, plan: Plan, quota: Quota, *, added: int = 0
) -> None:
    """Check that the plan allows one more row. Other checks of this quota wait until this transaction ends.

    Args:
        session: the transaction that inserts the row.
        workspace_id: the workspace of the row.
        plan: the workspace's plan.
        quota: a quota whose rows are counted.
        added: if not 0, check this number of rows that the transaction has already added, instead of one more.

    Raises:
        Forbidden: the quota's own subclass.
    """
    limit = _limit(plan, quota)
    if limit is None:
        return
    await lock(session, workspace_id, quota)
    used = await _rows(session, workspace_id, quota, at_most=limit + max(1, added))
    if used + (0 if added else 1) > limit:
        # The plan may have been lowered, so that there are more rows than were counted.
        used = await _rows(session, workspace_id, quota)
        raise _refusal(plan, quota, used - added)


async def lock(session: Session, workspace_id: UUID, name: str) -> None:
    """Lock the row of a limit, so that other checks of it wait until this transaction ends.

    `name` may also be the name of a limit that is not a `Quota` and is counted elsewhere.
    """
    new = session.insert(quota_counts).values(
        workspace_id=workspace_id, name=name, day=_ALWAYS, value=0
    )
    await session.execute(
        new.on_conflict_do_update(
            index_elements=["workspace_id", "name"], set_={"value": quota_counts.c.value}
        )
    )


async def give_back_versions(session: Session, workspace_id: UUID, sizes: Sequence[int]) -> None:
    """Subtract what `take_version` or `take_draft_version` counted for versions of these sizes, after their deletion."""
    await _give_back(session, workspace_id, Quota.VERSIONS, len(sizes))
    await _give_back(session, workspace_id, Quota.DEFINITION_BYTES, sum(sizes))


async def _give_back(session: Session, workspace_id: UUID, quota: Quota, amount: int) -> None:
    await session.execute(
        quota_counts.update()
        .where(quota_counts.c.workspace_id == workspace_id, quota_counts.c.name == quota)
        .values(value=quota_counts.c.value - amount)
    )


async def check(session: Session, workspace_id: UUID, plan: Plan, quota: Quota) -> None:
    """Check that some of the quota is left, without counting anything. `take` still has to be called.

    Raises:
        Forbidden: the quota's own subclass; nothing is left.
    """
    limit = _limit(plan, quota)
    if limit is None:
        return
    used = await _counted(session, workspace_id, quota)
    if used >= limit:
        raise _refusal(plan, quota, used)


async def states(session: Session, workspace_id: UUID, plan: Plan) -> list[QuotaState]:
    """All quotas of a workspace."""
    resets_at = tomorrow(clock.now())
    return [
        QuotaState(
            name=quota,
            limit=_limit(plan, quota),
            used=await (_rows if quota in _ROWS else _counted)(session, workspace_id, quota),
            resets_at=resets_at if quota in DAILY else None,
        )
        for quota in Quota
    ]


def rows_statement(workspace_id: UUID, quota: Quota, at_most: int | None) -> sa.Select[Any]:
    """A statement that counts a workspace's rows for a quota in an index, up to `at_most` if it is given."""
    if quota is Quota.API_KEYS:
        found = sa.select(api_keys.c.id).where(
            api_keys.c.workspace_id == workspace_id, api_keys.c.revoked_at.is_(None)
        )
    elif quota is Quota.DRAFTS:
        # The drafts of a removed member are kept for a return, and nobody else can delete them.
        # Not a join: PostgreSQL may read the drafts of all workspaces for it.
        member = sa.select(memberships.c.user_id).where(
            memberships.c.workspace_id == workspace_id, membership_of(drafts.c.user_id)
        )
        found = sa.select(drafts.c.revision).where(
            drafts.c.workspace_id == workspace_id, member.scalar_subquery().is_not(None)
        )
    else:
        found = (
            sa.select(schedules.c.id)
            .join(pipelines, pipelines.c.id == schedules.c.pipeline_id)
            .where(
                schedules.c.workspace_id == workspace_id,
                pipelines.c.status == PipelineStatus.ACTIVE,
            )
        )
    return sa.select(sa.func.count()).select_from(found.limit(at_most).subquery())


async def _rows(
    session: Session, workspace_id: UUID, quota: Quota, at_most: int | None = None
) -> int:
    return await session.scalar(rows_statement(workspace_id, quota, at_most))


async def _count(
    session: Session, workspace_id: UUID, quota: Quota, amount: int, limit: int | None
) -> bool:
    period = _period(quota)
    new = session.insert(quota_counts).values(
        workspace_id=workspace_id, name=quota, day=period.current, value=amount
    )
    value = period.of(quota_counts.c.day, quota_counts.c.value) + new.excluded.value
    counted = new.on_conflict_do_update(
        index_elements=["workspace_id", "name"],
        set_={"day": period.counted(quota_counts.c.day), "value": value},
        where=None if limit is None else value <= limit,
    ).returning(quota_counts.c.value)
    return (await session.execute(counted)).one_or_none() is not None


async def _counted(session: Session, workspace_id: UUID, quota: Quota) -> int:
    value = await session.scalar(
        sa.select(_period(quota).of(quota_counts.c.day, quota_counts.c.value)).where(
            quota_counts.c.workspace_id == workspace_id, quota_counts.c.name == quota
        )
    )
    return value or 0


def _limit(plan: Plan, quota: Quota) -> int | None:
    limit = plan.limits[quota]
    return None if limit is None else int(limit)


def _period(quota: Quota) -> CountedPeriod:
    return usage.day_period(clock.now()) if quota in DAILY else _ALL_TIME


def _refusal(plan: Plan, quota: Quota, used: int) -> Forbidden:
    metrics.quota_refusals.labels(quota).inc()
    return _REFUSALS[quota](Reached(plan.name, quota, _limit(plan, quota) or 0, used))
