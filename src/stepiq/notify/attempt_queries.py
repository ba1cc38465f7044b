"""Queries of the attempts of deliveries."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.notify.records import ATTEMPTS_KEPT, Attempt, SentRequest
from stepiq.store.database import Session
from stepiq.store.statements.rows import size_bytes
from stepiq.store.tables import deliveries, delivery_attempts

_COLUMNS = [column for column in delivery_attempts.c if column.name != "request"]


async def insert(
    session: Session, delivery_id: UUID, attempt: Attempt, request: SentRequest | None
) -> None:
    """Insert an attempt, and delete all but the last `ATTEMPTS_KEPT`."""
    await session.execute(
        delivery_attempts.insert().values(
            delivery_id=delivery_id, number=attempt.number, at=attempt.at, request=request
        )
    )
    if attempt.number > ATTEMPTS_KEPT:
        await session.execute(
            delivery_attempts.delete().where(
                delivery_attempts.c.delivery_id == delivery_id,
                delivery_attempts.c.number <= attempt.number - ATTEMPTS_KEPT,
            )
        )


async def newest(
    session: Session, wanted: Collection[UUID], limit: int
) -> dict[UUID, list[Attempt]]:
    """The newest attempts of each delivery, oldest first."""
    found: dict[UUID, list[Attempt]] = defaultdict(list)
    if not wanted:
        return found
    statement = _newest(sa.select(*_COLUMNS), wanted, limit).order_by(
        delivery_attempts.c.delivery_id, delivery_attempts.c.number
    )
    for row in (await session.execute(statement)).mappings():
        values = dict(row)
        found[values.pop("delivery_id")].append(Attempt(**values))
    return found


async def sizes(session: Session, wanted: Collection[UUID], limit: int) -> list[int]:
    """For each delivery, the size of the texts of its newest attempts, in bytes."""
    if not wanted:
        return []
    texts = (
        delivery_attempts.c.response_headers,
        delivery_attempts.c.response_excerpt,
        delivery_attempts.c.error,
    )
    measured = (sa.func.sum(sa.func.coalesce(size_bytes(session, text), 0)) for text in texts)
    statement = sa.select(delivery_attempts.c.delivery_id, *measured)
    rows = await session.execute(
        _newest(statement, wanted, limit).group_by(delivery_attempts.c.delivery_id)
    )
    found = {delivery_id: sum(parts) for delivery_id, *parts in rows}
    return [found.get(delivery_id, 0) for delivery_id in wanted]


def _newest(statement: sa.Select[Any], wanted: Collection[UUID], limit: int) -> sa.Select[Any]:
    return statement.join(deliveries, deliveries.c.id == delivery_attempts.c.delivery_id).where(
        deliveries.c.id.in_(wanted),
        # `attempts` is the number of the last attempt.
        delivery_attempts.c.number > deliveries.c.attempts - limit,
    )


async def sent_request(session: Session, delivery_id: UUID, number: int) -> SentRequest | None:
    """The stored request of an attempt; None if the attempt has none, or does not exist."""
    statement = sa.select(delivery_attempts.c.request).where(
        delivery_attempts.c.delivery_id == delivery_id, delivery_attempts.c.number == number
    )
    return await session.scalar(statement)
