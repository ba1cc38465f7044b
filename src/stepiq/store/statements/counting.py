"""Counts of all processes, in PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from stepiq.store.database import Session
from stepiq.store.tables import counts


async def take(
    session: Session, key: bytes, now: datetime, period: timedelta, *, taken: int, limit: int
) -> tuple[bool, datetime, int]:
    """Count `taken` hits if the period of the key has fewer than `limit`, or start a new period.

    Returns whether they were counted, the start of the period, and its hits, which can be more than `limit`.
    """
    values = {"now": now, "begin": now - period, "end": now + period, "taken": taken, "most": limit}
    row = (await session.execute(_TAKE, {"at": key, **values})).first()
    if row is not None:
        return True, row.started_at, row.number
    # The statement has locked the row.
    row = (await session.execute(_READ, {"at": key})).one()
    return False, row.started_at, row.number


async def give_back(session: Session, key: bytes) -> None:
    """Count one hit less."""
    await session.execute(_GIVE_BACK, {"at": key})


async def clear(session: Session, key: bytes) -> None:
    """Forget all hits of a key."""
    await session.execute(_CLEAR, {"at": key})


def _take() -> Any:
    now: sa.BindParameter[Any] = sa.bindparam("now")
    taken = sa.bindparam("taken", type_=sa.Integer())
    new = postgresql.insert(counts).values(key=sa.bindparam("at"), started_at=now, number=taken)
    # Clocks of several machines differ, so a period may start in the future.
    is_over = sa.or_(
        counts.c.started_at <= sa.bindparam("begin"),
        counts.c.started_at > sa.bindparam("end"),
        counts.c.number <= 0,
    )
    return new.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "started_at": sa.case((is_over, new.excluded.started_at), else_=counts.c.started_at),
            "number": sa.case((is_over, taken), else_=counts.c.number + taken),
        },
        where=sa.or_(is_over, counts.c.number < sa.bindparam("most")),
    ).returning(counts.c.started_at, counts.c.number)


_TAKE = _take()
_OF_KEY = counts.c.key == sa.bindparam("at")
_READ = sa.select(counts.c.started_at, counts.c.number).where(_OF_KEY)
_GIVE_BACK = (
    sa.update(counts).where(_OF_KEY, counts.c.number > 0).values(number=counts.c.number - 1)
)
_CLEAR = sa.delete(counts).where(_OF_KEY)
