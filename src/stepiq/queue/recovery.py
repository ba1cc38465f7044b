"""Takes over what a worker that is gone had in hand, and lets go of what another worker has taken over from this one."""

import asyncio
from collections.abc import Callable, Mapping
from uuid import UUID

import sqlalchemy as sa

from stepiq.core import logging, metrics
from stepiq.queue.tickets import TicketQueue
from stepiq.queue.worker_lease import LEASE_SECONDS, Presence
from stepiq.store.database import PATIENT_SECONDS, Database, StoreUnavailable
from stepiq.store.pubsub import Changes
from stepiq.store.states import RunStatus
from stepiq.store.tables import runs

log = logging.get(__name__)

_EVERY_SECONDS = 1.0
# After a restart of the database nobody is there for a moment, and everybody still works.
GRACE_SECONDS = 2.0
_HELD_SECONDS = LEASE_SECONDS / 2
_HELD_LATELY_SECONDS = LEASE_SECONDS + GRACE_SECONDS + 2 * _EVERY_SECONDS
"""For so long after this worker did not respond, others may still take over its runs because of that."""

_TAKE_BACK = (
    runs.update()
    .where(
        runs.c.id == sa.bindparam("row_id", type_=runs.c.id.type),
        runs.c.claim == sa.bindparam("ours", type_=sa.Integer) + 1,
        runs.c.status == RunStatus.RUNNING,
        runs.c.crashes > 0,
    )
    .values(crashes=runs.c.crashes - 1)
)

Overtaken = Callable[[UUID, bool], bool]
"""Called with a run that is not this worker's any more, and whether that is because it was cancelled. Returns whether it
was called for the first time for this claim."""


class Recovery:
    """What a worker does, besides its work, so that no ticket stays in dead hands."""

    def __init__(
        self, database: Database, changes: Changes, tickets: TicketQueue, presence: Presence
    ) -> None:
        self._database = database
        self._changes = changes
        self._tickets = tickets
        self._presence = presence
        self._missing_since: dict[str, float] = {}
        self._to_take_back: set[tuple[UUID, int]] = set()
        """Runs and the claims that this worker has lost, for which another worker has counted a crash."""
        self._turned_at: float | None = None
        self._held_until = 0.0

    async def take_over(self, grace_seconds: float = 0.0) -> int:
        """Put the tickets of workers that have been gone for so long back into their queues, and say how many.

        Raises:
            StoreUnavailable: who is there is not known; the grace begins anew.
        """
        now = asyncio.get_running_loop().time()
        try:
            async with self._database.reading() as session:
                holders = await self._tickets.holders(session)
                absent = await self._presence.absent(session, holders) if holders else set[str]()
        except StoreUnavailable:
            self._missing_since.clear()
            raise
        self._missing_since = {each: self._missing_since.get(each, now) for each in absent}
        gone = [each for each, since in self._missing_since.items() if now - since >= grace_seconds]
        if not gone:
            return 0
        taken = await self._tickets.take_back(gone)
        metrics.tickets_taken_over.inc(taken)
        log.warning("tickets_taken_over", workers=gone, tickets=taken)
        # What it did last, it may not have told.
        self._changes.may_have_missed()
        return taken

    async def let_go(
        self, claims: Mapping[UUID, int], overtaken: Overtaken, *, was_held: bool = False
    ) -> None:
        """Find the runs whose claims are not the last ones any more: nothing that is done for them counts.

        Args:
            claims: those of this worker.
            overtaken: called for each such run, each time.
            was_held: whether this worker did not respond lately, which a run may have caused. Otherwise, for example after it was
                cut off from the database, `take_crashes_back` takes back the crash that was counted for each of them.

        Raises:
            StoreUnavailable: that is not known.
        """
        if not claims:
            return
        ours = dict(claims)
        async with self._database.reading() as session:
            found = await session.execute(
                sa.select(runs.c.id, runs.c.claim, runs.c.status).where(runs.c.id.in_(ours))
            )
            # A claim taken meanwhile is newer than what was read.
            lost = [row for row in found if row.claim > claims.get(row.id, row.claim)]
        new = [row for row in lost if overtaken(row.id, row.status == RunStatus.CANCELLED)]
        if not was_held:
            self._to_take_back.update((row.id, ours[row.id]) for row in new)

    def claim_lost(self, run_id: UUID, claim: int) -> None:
        """Note that a write has found that a claim is not the run's last one, before `let_go` did.

        Call it once for a claim, and only if `let_go` does not see the claim any more.
        """
        # On SQLite, there is no other worker: the run was cancelled.
        if not self._database.is_sqlite and not self._was_held(asyncio.get_running_loop().time()):
            self._to_take_back.add((run_id, claim))

    async def take_crashes_back(self, patience: float = PATIENT_SECONDS) -> None:
        """Take back the crashes that were counted because other workers claimed runs of this worker, which lives.

        Raises:
            StoreUnavailable: they are taken back by the next call.
        """
        # In the order in which everybody locks runs.
        lost = sorted(self._to_take_back)
        if not lost:
            return
        async with self._database.transaction(patience) as session:
            rows = [{"row_id": run_id, "ours": claim} for run_id, claim in lost]
            await session.execute(_TAKE_BACK, rows)
        self._to_take_back.difference_update(lost)

    def _was_held(self, now: float) -> bool:
        """Whether this worker did not respond lately; also while `run_for_ever` has not noticed it yet."""
        if self._turned_at is not None and now - self._turned_at > _EVERY_SECONDS + _HELD_SECONDS:
            self._held_until = now + _HELD_LATELY_SECONDS
        return now < self._held_until

    async def run_for_ever(self, claims: Mapping[UUID, int], overtaken: Overtaken) -> None:
        """Do all of it every second, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._turned_at = loop.time()
            await asyncio.sleep(_EVERY_SECONDS)
            was_held = self._was_held(loop.time())
            # What the database takes to answer does not hold this worker.
            self._turned_at = None
            try:
                await self.take_over(GRACE_SECONDS)
                await self.let_go(claims, overtaken, was_held=was_held)
                await self.take_crashes_back()
            except StoreUnavailable:
                log.warning("recovery_waits_for_store")
            except Exception:
                log.exception("recovery_broke")
