"""Who may create an account: with the setup token, an invitation, or where registration is open."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.errors import (
    EmailTaken,
    InvitationInvalid,
    RegistrationClosed,
    RegistrationInviteOnly,
    SetupRequired,
)
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import invitations as invitation_queries
from stepiq.accounts.service import Account, create_account, spend_invitation
from stepiq.core import clock
from stepiq.core.settings.model import RegistrationPolicy, Settings
from stepiq.store.database import Session

FIRST_PLAN = "enterprise"
"""Plan of a server's first account."""


def setup_token(jwt_secret: bytes) -> str:
    """The token that creates a server's first account.

    It is derived from the signing key, so all processes of a server have the same one. It has no effect once an account
    exists.
    """
    return hmac.new(jwt_secret, b"stepiq set-up token", hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class RegistrationClaim:
    """What entitles a caller to register."""

    email: str
    """Normalised."""
    has_setup_token: bool
    """Whether the caller has sent the setup token, which permits creating the first account."""
    has_wrong_token: bool = False
    """Whether the caller has sent another text as the setup token."""
    invitation: str | None = None


async def check_registration(session: Session, settings: Settings, claim: RegistrationClaim) -> Any:
    """Make the checks of `register` in advance, before the expensive password hash; returns the invitation's row, if any.

    Raises:
        SetupRequired, RegistrationClosed, RegistrationInviteOnly, InvitationInvalid: as for `register`.
    """
    if await account_queries.is_empty(session):
        _check_setup(claim)
    elif claim.invitation is None:
        _check_open(settings.effective_registration)
    else:
        return await _open_invitation(session, claim.invitation, claim.email)
    return None


async def register(
    session: Session,
    settings: Settings,
    claim: RegistrationClaim,
    *,
    name: str | None,
    password_hash: str,
) -> Account:
    """Create an account, with a workspace of its own or in the workspace of an invitation.

    The first account becomes the administrator and requires the setup token. Of concurrent registrations, only one is
    the first. A valid invitation overrides the registration setting, and can be used once.

    `name`: default: the part of the address before the @. The hash is computed before the transaction, because it takes long.

    Raises:
        SetupRequired: this would be the first account, and the setup token is missing or wrong.
        RegistrationClosed, RegistrationInviteOnly: the registration setting does not allow it.
        InvitationInvalid: the invitation is not valid, or is for another address.
        EmailTaken: an account has this address.
    """
    is_first = await _is_first(session)
    invitation = None
    if is_first:
        _check_setup(claim)
    elif claim.invitation is None:
        _check_open(settings.effective_registration)
    else:
        invitation = await spend_invitation(session, claim.invitation, claim.email)
    # The admin who has invited someone to a workspace may know the token without the mailbox.
    is_vouched = invitation is not None and invitation.workspace_id is None
    return await create_account(
        session,
        email=claim.email,
        name=name,
        password_hash=password_hash,
        is_admin=is_first,
        plan=FIRST_PLAN if is_first else settings.default_plan,
        is_verified=is_first or is_vouched or not settings.verifies_addresses,
        invitation=invitation,
    )


async def _is_first(session: Session) -> bool:
    if not await account_queries.is_empty(session):
        return False
    await account_queries.lock_setup(session)
    return await account_queries.is_empty(session)


def _check_setup(claim: RegistrationClaim) -> None:
    if not claim.has_setup_token:
        raise SetupRequired(is_wrong=claim.has_wrong_token)


def _check_open(registration: RegistrationPolicy) -> None:
    if registration is RegistrationPolicy.CLOSED:
        raise RegistrationClosed
    if registration is RegistrationPolicy.INVITE:
        raise RegistrationInviteOnly


async def _open_invitation(session: Session, token: str, email: str) -> Any:
    row = await invitation_queries.find(session, keys.digest(token), clock.now())
    if row is None or row.email != email:
        raise InvitationInvalid
    return row


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
    return (await invitation_queries.insert(session, email))[1]


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

    `plan`: default: `enterprise` for administrators, else the default plan.

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
