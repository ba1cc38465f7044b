"""Executes bulk jobs. Each run of a job is changed in one transaction together with its item.

After a crash, an item is therefore either done or untried, and another worker continues with the next one. The row of
the job is locked in the meantime, so that two workers never try the same item. Workspaces take turns.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

from stepiq.accounts.actor import ALL_SCOPES, Actor, Credential
from stepiq.core import clock
from stepiq.core.concurrency.fairness import OwnShare, act_for
from stepiq.core.errors import StepIQError
from stepiq.core.observability import logging
from stepiq.execution.limits.plans import Plans
from stepiq.execution.limits.runs import QueueFull
from stepiq.execution.runtime import Engine
from stepiq.runs import recorded
from stepiq.runs import service as runs
from stepiq.runs.bulk import queries
from stepiq.runs.bulk.records import BulkItem, BulkJob, JobCaller, JobToContinue
from stepiq.runs.examining import Examined, Unvalidated, examine
from stepiq.runs.records import RunRetry
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.store.states import BulkAction, BulkItemStatus, BulkStatus

_POLL_SECONDS = 1.0
_JOBS = 100
"""Maximum number of jobs in one turn."""
_ITEMS = 20
"""Maximum number of items of a job in one turn."""
_TURN_SECONDS = 0.5
"""After this time, a job waits for its next turn."""
_WAIT = timedelta(seconds=5)
"""How long a job waits if the queue of the plan is full."""
_BEFORE_ALL = UUID(int=0)

log = logging.get(__name__)


class BulkWorker:
    """Executes the bulk jobs of one database. Several workers share the work."""

    def __init__(self, database: Database, engine: Engine, plans: Plans) -> None:
        self._database = database
        self._engine = engine
        self._plans = plans
        self._after = _BEFORE_ALL
        """The last workspace that had its turn in the current round."""

    async def run_for_ever(self) -> None:
        """Look for jobs once a second until cancelled. Retries if the store is unavailable."""
        while True:
            settled = 0
            try:
                settled = await self.turn()
            except StoreUnavailable:
                log.warning("bulk_jobs_wait_for_store")
            except Exception:
                log.exception("bulk_jobs_broke")
            await asyncio.sleep(0 if settled else _POLL_SECONDS)

    async def turn(self) -> int:
        """Try some items of the first job of each workspace; returns the number of items that have a result.

        Raises:
            StoreUnavailable: items without a result are tried again.
        """
        found = await self._next_jobs()
        settled, unavailable = 0, None
        try:
            for job in found:
                # A share of its own: other workspaces must not wait until the runs and requests of this one have ended.
                act_for(OwnShare("bulk jobs", job.workspace_id))
                until = clock.monotonic() + _TURN_SECONDS
                try:
                    for _ in range(_ITEMS):
                        if not await self._next(job):
                            break
                        settled += 1
                        if clock.monotonic() > until:
                            break
                except StoreUnavailable as error:
                    if not error.was_answered:
                        raise
                    # It may be busy with this workspace only.
                    unavailable = error
        finally:
            act_for(None)
        if unavailable is not None and not settled:
            raise unavailable
        return settled

    async def _next_jobs(self) -> list[JobToContinue]:
        """The jobs of the next workspaces. After the last workspace, a new round begins."""
        async with self._database.reading() as session:
            statement = queries.first_statement(clock.now(), _JOBS, after=self._after)
            found = await queries.first_jobs(session, statement)
            if not found and self._after != _BEFORE_ALL:
                statement = queries.first_statement(clock.now(), _JOBS, after=_BEFORE_ALL)
                found = await queries.first_jobs(session, statement)
        self._after = found[-1].workspace_id if len(found) == _JOBS else _BEFORE_ALL
        return found

    async def _next(self, job: JobToContinue) -> bool:
        """Try the next item of a job; False if the job has ended, waits, or belongs to another worker."""
        try:
            examined = None
            if job.action is BulkAction.RETRY and self._database.is_sqlite:
                # On PostgreSQL, a job uses one connection, and another worker could try the item in the meantime.
                examined = await examine(self._database, partial(self._to_validate, job.id))
            async with self._database.transaction() as session:
                return await self._try_next(session, job.id, examined)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("bulk_item_broke", job_id=str(job.id))
            return await self._pass_over(job.id)

    async def _to_validate(self, job_id: UUID, session: Session) -> Unvalidated | None:
        """What the next item of a job validates."""
        job = await queries.take(session, job_id)
        if job is None:
            return None
        caller, item = await queries.caller_of(session, job), await _first(session, job)
        if caller is None or item is None:
            return None
        return await runs.retry_to_validate(
            session, _actor(job, caller), item.run_id, _wanted(job), engine=self._engine
        )

    async def _try_next(self, session: Session, job_id: UUID, examined: Examined | None) -> bool:
        job = await queries.take(session, job_id)
        if job is None:
            return False
        now = clock.now()
        caller = await queries.caller_of(session, job)
        if caller is None:
            # The caller that created the job can no longer change runs.
            await queries.end(session, job.id, BulkStatus.CANCELLED, now)
            return False
        await queries.begin(session, job.id, now)
        item = await _first(session, job)
        if item is None:
            await queries.end(session, job.id, BulkStatus.COMPLETED, now)
            return False
        try:
            async with session.savepoint():
                new_run_id = await self._apply(
                    session, _actor(job, caller), job, item.run_id, examined
                )
        except StoreUnavailable:
            raise
        except QueueFull:
            await queries.postpone(session, job.id, now + _WAIT)
            return False
        except StepIQError as error:
            failed = replace(
                item, status=BulkItemStatus.FAILED, code=error.code, message=str(error)
            )
            await queries.settle(session, job.id, failed)
        else:
            done = replace(item, status=BulkItemStatus.DONE, new_run_id=new_run_id)
            await queries.settle(session, job.id, done)
        return True

    async def _apply(
        self,
        session: Session,
        actor: Actor,
        job: BulkJob,
        run_id: UUID,
        examined: Examined | None,
    ) -> UUID | None:
        """Change one run; returns the id of the new run of a retry."""
        if job.action is BulkAction.CANCEL:
            before = await runs.get(session, actor, run_id)
            await runs.cancel(session, actor, run_id, engine=self._engine)
            await recorded.cancelled(session, actor, before)
            return None
        retry = await runs.prepare_retry(
            session,
            actor,
            run_id,
            _wanted(job),
            engine=self._engine,
            plan=self._plans.get(actor.plan),
            examined=examined,
        )
        await recorded.retried(session, actor, retry.run, start=job.retry.start)
        await runs.accept(session, retry, engine=self._engine)
        return retry.run.id

    async def _pass_over(self, job_id: UUID) -> bool:
        """Record that the next item failed for an unknown reason, so that it does not block the others."""
        async with self._database.transaction() as session:
            job = await queries.take(session, job_id)
            item = None if job is None else await _first(session, job)
            if job is None or item is None:
                return False
            message = "A bug in stepIQ prevented this. The log of the server has the details."
            failed = replace(item, status=BulkItemStatus.FAILED, code="internal", message=message)
            await queries.settle(session, job.id, failed)
        return True


def _wanted(job: BulkJob) -> RunRetry:
    return RunRetry(start=job.retry.start, latest_version=job.retry.latest_version)


async def _first(session: Session, job: BulkJob) -> BulkItem | None:
    """The next item without a result."""
    # Items get their results in order.
    statement = queries.items_statement(job.id, None, after=job.done + job.failed, limit=1)
    found = await queries.items(session, statement)
    return found[0] if found else None


def _actor(job: BulkJob, caller: JobCaller) -> Actor:
    """The caller that created a job. Its scopes were checked then."""
    return Actor(
        workspace_id=job.workspace_id,
        user_id=job.user_id,
        credential=Credential.SESSION if job.key_id is None else Credential.API_KEY,
        key_id=job.key_id,
        session_id=None,
        role=caller.role,
        scopes=ALL_SCOPES,
        is_admin=False,
        plan=caller.plan,
    )
