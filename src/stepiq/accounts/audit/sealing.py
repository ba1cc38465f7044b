"""Seals new entries: gives each its place in the chain of its workspace, and its hash.

Entries are inserted without a place, so that transactions do not wait for each other. A background task seals them in
batches, one batch at a time on the whole server.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from stepiq.accounts.audit import queries
from stepiq.accounts.audit.records import Chain, Entry, Head
from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.store.database import Database, Session, StoreUnavailable
from stepiq.store.pubsub import AUDIT_RECORDED, Changes

BATCH = 200
_PAUSE_SECONDS = 0.2
"""Pause before a batch, in which more entries can arrive, so that a busy server seals them together."""
_POLL_SECONDS = 1.0
"""For entries of processes that ended before they could wake this one, such as commands."""

log = logging.get(__name__)


async def seal(session: Session) -> int:
    """Seal a batch of entries; returns their number."""
    await queries.lock_chains(session)
    entries = await queries.unsealed(session, BATCH)
    if not entries:
        return 0
    now = clock.now()
    chains = await queries.chains(session, {entry.chain_id for entry in entries})
    sealed: list[tuple[UUID, Head, datetime]] = []
    for entry in entries:
        chain = chains[entry.chain_id] = _next(chains.get(entry.chain_id), entry, now)
        sealed.append((entry.id, chain.head, chain.sealed_at or now))
    await queries.seal(session, sealed, chains)
    return len(entries)


def _next(chain: Chain | None, entry: Entry, now: datetime) -> Chain:
    """The chain with one more entry."""
    chain = chain or Chain.empty(entry.chain_id)
    # Never earlier than before: retention deletes by this time, and must delete the first entries first.
    sealed_at = max(chain.sealed_at or now, now)
    return replace(chain, head=chain.head.next(entry), sealed_at=sealed_at)


class Sealer:
    """Seals the entries of all processes of the server."""

    def __init__(self, database: Database, changes: Changes) -> None:
        self._database = database
        self._awake = asyncio.Event()
        changes.call_on(AUDIT_RECORDED, lambda _payload: self._awake.set())

    async def run_for_ever(self) -> None:
        """Seal new entries until cancelled."""
        while True:
            try:
                await self._seal_all()
            except StoreUnavailable:
                log.warning("audit_sealing_waits_for_store")
            except Exception:
                log.exception("audit_sealing_broke")
            await self._wait()

    async def _seal_all(self) -> None:
        async with self._database.reading() as session:
            if not await queries.is_unsealed(session):
                return
        while True:
            async with self._database.transaction() as session:
                if await seal(session) < BATCH:
                    return

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_SECONDS):
                await self._awake.wait()
        except TimeoutError:
            return
        self._awake.clear()
        await asyncio.sleep(_PAUSE_SECONDS)
