"""Which account an identity signs in to."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from stepiq.accounts import recorded as account_log
from stepiq.accounts import service as accounts
from stepiq.accounts.actor import Actor
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.audit.records import By, Facts
from stepiq.accounts.audit.records import person as person_entry
from stepiq.accounts.credentials.passwords import NO_PASSWORD
from stepiq.accounts.devices import SessionOrigin
from stepiq.accounts.errors import EmailTaken, LoginFailed, NoWorkspace
from stepiq.accounts.oidc import queries, roles
from stepiq.accounts.oidc.errors import (
    IdentityNotFound,
    LastSignInMethod,
    SignInFailed,
    SignInFailure,
)
from stepiq.accounts.oidc.provider import IdentifiedPerson
from stepiq.accounts.oidc.queries import Connected, Policy, Refused
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import invitations as invitation_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.service import SignedIn
from stepiq.accounts.sessions import service as sessions
from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings
from stepiq.core.settings.oidc import OidcSettings
from stepiq.store.database import Session

log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class _User:
    """The account for a first sign-in."""

    id: UUID
    email: str


async def sign_in(
    session: Session,
    settings: Settings,
    policy: Policy,
    person: IdentifiedPerson,
    origin: SessionOrigin,
) -> SignedIn | Refused:
    """Open a session of the account of an identity. The first sign-in connects or creates the account.

    Raises:
        SignInFailed: the person cannot sign in, and nothing must be changed.
    """
    _check_domain(policy.settings, person)
    found = await _find(session, policy, person)
    if found is None:
        user = await _user(session, settings, policy, person)
        identity = await _connect(session, policy, person, user)
    elif found.disabled_at is not None:
        raise SignInFailed(SignInFailure.ACCOUNT_DISABLED, "the account is disabled")
    elif found.suspended_at is not None:
        reason = "a reset of the password has suspended the identity"
        raise SignInFailed(SignInFailure.ACCOUNT_EXISTS, reason)
    else:
        identity = Connected(found.id, found.user_id, found.account_email, policy.provider)
        await _touch(session, person, identity)
    await _apply(session, policy, person, identity)
    try:
        opened = await _open(session, person, identity, origin)
    except NoWorkspace:
        return Refused(SignInFailure.NO_ROLE, "the account is not a member of any workspace")
    except LoginFailed:
        raise SignInFailed(SignInFailure.ACCOUNT_DISABLED, "the account is disabled") from None
    ends_at = clock.now() + timedelta(hours=policy.settings.session_hours)
    await session_queries.limit(session, opened.session_id, ends_at)
    await account_log.signed_in(session, opened, method=f"oidc:{policy.provider}")
    return replace(opened, expires_at=ends_at)


async def _open(
    session: Session, person: IdentifiedPerson, identity: Connected, origin: SessionOrigin
) -> SignedIn:
    try:
        return await accounts.open_session(session, identity.user_id, origin=origin)
    except NoWorkspace:
        # Without a session, the person could not use the link of an invitation.
        if person.email is None or not person.is_email_verified:
            raise
        for row in await invitation_queries.spend_all(session, person.email, clock.now()):
            by = person_entry(identity.user_id, identity.email, row.workspace_id)
            await accounts.join(session, by, identity.user_id, identity.email, row)
        return await accounts.open_session(session, identity.user_id, origin=origin)


async def connect(
    session: Session, policy: Policy, person: IdentifiedPerson, session_id: UUID
) -> Connected:
    """Connect an identity to the account of a session.

    Raises:
        SignInFailed: the session has ended or began more than `sessions.RECENT` ago, or the identity belongs to another account.
    """
    _check_domain(policy.settings, person)
    if policy.settings.admin_groups:
        await account_queries.lock_administrators(session)
    live = await session_queries.live(session, session_id, clock.now())
    user = None if live is None else await queries.lock_user(session, live.user_id)
    # Read again: until the lock, another request may have ended the session, such as with a new password.
    if live is not None:
        live = await session_queries.live(session, session_id, clock.now())
    if live is None or user is None:
        raise SignInFailed(SignInFailure.SIGNED_OUT, "the session has ended")
    # Someone who has copied a session must not get a way to sign in that outlives it, without password or second factor.
    if not sessions.is_recent(live.created_at):
        raise SignInFailed(SignInFailure.SIGN_IN_TOO_OLD, "the person signed in too long ago")
    found = await queries.find(session, person.issuer, person.subject)
    if found is not None and found.user_id != live.user_id:
        raise SignInFailed(
            SignInFailure.CONNECTED_ELSEWHERE, "the identity belongs to another account"
        )
    if found is None:
        identity = await _connect(session, policy, person, _User(live.user_id, user.email))
    else:
        identity = Connected(found.id, live.user_id, user.email, policy.provider)
        await _touch(session, person, identity)
        if found.suspended_at is not None:
            await queries.restore(session, identity.id)
            await _record(session, identity, Action.OIDC_LINKED, after={"subject": person.subject})
    await _apply(session, policy, person, identity)
    return identity


async def _find(session: Session, policy: Policy, person: IdentifiedPerson) -> Any:
    """The identity of a person, whose account and identities do not change until the transaction ends."""
    found = await queries.find(session, person.issuer, person.subject)
    if policy.settings.admin_groups or (found is not None and found.gives_admin):
        # Before the account, as everywhere: otherwise, the sign-ins of two administrators could wait for each other.
        await account_queries.lock_administrators(session)
    if found is None:
        return None
    await queries.lock_user(session, found.user_id)
    return await queries.find(session, person.issuer, person.subject)


def _check_domain(settings: OidcSettings, person: IdentifiedPerson) -> None:
    if not settings.allowed_domains:
        return
    if _verified_email(person).rpartition("@")[2] not in settings.allowed_domains:
        raise SignInFailed(
            SignInFailure.DOMAIN_NOT_ALLOWED, "the domain is not in `allowed_domains`"
        )


def _verified_email(person: IdentifiedPerson) -> str:
    if person.email is None or not person.is_email_verified:
        raise SignInFailed(SignInFailure.EMAIL_UNVERIFIED, "the provider sent no verified address")
    return person.email


async def _user(
    session: Session, settings: Settings, policy: Policy, person: IdentifiedPerson
) -> _User:
    """The account for the first sign-in of an identity."""
    email = _verified_email(person)
    found = await queries.account_with(session, email)
    if found is None:
        return await _create(session, settings, policy, person, email)
    if found.disabled_at is not None:
        raise SignInFailed(SignInFailure.ACCOUNT_DISABLED, "the account is disabled")
    # Only someone who can sign in to the account can connect an identity. Otherwise, a provider could take over accounts of
    # another one, and the owner of a password could share an account with the owner of the address.
    if found.password_hash != NO_PASSWORD or await queries.of_user(session, found.id):
        raise SignInFailed(
            SignInFailure.ACCOUNT_EXISTS, "an account with another sign-in has the address"
        )
    return _User(found.id, email)


async def _create(
    session: Session, settings: Settings, policy: Policy, person: IdentifiedPerson, email: str
) -> _User:
    is_invited = await invitation_queries.is_invited(session, email, clock.now())
    if not (policy.settings.create_accounts or is_invited):
        raise SignInFailed(SignInFailure.NO_ACCOUNT, "no account has the address")
    if await account_queries.is_empty(session):
        raise SignInFailed(SignInFailure.SETUP_REQUIRED, "the server has no account yet")
    if policy.settings.assigns_roles or is_invited:
        if not is_invited and not roles.wanted(policy.settings, person.groups):
            raise SignInFailed(SignInFailure.NO_ROLE, "no group of the person has a role")
        user_id = await account_queries.insert_account(
            session,
            email=email,
            name=person.name,
            password_hash=NO_PASSWORD,
            is_admin=False,
            is_verified=True,
        )
    else:
        user_id = await _create_owner(session, settings, person, email)
    if user_id is None:
        raise SignInFailed(SignInFailure.ACCOUNT_EXISTS, "an account has the address")
    await account_log.on_user(
        session,
        person_entry(user_id, email, None),
        Action.USER_REGISTERED,
        user_id,
        email,
        after={"email": email, "name": person.name, "provider": policy.provider},
    )
    return _User(user_id, email)


async def _create_owner(
    session: Session, settings: Settings, person: IdentifiedPerson, email: str
) -> UUID | None:
    """Create an account with a workspace, as a registration does. None if the address is taken."""
    try:
        account = await accounts.create_account(
            session,
            email=email,
            name=person.name,
            password_hash=NO_PASSWORD,
            is_admin=False,
            plan=settings.default_plan,
            is_verified=True,
        )
    except EmailTaken:
        return None
    return account.id


async def _connect(
    session: Session, policy: Policy, person: IdentifiedPerson, user: _User
) -> Connected:
    identity_id = await queries.insert(
        session,
        user_id=user.id,
        provider=policy.provider,
        issuer=person.issuer,
        subject=person.subject,
        email=person.email,
        now=clock.now(),
    )
    if identity_id is None:
        # Another request has just connected it.
        raise SignInFailed(SignInFailure.EXPIRED, "the identity was connected at the same time")
    identity = Connected(identity_id, user.id, user.email, policy.provider)
    await _record(session, identity, Action.OIDC_LINKED, after={"subject": person.subject})
    return identity


async def _touch(session: Session, person: IdentifiedPerson, identity: Connected) -> None:
    await queries.touch(
        session, identity.id, provider=identity.provider, email=person.email, now=clock.now()
    )


async def _apply(
    session: Session, policy: Policy, person: IdentifiedPerson, identity: Connected
) -> None:
    """Apply the groups of a person: memberships, and whether they are an administrator of the server."""
    await roles.apply(session, identity, roles.wanted(policy.settings, person.groups))
    is_wanted = not person.groups.isdisjoint(policy.settings.admin_groups)
    if is_wanted and not await queries.is_admin(session, identity.user_id):
        await _set_admin(session, identity, is_admin=True)
    elif not is_wanted and await queries.gives_admin(session, identity.id):
        await _dismiss(session, identity)


async def _dismiss(session: Session, identity: Connected) -> None:
    """Remove the rights of an administrator that an identity gives."""
    if await account_queries.lock_administrators(session) == {identity.user_id}:
        # Nobody else could manage the server.
        log.warning("oidc_last_administrator_kept", user_id=str(identity.user_id))
        return
    await _set_admin(session, identity, is_admin=False)


async def _set_admin(session: Session, identity: Connected, *, is_admin: bool) -> None:
    await queries.set_admin(session, identity.id, identity.user_id, is_admin=is_admin)
    await _record(
        session,
        identity,
        Action.USER_UPDATED,
        before={"is_admin": not is_admin},
        after={"is_admin": is_admin},
    )


async def _record(
    session: Session,
    identity: Connected,
    action: Action,
    *,
    before: Facts | None = None,
    after: Facts,
) -> None:
    """Record what a sign-in of a person changes in the account, in the server's own log."""
    await account_log.on_user(
        session,
        person_entry(identity.user_id, identity.email, None),
        action,
        identity.user_id,
        identity.email,
        before=before,
        after={**after, "provider": identity.provider},
    )


async def disconnect(session: Session, actor: Actor, identity_id: UUID) -> None:
    """Delete an identity of the actor, and the memberships and rights that it gives.

    Raises:
        IdentityNotFound: the account has no such identity.
        LastSignInMethod: the account has no password and no other identity.
    """
    await account_queries.lock_administrators(session)
    # Two requests must not delete the last two identities.
    user = await queries.lock_user(session, actor.user_id)
    found = {each.id: each for each in await queries.of_user(session, actor.user_id)}
    if user is None or identity_id not in found:
        raise IdentityNotFound(identity_id)
    if user.password_hash == NO_PASSWORD and len(found) == 1:
        raise LastSignInMethod
    provider = found[identity_id].provider
    await _withdraw(session, actor, Connected(identity_id, actor.user_id, user.email, provider))


async def disconnect_all(session: Session, by: By, user_id: UUID) -> int:
    """Delete all identities of an account with everything that they give; returns their number.

    The rights of the server's only administrator remain.
    """
    await account_queries.lock_administrators(session)
    user = await queries.lock_user(session, user_id)
    if user is None:
        return 0
    found = await queries.of_user(session, user_id)
    for each in found:
        await _withdraw(session, by, Connected(each.id, user_id, user.email, each.provider))
    return len(found)


async def _withdraw(session: Session, by: Actor | By, identity: Connected) -> None:
    await roles.apply(session, identity, {})
    if await queries.gives_admin(session, identity.id):
        await _dismiss(session, identity)
    await queries.delete(session, identity.id)
    await account_log.on_user(
        session,
        by,
        Action.OIDC_UNLINKED,
        identity.user_id,
        identity.email,
        before={"provider": identity.provider},
    )
