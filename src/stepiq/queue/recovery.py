"""Reclaims tickets that nobody executes, and drops runs that another worker has claimed from this one."""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.observability import logging, metrics
from stepiq.queue.tickets import TicketQueue
from stepiq.queue.worker_lease import LEASE_SECONDS, Presence
from stepiq.store.database import PATIENT_SECONDS, Database, Session, StoreUnavailable
from stepiq.store.pubsub import Changes
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs

_OUTAGE_GRACE_SECONDS = 3.0
"""How long others must be missing after this worker has restored its lease. They may have lost theirs in the same
outage, and need longer to restore them on a busy machine."""


class Absences:
    """The workers that hold tickets but no lease, at the last look. Times are those of the event loop's clock."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        """When each worker was first missing. Outages since then are added."""
        self._looked_at = 0.0
        self._restored_at = -math.inf
        self._has_failed = False

    def note(self, missing: Iterable[str], now: float, restored_at: float) -> None:
        """Record the result of a look.

        Args:
            missing: the names of the workers.
            now: the time of the look.
            restored_at: of this worker's own lease; see `Presence`.
        """
        outage = self._outage(now, restored_at)
        self._since = {each: self._since.get(each, now - outage) + outage for each in missing}
        self._looked_at, self._restored_at, self._has_failed = now, restored_at, False

    def note_failure(self) -> None:
        """Record that the database did not respond. The time until the next look does not count."""
        self._has_failed = True

    def _outage(self, now: float, restored_at: float) -> float:
        """Seconds since the last look in which a worker could be missing because of the database."""
        if restored_at == self._restored_at < math.inf and not self._has_failed:
            return 0.0
        was_restored = self._restored_at != restored_at < math.inf
        end = restored_at if was_restored else now
        return min(now, max(end, self._looked_at)) - self._looked_at

    def ends_of_grace(self, grace_seconds: float) -> dict[str, float]:
        """When the tickets of each missing worker may be taken.

        Never while this worker's own lease is lost. After it was restored, the others have `grace_seconds` to restore
        theirs, or three seconds, less the seconds that they were missing before.
        """
        lease = self._restored_at
        if lease == math.inf:
            return dict.fromkeys(self._since, math.inf)
        return {
            each: max(max(since, lease) + grace_seconds, min(since, lease) + _OUTAGE_GRACE_SECONDS)
            for each, since in self._since.items()
        }


log = logging.get(__name__)

_EVERY_SECONDS = 1.0
_UNSTARTED_TURNS = 5
"""A claimed ticket is returned if it has not started at two checks in a row. Every fifth turn of a second is a check."""
# After a restart of the database, no worker holds its lease for a moment, although all still work.
GRACE_SECONDS = 1.0
_HELD_SECONDS = LEASE_SECONDS / 2
_HELD_LATELY_SECONDS = LEASE_SECONDS + GRACE_SECONDS + 2 * _EVERY_SECONDS
"""How long after this worker was unresponsive other workers may still take over its runs for that reason."""

_TAKE_BACK = (
    runs.update()
    .where(
        runs.c.id == sa.bindparam("row_id", type_=runs.c.id.type),
        runs.c.claim == sa.bindparam("ours", type_=sa.Integer) + 1,
        runs.c.status == RunStatus.RUNNING,
    )
    # The other worker may have recorded progress, which resets the first count.
    .values(
        {
            column.name: sa.case((column > 0, column - 1), else_=0)
            for column in (runs.c.crashes, runs.c.crashes_in_total)
        }
    )
)

Overtaken = Callable[[UUID, bool], bool]
"""Called with a run that this worker has lost, and whether the run was cancelled. Returns whether this was the first
call for this claim."""


class Recovery:
    """Reclaims tickets held by dead workers, and finds the runs that this worker has lost."""

    def __init__(
        self, database: Database, changes: Changes, tickets: TicketQueue, presence: Presence
    ) -> None:
        self._database = database
        self._changes = changes
        self._tickets = tickets
        self._presence = presence
        self._absences = Absences()
        self._to_take_back: set[tuple[UUID, int]] = set()
        """Runs, and this worker's lost claims to them, for which another worker has counted a crash."""
        self._unstarted: set[str] = set()
        self._unreceived: set[str] = set()
        self._seen_at: float | None = None
        """When the event loop last responded."""
        self._held_until = 0.0

    async def take_over(self, grace_seconds: float = 0.0) -> int:
        """Return tickets to their queues if their workers have been gone for `grace_seconds`. Returns their number.

        Takes nothing while this worker's own lease is lost, because an outage of the database ends the leases of all
        workers. After it was restored, others have three seconds to restore theirs, less the seconds that they were
        missing before. An outage does not count as missing.

        Raises:
            StoreUnavailable: the workers cannot be checked, or nothing was taken.
        """
        try:
            async with self._database.reading() as session:
                if not await self._gone(session, grace_seconds):
                    return 0
            async with self._database.transaction(PATIENT_SECONDS) as session:
                # While this transaction waited for a connection, workers may have come back.
                if not (gone := await self._gone(session, grace_seconds)):
                    return 0
                taken = await self._tickets.take_back(session, gone)
        except StoreUnavailable:
            self._absences.note_failure()
            raise
        metrics.tickets_taken_over.inc(taken)
        log.warning("tickets_taken_over", workers=gone, tickets=taken)
        # The worker may have died between a commit and its notification.
        self._changes.may_have_missed()
        return taken

    async def _gone(self, session: Session, grace_seconds: float) -> list[str]:
        """The workers that hold tickets, and whose grace period has ended."""
        holders = await self._tickets.holders(session)
        absent = await self._presence.absent(session, holders) if holders else set[str]()
        now = asyncio.get_running_loop().time()
        self._absences.note(absent, now, self._presence.restored_at)
        ends = self._absences.ends_of_grace(grace_seconds)
        return sorted(each for each, end in ends.items() if now >= end)

    async def take_back_unstarted(self) -> int:
        """Return tickets to their queues that this process claimed before the last call and has not started since.

        Returns their number. If such a ticket starts at the same time, its run or delivery is claimed twice, and the
        first claim is lost.

        Raises:
            StoreUnavailable: the tickets cannot be read.
        """
        unstarted = await self._tickets.unstarted()
        stranded = self._unstarted & unstarted
        self._unstarted = unstarted - stranded
        return await self._take_back_stranded(stranded)

    async def take_back_unreceived(self) -> int:
        """Do the same for tickets that the library cannot start, because the response to its claim was lost.

        Returns their number.

        Raises:
            StoreUnavailable: the tickets cannot be read.
        """
        unreceived = await self._tickets.unreceived()
        stranded = self._unreceived & unreceived
        self._unreceived = unreceived - stranded
        return await self._take_back_stranded(stranded)

    async def _take_back_stranded(self, tickets: set[str]) -> int:
        if not tickets:
            return 0
        taken = await self._tickets.take_back_unstarted(tickets)
        log.warning("tickets_not_started", tickets=taken)
        return taken

    async def let_go(self, claims: Mapping[UUID, int], overtaken: Overtaken) -> None:
        """Find the runs that have a newer claim than this worker's. Results for an old claim are discarded.

        A crash is counted for each such run. If this worker was not unresponsive recently, which a run may have caused,
        `take_crashes_back` revokes it: for example, the worker was cut off from the database.

        Args:
            claims: this worker's claims, by run.
            overtaken: called for each such run, at every call.

        Raises:
            StoreUnavailable: the claims cannot be read.
        """
        if not claims:
            return
        ours = dict(claims)
        async with self._database.reading() as session:
            found = await session.execute(
                sa.select(runs.c.id, runs.c.claim, runs.c.status).where(runs.c.id.in_(ours))
            )
            # This worker may have made a newer claim since the read.
            lost = [row for row in found if row.claim > claims.get(row.id, row.claim)]
        new = [row for row in lost if overtaken(row.id, row.status == RunStatus.CANCELLED)]
        if not self._was_held():
            self._to_take_back.update((row.id, ours[row.id]) for row in new)

    def claim_lost(self, run_id: UUID, claim: int) -> None:
        """Record a lost claim that a write detected before `let_go` did.

        Call it once for a claim, and only if `let_go` no longer gets the claim.
        """
        # SQLite has only one worker, so the run was cancelled.
        if not self._database.is_sqlite and not self._was_held():
            self._to_take_back.add((run_id, claim))

    async def take_crashes_back(self, patience: float = PATIENT_SECONDS) -> None:
        """Revoke the crashes counted when other workers claimed runs from this live worker.

        Raises:
            StoreUnavailable: nothing is revoked; the next call tries again.
        """
        # The same lock order as elsewhere, to avoid deadlocks.
        lost = sorted(self._to_take_back)
        if not lost:
            return
        async with self._database.transaction(patience) as session:
            rows = [{"row_id": run_id, "ours": claim} for run_id, claim in lost]
            await session.execute(_TAKE_BACK, rows)
        self._to_take_back.difference_update(lost)

    def _pause(self, now: float) -> float:
        """Seconds until the next turn: a second, or less if the grace period of a missing worker ends before."""
        ends = self._absences.ends_of_grace(GRACE_SECONDS).values()
        return min([_EVERY_SECONDS, *(end - now for end in ends if end > now)])

    def _was_held(self) -> bool:
        """Whether this worker was unresponsive recently."""
        now = asyncio.get_running_loop().time()
        if self._seen_at is not None and now - self._seen_at > _EVERY_SECONDS + _HELD_SECONDS:
            self._held_until = now + _HELD_LATELY_SECONDS
        return now < self._held_until

    async def _watch_loop(self) -> None:
        """Note every second that the event loop responds, until cancelled. A wait for the database does not prevent it."""
        while True:
            # Before the time is replaced: otherwise, a stall that nobody else has noticed would be forgotten.
            self._was_held()
            self._seen_at = asyncio.get_running_loop().time()
            await asyncio.sleep(_EVERY_SECONDS)

    async def take_back_unstarted_for_ever(self) -> None:
        """Call `take_back_unreceived` every second, and `take_back_unstarted` every 5 seconds, until cancelled."""
        turns = 0
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            turns += 1
            try:
                await self.take_back_unreceived()
                if turns % _UNSTARTED_TURNS == 0:
                    await self.take_back_unstarted()
            except StoreUnavailable:
                log.warning("recovery_waits_for_store")
            except Exception:
                log.exception("recovery_broke")

    async def run_for_ever(self, claims: Mapping[UUID, int], overtaken: Overtaken) -> None:
        """Run all steps of recovery at least every second until cancelled.

        SQLite has only one worker, which can take over nothing. But if a flush fails, a cancel is not announced.
        """
        loop = asyncio.get_running_loop()
        watching = asyncio.create_task(self._watch_loop())
        try:
            while True:
                await asyncio.sleep(self._pause(loop.time()))
                try:
                    if not self._database.is_sqlite:
                        await self.take_over(GRACE_SECONDS)
                    await self.let_go(claims, overtaken)
                    await self.take_crashes_back()
                except StoreUnavailable:
                    log.warning("recovery_waits_for_store")
                except Exception:
                    log.exception("recovery_broke")
        finally:
            watching.cancel()
