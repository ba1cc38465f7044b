"""Ends what an account has made before its address was verified.

Someone else may have registered the address. When its owner sets a new password, nothing of that person may continue to
work, or read what the owner stores later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from stepiq.accounts.queries import takeovers as queries
from stepiq.accounts.sessions import service as sessions
from stepiq.accounts.two_factor import queries as two_factor
from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.store.database import Session


@dataclass(frozen=True, slots=True)
class Ended:
    """What has ended."""

    workspaces: Sequence[UUID]
    """Those of the account. Cached credentials of their keys must be forgotten."""
    own_workspaces: Sequence[UUID]
    """Those of them without another member. Their unfinished runs must be cancelled after the commit."""
    service_keys_revoked: int
    schedules_disabled: int
    invitations_withdrawn: int
    two_factor_disabled: bool

    @property
    def facts(self) -> dict[str, Json]:
        """What the response and the audit log show of it."""
        return {
            "service_keys_revoked": self.service_keys_revoked,
            "schedules_disabled": self.schedules_disabled,
            "invitations_withdrawn": self.invitations_withdrawn,
            "two_factor_disabled": self.two_factor_disabled,
        }


@dataclass(frozen=True, slots=True)
class CompletedReset:
    """An account with a new password."""

    done: sessions.PasswordReset
    ended: Ended | None
    """What else has ended. None if the address was verified."""

    @property
    def facts(self) -> dict[str, Json]:
        """What the audit log shows of it."""
        return {
            "sessions_ended": self.done.sessions_ended,
            "api_keys_revoked": self.done.api_keys_revoked,
            **({} if self.ended is None else self.ended.facts),
        }


async def reset_password(session: Session, token: str, *, new_hash: str) -> CompletedReset:
    """Set a password with an emailed token. If the address was not verified, end all that the account has made.

    Also ends all that is in workspaces without another member. Pipelines, secrets and runs that have ended stay.

    Raises:
        ResetInvalid: as for `sessions.reset_password`.
    """
    done = await sessions.reset_password(session, token, new_hash=new_hash)
    return CompletedReset(
        done, None if done.was_verified else await _end_all(session, done.user_id)
    )


async def _end_all(session: Session, user_id: UUID) -> Ended:
    now = clock.now()
    found = await queries.workspaces_of(session, user_id)
    own = [row.id for row in found if row.is_own]
    left = queries.LeftBehind(user_id, [row.id for row in found], own)
    return Ended(
        workspaces=left.workspaces,
        own_workspaces=own,
        service_keys_revoked=await queries.revoke_service_keys(session, left, now),
        schedules_disabled=await queries.disable_schedules(session, left, now),
        invitations_withdrawn=await queries.delete_invitations(session, left),
        two_factor_disabled=await two_factor.delete(session, user_id),
    )
