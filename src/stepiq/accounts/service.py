"""Operations on accounts that several rooms share: create one, open a session, join a workspace, and find one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from stepiq.accounts.actor import Actor, Credential
from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.credentials.tokens import REFRESH_LIFETIME
from stepiq.accounts.devices import SessionOrigin
from stepiq.accounts.errors import (
    AccountNotFound,
    CredentialInvalid,
    EmailTaken,
    InvitationInvalid,
    LoginFailed,
    NoWorkspace,
    SessionRequired,
)
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import invitations as invitation_queries
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import members
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock, ids
from stepiq.execution.limits import usage
from stepiq.store.database import Session
from stepiq.store.states import Role


@dataclass(frozen=True, slots=True)
class Account:
    """A user as a member of one workspace."""

    id: UUID
    email: str
    name: str
    is_admin: bool
    created_at: datetime
    workspace_id: UUID
    workspace_name: str
    role: Role
    plan: str
    """Name of the workspace's plan."""
    email_verified: bool
    credit_tokens: int = 0
    """Tokens of this month that were charged to the server's provider keys."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A newly opened session."""

    account: Account
    session_id: UUID
    refresh_token: str
    expires_at: datetime
    """When it ends, unless it is extended."""


async def needs_setup(session: Session) -> bool:
    """Whether the server has no account yet."""
    return await account_queries.is_empty(session)


async def administrator(session: Session) -> str | None:
    """The address of the oldest administrator whose account is not disabled."""
    return await account_queries.administrator(session)


async def exists(session: Session, email: str) -> bool:
    """Whether an account has this address, disabled or not."""
    return await account_queries.is_taken(session, email)


async def spend_invitation(session: Session, token: str, email: str) -> Any:
    """Use an invitation of an address; returns its row.

    Raises:
        InvitationInvalid: it is unknown, used, expired, or for another address.
    """
    row = await invitation_queries.spend(session, keys.digest(token), email, clock.now())
    if row is None:
        raise InvitationInvalid
    return row


async def create_account(
    session: Session,
    *,
    email: str,
    name: str | None,
    password_hash: str,
    is_admin: bool,
    plan: str,
    is_verified: bool,
    invitation: Any = None,
) -> Account:
    """Create an account, regardless of the registration setting.

    `name`: default: the part of the address before the @. `invitation` is the row of a used one: if it is to a workspace, the
    account joins that one and gets none of its own.

    Raises:
        EmailTaken: an account has this address.
    """
    name = name or account_queries.default_name(email)
    user_id = await account_queries.insert_account(
        session,
        email=email,
        name=name,
        password_hash=password_hash,
        is_admin=is_admin,
        is_verified=is_verified,
    )
    if user_id is None:
        raise EmailTaken
    if invitation is None or invitation.workspace_id is None:
        await create_workspace(session, user_id, name=name, plan=plan)
    else:
        await _add_invited(session, user_id, invitation)
    return account_of(await account_queries.account_by_id(session, user_id))


async def create_workspace(session: Session, user_id: UUID, *, name: str, plan: str) -> UUID:
    """Create a workspace that a user owns; returns its id."""
    now, workspace_id = clock.now(), ids.uuid7()
    await account_queries.insert_workspace(
        session, workspace_id, name=name, plan=plan, created_at=now
    )
    await members.add(session, members.NewMember(workspace_id, user_id, Role.OWNER, now))
    return workspace_id


async def join(
    session: Session, by: Actor | By, user_id: UUID, email: str, invitation: Any
) -> bool:
    """Add a user to the workspace of a used invitation; False if the user is a member already, with the role as it was."""
    if not await _add_invited(session, user_id, invitation):
        return False
    await audit.record(
        session,
        by,
        Action.MEMBER_ADDED,
        AuditTarget(AuditTargetType.USER, user_id, email),
        after={"role": invitation.role, "invitation": str(invitation.id)},
        workspace_id=invitation.workspace_id,
    )
    return True


async def _add_invited(session: Session, user_id: UUID, invitation: Any) -> bool:
    role, invited_by = Role(invitation.role), invitation.invited_by
    new = members.NewMember(invitation.workspace_id, user_id, role, clock.now(), invited_by)
    return await members.add(session, new)


async def user_named(session: Session, email: str) -> Any:
    """The row of the account with an address, disabled or not, a member of a workspace or not.

    Raises:
        AccountNotFound: no account has this address.
    """
    row = await account_queries.any_by_email(session, email)
    if row is None:
        is_invited = await invitation_queries.is_open(session, email, clock.now())
        raise AccountNotFound(email, is_invited=is_invited)
    return row


async def is_removed_member(session: Session, workspace_id: UUID, email: str) -> bool:
    """Whether an address is that of a removed member of a workspace, or of a member whose account is disabled.

    Links that were mailed to this address must not work any more.
    """
    return await members.is_removed(session, workspace_id, email.lower())


async def is_stopped(session: Session, workspace_id: UUID) -> bool:
    """Whether a workspace has no enabled member, so that nothing may start or continue in it."""
    return await members.is_stopped(session, workspace_id)


async def open_session(
    session: Session,
    user_id: UUID,
    *,
    checked_hash: str | None = None,
    origin: SessionOrigin | None = None,
) -> SignedIn:
    """Open a session of 30 days.

    `checked_hash`: the hash that the password was compared with; None without a password.

    Raises:
        LoginFailed: the account has been disabled meanwhile, or its password has changed.
        NoWorkspace: the account is not a member of any workspace.
    """
    row = await account_queries.lock_user(session, user_id, to_change=False)
    if row is None or checked_hash not in (None, row.password_hash):
        raise LoginFailed
    account = account_of(await account_queries.account_by_id(session, user_id))
    now = clock.now()
    expires_at = now + REFRESH_LIFETIME
    session_id = ids.uuid7()
    await session_queries.insert(
        session, session_id, account.workspace_id, user_id, origin, now=now, until=expires_at
    )
    refresh_token = await session_queries.insert_token(session, session_id, now, expires_at)
    return SignedIn(account, session_id, refresh_token, expires_at)


async def lock(session: Session, user_id: UUID) -> None:
    """Make other transactions that lock the account wait until this one ends, such as those that open a session."""
    await account_queries.lock_user(session, user_id, to_change=True)


async def me(session: Session, actor: Actor) -> Account:
    """The actor's own account, as a member of the workspace of the request.

    Raises:
        CredentialInvalid: it has been disabled or removed since its credential was checked.
    """
    return (await with_password(session, actor))[0]


async def name_of(session: Session, actor: Actor) -> str:
    """What the actor is recorded as: the address of the account, or the name of the service key.

    Raises:
        CredentialInvalid: the account has been disabled or removed since its credential was checked.
    """
    if actor.role is None and actor.key_id is not None:
        return f"service key {await key_queries.name(session, actor.key_id)}"
    return (await me(session, actor)).email


async def with_password(session: Session, actor: Actor) -> tuple[Account, str]:
    """The actor's own account, as a member of the workspace of the request, and its password hash.

    Raises:
        CredentialInvalid: it has been disabled or removed since its credential was checked.
    """
    row = await account_queries.account_by_id(
        session, actor.user_id, workspace_id=actor.workspace_id
    )
    if row is None or row.workspace_id is None:
        raise CredentialInvalid(
            "The account is disabled, or no longer a member of the workspace. Ask an admin of the workspace, or an "
            "administrator of the server."
        )
    return account_of(row), row.password_hash


def require_person(actor: Actor) -> None:
    """Refuse API keys. Raises SessionRequired if the actor is one."""
    if actor.credential is not Credential.SESSION:
        raise SessionRequired


def account_of(row: Any) -> Account:
    """Convert a row to an account. Raises NoWorkspace if the account is not a member of any workspace."""
    if row.workspace_id is None:
        raise NoWorkspace
    return Account(
        id=row.id,
        email=row.email,
        name=row.name,
        is_admin=row.is_admin,
        created_at=row.created_at,
        workspace_id=row.workspace_id,
        workspace_name=row.workspace_name,
        role=Role(row.role),
        plan=row.plan,
        email_verified=row.email_verified_at is not None,
        credit_tokens=usage.tokens_of_month(row.credit_month, row.credit_tokens, clock.now()),
    )
