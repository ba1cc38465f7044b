"""Sets a new password with a mailed token, and ends what the account has made before its address was verified.

Someone else may have registered the address. When its owner sets a new password, nothing of that person may continue to
work, or read what the owner stores later.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.errors import ResetInvalid
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import resets as queries
from stepiq.accounts.sessions import service as sessions
from stepiq.accounts.two_factor import queries as two_factor
from stepiq.core import clock
from stepiq.core.json import Json
from stepiq.store.database import Session


@dataclass(frozen=True, slots=True)
class Ended:
    """What has ended in the workspaces of an account whose address was not verified."""

    service_keys_revoked: int
    schedules_disabled: int
    invitations_withdrawn: int
    two_factor_disabled: bool


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """An account with a new password, and what no longer works."""

    user_id: UUID
    email: str
    sessions_ended: int
    api_keys_revoked: int
    ended: Ended | None = None
    """What else has ended. None if the address was verified."""
    workspaces: Sequence[UUID] = ()
    """Those with an ended key. Cached credentials of their keys must be forgotten."""
    own_workspaces: Sequence[UUID] = ()
    """Those of them without another member. Their unfinished runs must be cancelled after the commit."""

    @property
    def facts(self) -> dict[str, Json]:
        """What the audit log shows of it."""
        ended = {} if self.ended is None else asdict(self.ended)
        return {
            "sessions_ended": self.sessions_ended,
            "api_keys_revoked": self.api_keys_revoked,
            **ended,
        }


async def check_reset(session: Session, token: str) -> None:
    """Check a reset token in advance, before the expensive password hash.

    Raises:
        ResetInvalid: the token is unknown, used or expired.
    """
    if await queries.owner(session, keys.digest(token), clock.now()) is None:
        raise ResetInvalid


async def reset_password(session: Session, token: str, *, new_hash: str) -> PasswordReset:
    """Set a password with an emailed token.

    Ends all sessions of the user, cancels the bulk jobs created with one, revokes all personal API keys in all
    workspaces, and suspends identities: the password may be reset because someone else had access to the account. Service
    keys keep working, including those that the user created.

    If the address was not verified, all that the account has made ends, too, and all in workspaces without another
    member. Pipelines, secrets and runs that have ended stay. The caller must then verify the address.

    Raises:
        ResetInvalid: the token is unknown, used or expired, or the account is disabled.
    """
    now, digest = clock.now(), keys.digest(token)
    user_id = await queries.owner(session, digest, now)
    if user_id is None:
        raise ResetInvalid
    user = await account_queries.lock_user(session, user_id, to_change=True)
    if user is None or not await queries.spend(session, digest, now):
        raise ResetInvalid
    sessions_ended = len(await sessions.set_password(session, user_id, new_hash))
    await queries.cancel_bulk_jobs(session, user_id, now)
    revoked = await key_queries.revoke_all(session, user_id, now)
    await queries.suspend_identities(session, user_id, now)
    if await account_queries.is_verified(session, user_id):
        return PasswordReset(user_id, user.email, sessions_ended, revoked)
    found = await queries.workspaces_of(session, user_id)
    own = [row.id for row in found if row.is_own]
    left = queries.LeftBehind(user_id, [row.id for row in found], own)
    ended = Ended(
        await queries.revoke_service_keys(session, left, now),
        await queries.disable_schedules(session, left, now),
        await queries.delete_invitations(session, left),
        await two_factor.delete(session, user_id),
    )
    return PasswordReset(
        user_id, user.email, sessions_ended, revoked, ended, left.workspaces, left.own_workspaces
    )
