"""Rewraps all secrets with the current master key, in batches, while the server runs.

These are the secrets of pipelines, and the secrets of two-factor sign-in.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from stepiq.accounts.secrets import queries
from stepiq.accounts.two_factor import queries as two_factor_queries
from stepiq.core.encryption import Binding, Keyring, Sealed, SecretUnreadable
from stepiq.store.database import Database, Session

BATCH = 100


class SealedRows(Protocol):
    """The queries of a table with encrypted values. Its rows have an `id`."""

    async def key_counts(self, session: Session) -> dict[str, int]:
        """The number of values wrapped by each master key."""
        ...

    async def wrapped_by(
        self, session: Session, key_id: str, *, after: UUID | None, limit: int
    ) -> Sequence[Any]:
        """Lock and return a batch of the rows wrapped by a master key."""
        ...

    async def rewrap(self, session: Session, row: Any, sealed: Sealed) -> bool:
        """Store a data key wrapped by another master key, unless the row has changed since it was read."""
        ...

    def owner_of(self, row: Any) -> Binding:
        """The owner that a row's value is bound to."""
        ...

    def sealed_of(self, row: Any) -> Sealed:
        """The encrypted value of a row."""
        ...


TABLES: tuple[SealedRows, ...] = (queries, two_factor_queries)


@dataclass(frozen=True, slots=True)
class Census:
    """The number of secrets by the state of their master key."""

    current: int
    rotatable: int
    """Secrets wrapped by an earlier key that is available."""
    lost: dict[str, int]
    """Secrets wrapped by keys that are not available, by fingerprint."""

    @property
    def total(self) -> int:
        return self.current + self.rotatable + sum(self.lost.values())


async def counts(database: Database) -> dict[str, int]:
    """The number of secrets wrapped by each master key, by fingerprint."""
    found: Counter[str] = Counter()
    async with database.reading() as session:
        for table in TABLES:
            found.update(await table.key_counts(session))
    return dict(found)


async def census(database: Database, keyring: Keyring) -> Census:
    """Count the secrets by the state of their master key.

    Raises:
        KeyUnusable: a key is damaged or readable by others.
        StoreUnavailable: the database does not respond.
    """
    found = await counts(database)
    current = found.pop(keyring.current or "", 0)
    lost = {key_id: number for key_id, number in found.items() if not keyring.has(key_id)}
    return Census(current, sum(found.values()) - sum(lost.values()), lost)


async def rotate(database: Database, keyring: Keyring, report: Callable[[int], None]) -> list[str]:
    """Wrap every data key with the current master key.

    Each batch is its own transaction. After an interruption, call it again to continue. A secret that gets a new value
    meanwhile is wrapped with the key of the process that writes it.

    Args:
        database: contains the secrets.
        keyring: contains the current and the earlier keys.
        report: called after each batch with the number of secrets rewrapped.

    Returns:
        Names of secrets that could not be decrypted although their key is available. They are unchanged.
    """
    unreadable: list[str] = []
    for key_id in await counts(database):
        if key_id != keyring.current and keyring.has(key_id):
            for table in TABLES:
                unreadable += await _rotate_key(database, keyring, table, key_id, report)
    return unreadable


async def _rotate_key(
    database: Database,
    keyring: Keyring,
    table: SealedRows,
    key_id: str,
    report: Callable[[int], None],
) -> list[str]:
    unreadable: list[str] = []
    after: UUID | None = None
    while True:
        moved = 0
        async with database.transaction() as session:
            rows = await table.wrapped_by(session, key_id, after=after, limit=BATCH)
            for row in rows:
                owner = table.owner_of(row)
                try:
                    sealed = keyring.rewrap(table.sealed_of(row), owner)
                except SecretUnreadable:
                    unreadable.append(owner.name)
                else:
                    moved += await table.rewrap(session, row, sealed)
        if not rows:
            return unreadable
        after = rows[-1].id
        report(moved)
