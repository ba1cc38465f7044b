"""Rewraps all secrets with the current master key, in batches, while the server runs.

These are the secrets of pipelines, and the secrets of two-factor sign-in.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts.queries.sealed import SealedTable, sealed_of
from stepiq.accounts.secrets import queries
from stepiq.accounts.two_factor import queries as two_factor_queries
from stepiq.core.keys.encryption import Keyring, SecretUnreadable
from stepiq.store.database import Database

BATCH = 100


TABLES = (queries.SEALED, two_factor_queries.SEALED)


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

    `report` is called after each batch with the number of secrets rewrapped.

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
    table: SealedTable,
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
                    sealed = keyring.rewrap(sealed_of(row), owner)
                except SecretUnreadable:
                    unreadable.append(owner.name)
                else:
                    moved += await table.rewrap(session, row, sealed)
        if not rows:
            return unreadable
        after = rows[-1].id
        report(moved)
