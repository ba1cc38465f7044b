"""Moving every secret to the current master key, a batch at a time, while the server runs."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts.secrets import queries
from stepiq.core.encryption import Keyring, SecretUnreadable
from stepiq.store.database import Database

BATCH = 100


@dataclass(frozen=True, slots=True)
class Census:
    """How many secrets are under which master key."""

    current: int
    rotatable: int
    """Under an earlier key that is here."""
    lost: dict[str, int]
    """Under keys that are not here, by fingerprint."""

    @property
    def total(self) -> int:
        return self.current + self.rotatable + sum(self.lost.values())


async def counts(database: Database) -> dict[str, int]:
    """How many secrets each master key wraps, by its fingerprint."""
    async with database.reading() as session:
        return await queries.key_counts(session)


async def census(database: Database, keyring: Keyring) -> Census:
    """Count; nothing is changed.

    Raises:
        KeyUnusable: a key is damaged or readable by others.
        StoreUnavailable: the database does not answer.
    """
    found = await counts(database)
    current = found.pop(keyring.current or "", 0)
    lost = {key_id: number for key_id, number in found.items() if not keyring.has(key_id)}
    return Census(current, sum(found.values()) - sum(lost.values()), lost)


async def rotate(database: Database, keyring: Keyring, tell: Callable[[int], None]) -> list[str]:
    """Wrap every data key with the current master key.

    Each batch is a transaction of its own: killed at any moment, it goes on where it was when it is called again. A secret
    that gets a new value meanwhile has it under whatever key its writer uses.

    Args:
        database: whose secrets.
        keyring: with the earlier keys.
        tell: called after each batch with how many it moved.

    Returns:
        Names of secrets that could not be opened, though their key is here: they are as they were.
    """
    unreadable: list[str] = []
    for key_id in await counts(database):
        if key_id != keyring.current and keyring.has(key_id):
            unreadable += await _rotate_key(database, keyring, key_id, tell)
    return unreadable


async def _rotate_key(
    database: Database, keyring: Keyring, key_id: str, tell: Callable[[int], None]
) -> list[str]:
    unreadable: list[str] = []
    after: UUID | None = None
    while True:
        moved = 0
        async with database.transaction() as session:
            rows = await queries.wrapped_by(session, key_id, after=after, limit=BATCH)
            for row in rows:
                try:
                    sealed = keyring.rewrap(queries.sealed_of(row), queries.owner_of(row))
                except SecretUnreadable:
                    unreadable.append(row.name)
                else:
                    moved += await queries.rewrap(session, row, sealed)
        if not rows:
            return unreadable
        after = rows[-1].id
        tell(moved)
