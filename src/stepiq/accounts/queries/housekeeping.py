"""Deleting credentials that nobody can use any more."""

from datetime import datetime

import sqlalchemy as sa

from stepiq.store.database import Session
from stepiq.store.tables import invitations, password_resets, refresh_tokens, sessions


async def delete_tokens(session: Session, before: datetime, limit: int) -> int:
    """Delete refresh tokens that expired before an instant."""
    return await _delete(session, refresh_tokens, before, limit)


async def delete_resets(session: Session, before: datetime, limit: int) -> int:
    """Delete tokens of reset mails that expired before an instant."""
    return await _delete(session, password_resets, before, limit)


async def delete_invitations(session: Session, before: datetime, limit: int) -> int:
    """Delete invitations that expired before an instant, used or not."""
    return await _delete(session, invitations, before, limit)


async def delete_sessions(session: Session, before: datetime, limit: int) -> int:
    """Delete sessions that ended before an instant, with their refresh tokens, which go first."""
    ended = list(
        (
            await session.execute(
                sa.select(sessions.c.id).where(sessions.c.expires_at <= before).limit(limit)
            )
        ).scalars()
    )
    if not ended:
        return 0
    tokens = sa.select(refresh_tokens.c.id).where(refresh_tokens.c.session_id.in_(ended))
    chosen = list((await session.execute(tokens.limit(limit))).scalars())
    if chosen:
        await session.execute(sa.delete(refresh_tokens).where(refresh_tokens.c.id.in_(chosen)))
    if len(chosen) == limit:
        return limit  # there may be more of them, which the next turn finds
    await session.execute(sa.delete(sessions).where(sessions.c.id.in_(ended)))
    return len(ended)


async def _delete(session: Session, table: sa.Table, before: datetime, limit: int) -> int:
    chosen = sa.select(table.c.id).where(table.c.expires_at <= before).limit(limit)
    return (await session.execute(sa.delete(table).where(table.c.id.in_(chosen)))).rowcount
