"""Lists, exports and checks the audit log."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from uuid import UUID

from stepiq.accounts.audit import queries
from stepiq.accounts.audit.records import (
    FIRST,
    SERVER_CHAIN,
    AuditFilter,
    Chain,
    ChainCheck,
    Entry,
    Fault,
    Head,
)
from stepiq.core import ids
from stepiq.core.errors import Invalid
from stepiq.store.database import Database, Session


class AuditHeadInvalid(Invalid):
    """The expected head of an audit chain is not in the format `SEQUENCE:HASH`."""

    code = "audit_head_invalid"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"`{text[:100]}` is not the head of an audit log. Use `SEQUENCE:HASH`, as `stepiq audit verify` prints it.",
        )


_BATCH = 200

_HASH_LENGTH = 64
_LONGEST_SEQUENCE = 18
_LEFT_BY_ERASURE = frozenset({Fault.MISSING, Fault.TRUNCATED})


async def page(
    session: Session,
    workspace_id: UUID | None,
    wanted: AuditFilter,
    *,
    before: UUID | None,
    limit: int,
) -> list[Entry]:
    """Entries of one workspace, or without one of the whole server, newest first."""
    wanted = await _by_id(session, workspace_id, wanted)
    return await queries.page(session, workspace_id, wanted, before=before, limit=limit)


async def _by_id(session: Session, workspace_id: UUID | None, wanted: AuditFilter) -> AuditFilter:
    """The filter with the id of a pipeline of the workspace in place of its slug."""
    if workspace_id is None or wanted.target is None or not ids.is_slug(wanted.target):
        return wanted
    found = await queries.pipeline_id(session, workspace_id, wanted.target)
    return wanted if found is None else replace(wanted, target=str(found))


async def export(
    database: Database, workspace_id: UUID | None, wanted: AuditFilter
) -> AsyncGenerator[list[Entry]]:
    """Batches of the sealed entries of one chain, in its order. Each batch is read in its own transaction."""
    async with database.reading() as session:
        wanted = await _by_id(session, workspace_id, wanted)
    after = 0
    while True:
        async with database.reading() as session:
            entries = await queries.exported(
                session, workspace_id, wanted, after=after, limit=_BATCH
            )
        if entries:
            yield entries
        if len(entries) < _BATCH:
            return
        after = entries[-1].sequence or 0


async def export_all(database: Database, wanted: AuditFilter) -> AsyncGenerator[list[Entry]]:
    """Batches of the sealed entries of all chains, one chain after the other."""
    async for chain_id in chain_ids(database):
        async for entries in export(database, _workspace(chain_id), wanted):
            yield entries


async def chain_ids(database: Database) -> AsyncGenerator[UUID]:
    """Ids of all chains: of workspaces, and `SERVER_CHAIN`."""
    last: UUID | None = None
    while True:
        async with database.reading() as session:
            found = await queries.chain_ids(session, last, _BATCH)
        for each in found:
            yield each
        if len(found) < _BATCH:
            return
        last = found[-1]


def _workspace(chain_id: UUID) -> UUID | None:
    return None if chain_id == SERVER_CHAIN else chain_id


def head(text: str) -> Head:
    """A head from the text that `Head` gives. Raises AuditHeadInvalid if the text has another format."""
    sequence, _, digest = text.partition(":")
    is_number = sequence.isascii() and sequence.isdigit() and len(sequence) <= _LONGEST_SEQUENCE
    if not is_number or len(digest) != _HASH_LENGTH:
        raise AuditHeadInvalid(text)
    return Head(int(sequence), digest.lower())


async def check(
    database: Database,
    chain_id: UUID,
    *,
    after: int = 0,
    limit: int | None = None,
    expected: Head | None = None,
) -> ChainCheck:
    """Check that no entry of a chain was changed, removed or moved since it was sealed.

    It does not detect that the last entries and the record of the chain's end were removed together, or that all
    hashes were computed again. For that, keep the head elsewhere, and pass it as `expected`.

    `chain_id` is a workspace's id or `SERVER_CHAIN`. `after`: continue after this place, which an earlier call has checked.
    `limit`: maximum number of entries.
    """
    walk = _ChainWalk(database, chain_id)
    return await walk.check(after, limit, expected)


class _ChainWalk:
    """Goes through one chain."""

    def __init__(self, database: Database, chain_id: UUID) -> None:
        self._database = database
        self._chain_id = chain_id
        self._entries = 0
        self._last = Head(0, FIRST)

    async def check(self, after: int, limit: int | None, expected: Head | None) -> ChainCheck:
        chain, unsealed = await self._state()
        self._last = await self._start(chain, after)
        fault: Fault | None = None
        while fault is None and self._last.sequence < chain.head.sequence:
            if limit is not None and self._entries >= limit:
                return self._result(chain, unsealed, None, is_complete=False)
            batch = await self._read(chain.head.sequence)
            if not batch or (batch[0].sequence or 0) > self._last.sequence + 1:
                # Retention may have deleted entries since the state was read.
                chain, unsealed = await self._state()
                if chain.deleted.sequence <= self._last.sequence:
                    fault = Fault.MISSING if batch else Fault.TRUNCATED
                else:
                    self._last = chain.deleted
            else:
                fault = self._follow(batch)
        if fault is None and self._last.hash != chain.head.hash:
            fault = Fault.TRUNCATED
        if fault in _LEFT_BY_ERASURE and await self._is_erased():
            return self._result(chain, unsealed, None)
        if fault is None and expected is not None:
            unexpected = await self._expect(chain, expected)
            # A chain that did not exist may never have existed.
            if unexpected is not None and not (chain.head.sequence and await self._is_erased()):
                return self._result(chain, unsealed, unexpected, at=expected.sequence)
        return self._result(chain, unsealed, fault)

    def _follow(self, batch: Sequence[Entry]) -> Fault | None:
        for entry in batch:
            sequence = entry.sequence or 0
            if sequence > self._last.sequence + 1:
                return Fault.MISSING
            if sequence <= self._last.sequence:
                return Fault.REPEATED
            computed = self._last.next(entry)
            if computed.hash != entry.hash:
                return Fault.CHANGED
            self._entries += 1
            self._last = computed
        return None

    async def _expect(self, chain: Chain, expected: Head) -> Fault | None:
        if expected.sequence < chain.deleted.sequence:
            return Fault.HEAD_DELETED
        if expected.sequence == chain.deleted.sequence:
            found: str | None = chain.deleted.hash
        else:
            found = await self._hash_at(expected.sequence)
        return None if found == expected.hash else Fault.UNEXPECTED_HEAD

    async def _start(self, chain: Chain, after: int) -> Head:
        if after <= chain.deleted.sequence:
            return chain.deleted
        digest = await self._hash_at(after)
        return chain.deleted if digest is None else Head(after, digest)

    async def _hash_at(self, sequence: int) -> str | None:
        async with self._database.reading() as session:
            found = await queries.exported(
                session, _workspace(self._chain_id), AuditFilter(), after=sequence - 1, limit=1
            )
        return found[0].hash if found and found[0].sequence == sequence else None

    async def _read(self, up_to: int) -> list[Entry]:
        async with self._database.reading() as session:
            found = await queries.exported(
                session,
                _workspace(self._chain_id),
                AuditFilter(),
                after=self._last.sequence,
                limit=_BATCH,
            )
        return [entry for entry in found if (entry.sequence or 0) <= up_to]

    async def _is_erased(self) -> bool:
        async with self._database.reading() as session:
            return await queries.is_erased(session, self._chain_id)

    async def _state(self) -> tuple[Chain, int]:
        async with self._database.reading() as session:
            found = await queries.chains(session, [self._chain_id])
            unsealed = await queries.count_unsealed(session, _workspace(self._chain_id))
        return found.get(self._chain_id) or Chain.empty(self._chain_id), unsealed

    def _result(
        self,
        chain: Chain,
        unsealed: int,
        fault: Fault | None,
        *,
        at: int | None = None,
        is_complete: bool = True,
    ) -> ChainCheck:
        if fault is not None and at is None:
            at = self._last.sequence + 1
        return ChainCheck(
            chain_id=self._chain_id,
            entries=self._entries,
            fault=fault,
            fault_at=at,
            head=self._last if self._last.sequence else None,
            deleted=chain.deleted.sequence,
            unsealed=unsealed,
            is_complete=is_complete,
        )
