"""Routes of the caller's sessions."""

from typing import Literal
from uuid import UUID

from stepiq.accounts import recorded, schemas
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.errors import (
    SessionNotFound,
    SessionRequired,
)
from stepiq.accounts.http import DoorsDep, Person
from stepiq.accounts.queries import sessions as queries
from stepiq.accounts.sessions import service as sessions
from stepiq.core import clock
from stepiq.web.bodies import Timestamp, View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.transactions import Read, Tx

router = new_router("Sessions")


class OpenSessionView(View):
    """A session that has not ended."""

    id: UUID
    created_at: Timestamp
    """When the person logged in."""
    last_used_at: Timestamp | None
    """Accurate to the minute."""
    client: str | None
    """The address from which the person logged in: an IPv4 address, or the /64 of an IPv6 address."""
    device: str | None
    """The browser and system, or the program, with which the person logged in."""
    expires_at: Timestamp
    """When it ends. Each use of its refresh token moves this time."""
    is_current: bool
    """Whether this request uses it."""


class EndedSessionView(View):
    """The ended session."""

    id: UUID
    deleted: Literal[True] = True


@router.get("/user/sessions", responses=problems(SessionRequired))
async def list_sessions(caller: Person, read: Read, page: PageQuery) -> Page[OpenSessionView]:
    """Your sessions that have not ended, newest first."""
    now = clock.now()
    rows = await queries.page(read, caller.user_id, now, before=page.before, limit=page.fetch)
    return page.page(
        rows,
        lambda row: OpenSessionView(
            id=row.id,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            client=row.client,
            device=row.device,
            expires_at=row.expires_at,
            is_current=row.id == caller.session_id,
        ),
        lambda row: row.id,
    )


@router.delete("/user/sessions/{session_id}", responses=problems(SessionRequired, SessionNotFound))
async def end_session(
    caller: Person, tx: Tx, doors: DoorsDep, session_id: UUID
) -> EndedSessionView:
    """End one of your sessions. The server then refuses its tokens."""
    await sessions.end_one(tx, caller, session_id)
    await recorded.on_session(tx, caller, Action.SESSION_ENDED, session_id)
    tx.after_commit(lambda: doors.authenticator.forget(session_id))
    return EndedSessionView(id=session_id)


@router.delete("/user/sessions", responses=problems(SessionRequired))
async def end_other_sessions(caller: Person, tx: Tx, doors: DoorsDep) -> schemas.SessionsEnded:
    """End all your sessions except this one. The server then refuses their tokens."""
    ended = await queries.end_all(tx, caller.user_id, clock.now(), but=caller.session_id)
    await recorded.on_self(tx, caller, Action.SESSION_ENDED, {"sessions_ended": len(ended)})
    tx.after_commit(lambda: doors.authenticator.forget(caller.user_id))
    return schemas.SessionsEnded(sessions_ended=len(ended))
