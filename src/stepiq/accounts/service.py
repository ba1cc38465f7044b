"""Operations on accounts: registration, login and API keys."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts import keys
from stepiq.accounts.actor import ALL_SCOPES, Actor, Credential, Scope
from stepiq.accounts.errors import (
    AccountNotFound,
    CredentialInvalid,
    EmailTaken,
    InvitationInvalid,
    KeyExpiryPast,
    KeyNotFound,
    LoginFailed,
    RegistrationClosed,
    RegistrationInviteOnly,
    SessionRequired,
    SetupRequired,
)
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import invitations as invitation_queries
from stepiq.accounts.queries import keys as key_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.tokens import REFRESH_LIFETIME, new_token
from stepiq.core import clock, ids
from stepiq.core.settings import RegistrationPolicy, Settings
from stepiq.execution import quotas, usage
from stepiq.execution.quotas import Quota
from stepiq.store.database import Session

FIRST_PLAN = "enterprise"
"""Plan of a server's first account."""
INVITATION_LIFETIME = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Account:
    """A user and their personal workspace."""

    id: UUID
    email: str
    name: str
    is_admin: bool
    created_at: datetime
    workspace_id: UUID
    plan: str
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


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new API key. `text` is not stored."""

    row: Any
    text: str


def setup_token(jwt_secret: bytes) -> str:
    """The token that creates a server's first account.

    It is derived from the signing key, so all processes of a server have the same one. It has no effect once an account
    exists.
    """
    return hmac.new(jwt_secret, b"stepiq set-up token", hashlib.sha256).hexdigest()[:32]


async def needs_setup(session: Session) -> bool:
    """Whether the server has no account yet."""
    return await account_queries.is_empty(session)


async def administrator(session: Session) -> str | None:
    """The address of the oldest administrator whose account is not disabled."""
    return await account_queries.administrator(session)


async def exists(session: Session, email: str) -> bool:
    """Whether an account has this address, disabled or not."""
    return await account_queries.is_taken(session, email)


@dataclass(frozen=True, slots=True)
class RegistrationClaim:
    """What entitles a caller to register."""

    email: str
    """Normalised."""
    has_setup_token: bool
    """Whether the caller has sent the setup token, which permits creating the first account."""
    invitation: str | None = None


async def check_registration(
    session: Session, settings: Settings, claim: RegistrationClaim
) -> None:
    """Make the checks of `register` in advance, before the expensive password hash.

    Raises:
        SetupRequired, RegistrationClosed, RegistrationInviteOnly, InvitationInvalid: as for `register`.
    """
    if await account_queries.is_empty(session):
        _check_setup(claim)
    elif claim.invitation is None:
        _check_open(settings.effective_registration)
    elif not await invitation_queries.counts(
        session, keys.digest(claim.invitation), claim.email, clock.now()
    ):
        raise InvitationInvalid


async def register(
    session: Session,
    settings: Settings,
    claim: RegistrationClaim,
    *,
    name: str | None,
    password_hash: str,
) -> Account:
    """Create an account with its workspace.

    The first account becomes the administrator and requires the setup token. Of concurrent registrations, only one is
    the first. A valid invitation overrides the registration setting, and can be used once.

    Args:
        session: the transaction.
        settings: contains the registration setting.
        claim: the address, and what entitles the caller.
        name: default: the part of the address before the @.
        password_hash: computed before the transaction, because it takes long.

    Raises:
        SetupRequired: this would be the first account, and the setup token is missing or wrong.
        RegistrationClosed, RegistrationInviteOnly: the registration setting does not allow it.
        InvitationInvalid: the invitation is not valid, or is for another address.
        EmailTaken: an account has this address.
    """
    is_first = await _is_first(session)
    if is_first:
        _check_setup(claim)
    else:
        await _let_in(session, settings, claim)
    return await create_account(
        session,
        email=claim.email,
        name=name,
        password_hash=password_hash,
        is_admin=is_first,
        plan=FIRST_PLAN if is_first else settings.default_plan,
        is_verified=is_first or claim.invitation is not None or not settings.verifies_addresses,
    )


async def _is_first(session: Session) -> bool:
    if not await account_queries.is_empty(session):
        return False
    await account_queries.lock_setup(session)
    return await account_queries.is_empty(session)


def _check_setup(claim: RegistrationClaim) -> None:
    if not claim.has_setup_token:
        raise SetupRequired


async def _let_in(session: Session, settings: Settings, claim: RegistrationClaim) -> None:
    if claim.invitation is None:
        _check_open(settings.effective_registration)
        return
    digest = keys.digest(claim.invitation)
    if not await invitation_queries.spend(session, digest, claim.email, clock.now()):
        raise InvitationInvalid


def _check_open(registration: RegistrationPolicy) -> None:
    if registration is RegistrationPolicy.CLOSED:
        raise RegistrationClosed
    if registration is RegistrationPolicy.INVITE:
        raise RegistrationInviteOnly


async def invite(session: Session, email: str) -> str:
    """Create an invitation for one registration with this address within seven days; returns its token.

    Only a digest of the token is stored. Earlier invitations of the address become invalid.

    Raises:
        SetupRequired: the server has no account yet.
        EmailTaken: an account has this address.
    """
    if await account_queries.is_empty(session):
        raise SetupRequired
    if await account_queries.is_taken(session, email):
        raise EmailTaken
    now, token = clock.now(), new_token()
    await invitation_queries.insert(
        session,
        invitation_id=ids.uuid7(),
        email=email,
        token_hash=keys.digest(token),
        created_at=now,
        expires_at=now + INVITATION_LIFETIME,
    )
    return token


async def create_by_operator(
    session: Session,
    settings: Settings,
    *,
    email: str,
    name: str | None,
    password_hash: str,
    is_admin: bool,
    plan: str | None,
) -> Account:
    """Create an account, regardless of the registration setting. The first account becomes the administrator.

    Args:
        session: the transaction.
        settings: contains the default plan.
        email: normalised.
        name: default: the part of the address before the @.
        password_hash: computed before the transaction.
        is_admin: make it an administrator even if it is not the first account.
        plan: default: `enterprise` for administrators, else the default plan.

    Raises:
        EmailTaken: an account has this address.
    """
    is_admin = await _is_first(session) or is_admin
    return await create_account(
        session,
        email=email,
        name=name,
        password_hash=password_hash,
        is_admin=is_admin,
        plan=plan or (FIRST_PLAN if is_admin else settings.default_plan),
        is_verified=True,
    )


async def create_account(
    session: Session,
    *,
    email: str,
    name: str | None,
    password_hash: str,
    is_admin: bool,
    plan: str,
    is_verified: bool,
) -> Account:
    """Create an account with its workspace, regardless of the registration setting.

    Raises:
        EmailTaken: an account has this address.
    """
    now = clock.now()
    new = account_queries.NewAccount(
        user_id=ids.uuid7(),
        workspace_id=ids.uuid7(),
        email=email,
        name=name or email.partition("@")[0],
        password_hash=password_hash,
        is_admin=is_admin,
        plan=plan,
        created_at=now,
        email_verified_at=now if is_verified else None,
    )
    if not await account_queries.insert_account(session, new):
        raise EmailTaken
    return Account(
        id=new.user_id,
        email=new.email,
        name=new.name,
        is_admin=new.is_admin,
        created_at=new.created_at,
        workspace_id=new.workspace_id,
        plan=new.plan,
        email_verified=is_verified,
    )


async def set_plan(session: Session, *, email: str, plan: str) -> Account:
    """Set the plan of an account, disabled or not. Running servers apply it within five seconds.

    The caller validates the name of the plan.

    Raises:
        AccountNotFound: no account has this address.
    """
    account = await named(session, email)
    await account_queries.update_plan(session, account.workspace_id, plan)
    return replace(account, plan=plan)


async def named(session: Session, email: str) -> Account:
    """The account with an address, disabled or not.

    Raises:
        AccountNotFound: no account has this address.
    """
    row = await account_queries.any_by_email(session, email)
    if row is None:
        raise AccountNotFound(email)
    return account_of(row)


async def find_by_email(session: Session, email: str) -> tuple[Account, str] | None:
    """An enabled account and its password hash."""
    row = await account_queries.account_by_email(session, email)
    return None if row is None else (account_of(row), row.password_hash)


async def open_session(
    session: Session, account: Account, *, checked_hash: str | None = None
) -> SignedIn:
    """Open a session of 30 days.

    Args:
        session: the transaction.
        account: the account to log in.
        checked_hash: the hash that the password was compared with; None without a password.

    Raises:
        LoginFailed: the account has been disabled meanwhile, or its password has changed.
    """
    row = await account_queries.lock_user(session, account.id, to_change=False)
    if row is None or checked_hash not in (None, row.password_hash):
        raise LoginFailed
    now = clock.now()
    expires_at = now + REFRESH_LIFETIME
    session_id, refresh_token = ids.uuid7(), new_token()
    await session_queries.insert(
        session,
        session_id=session_id,
        workspace_id=account.workspace_id,
        user_id=account.id,
        created_at=now,
        expires_at=expires_at,
    )
    await session_queries.insert_token(
        session,
        token_id=ids.uuid7(),
        session_id=session_id,
        token_hash=keys.digest(refresh_token),
        created_at=now,
        expires_at=expires_at,
    )
    return SignedIn(account, session_id, refresh_token, expires_at)


async def me(session: Session, actor: Actor) -> Account:
    """The actor's own account.

    Raises:
        CredentialInvalid: it has been disabled since its credential was checked.
    """
    return (await with_password(session, actor))[0]


async def with_password(session: Session, actor: Actor) -> tuple[Account, str]:
    """The actor's own account and its password hash.

    Raises:
        CredentialInvalid: it has been disabled since its credential was checked.
    """
    row = await account_queries.account_by_id(session, actor.user_id)
    if row is None:
        raise CredentialInvalid("The account is disabled. Ask the server's operator.")
    return account_of(row), row.password_hash


async def list_keys(
    session: Session, actor: Actor, *, before: UUID | None, limit: int
) -> Sequence[Any]:
    """The workspace's keys, newest first, without revoked ones."""
    return await key_queries.list_all(session, actor.workspace_id, before=before, limit=limit)


async def create_key(
    session: Session,
    actor: Actor,
    *,
    name: str,
    scopes: Sequence[Scope] | None,
    expires_at: datetime | None,
    plan: quotas.PlanLimits,
) -> CreatedKey:
    """Create an API key.

    Args:
        session: the transaction.
        actor: a caller with a session; the key acts as this user.
        name: describes the key's purpose.
        scopes: None for all.
        expires_at: None for never.
        plan: the plan of the workspace.

    Raises:
        PlanKeysExceeded: the workspace has as many keys as its plan allows.
        SessionRequired: the actor is an API key.
        KeyExpiryPast: the expiry is in the past.
        CredentialInvalid: the session has ended since it was checked.
    """
    require_person(actor)
    now = clock.now()
    if expires_at is not None and expires_at <= now:
        raise KeyExpiryPast
    await _require_live(session, actor, now)
    await quotas.require_room(session, actor.workspace_id, plan, Quota.API_KEYS)
    new = keys.generate()
    row = await key_queries.insert(
        session,
        key_id=ids.uuid7(),
        workspace_id=actor.workspace_id,
        user_id=actor.user_id,
        name=name,
        prefix=new.prefix,
        key_hash=new.digest,
        scopes=sorted(ALL_SCOPES if scopes is None else scopes),
        expires_at=expires_at,
        created_at=now,
    )
    return CreatedKey(row, new.text)


async def _require_live(session: Session, actor: Actor, now: datetime) -> None:
    # Processes trust a session for a few seconds. A session that a password reset has just ended must not create a key,
    # so this waits for the reset's transaction and then reads the session again.
    if actor.session_id is None:
        return
    await account_queries.lock_user(session, actor.user_id, to_change=False)
    if await session_queries.live(session, actor.session_id, now) is None:
        raise CredentialInvalid("The session has ended. Log in again.")


async def revoke_key(session: Session, actor: Actor, key_id: UUID) -> Any:
    """Revoke a key, and return its row. Requests in progress with it are completed.

    Raises:
        SessionRequired: the actor is an API key.
        KeyNotFound: the workspace has no such key, or it has been revoked.
    """
    require_person(actor)
    row = await key_queries.lock(session, actor.workspace_id, key_id)
    if row is None:
        raise KeyNotFound(key_id)
    await key_queries.revoke(session, actor.workspace_id, key_id, clock.now())
    return row


def require_person(actor: Actor) -> None:
    """Refuse API keys.

    Raises:
        SessionRequired: the actor is one.
    """
    if actor.credential is not Credential.SESSION:
        raise SessionRequired


def account_of(row: Any) -> Account:
    """Convert a row to an account."""
    return Account(
        id=row.id,
        email=row.email,
        name=row.name,
        is_admin=row.is_admin,
        created_at=row.created_at,
        workspace_id=row.workspace_id,
        plan=row.plan,
        email_verified=row.email_verified_at is not None,
        credit_tokens=usage.tokens_of_month(row.credit_month, row.credit_tokens, clock.now()),
    )
