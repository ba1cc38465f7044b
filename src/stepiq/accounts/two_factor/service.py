"""Operations on two-factor sign-in. Each wrong code is a failed attempt, which the caller must count."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from stepiq.accounts import service as accounts
from stepiq.accounts.actor import Actor
from stepiq.accounts.credentials.passwords import NO_PASSWORD
from stepiq.accounts.errors import CredentialInvalid, UserNotFound
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.queries.sealed import sealed_of
from stepiq.accounts.sessions import service as sessions
from stepiq.accounts.two_factor import codes, queries
from stepiq.core import clock, ids
from stepiq.core.errors import Conflict, Forbidden, Invalid, Unauthenticated
from stepiq.core.keys.encryption import Keyring, SecretUnreadable
from stepiq.store.database import Session


class TotpRequired(Unauthenticated):
    """The password is right, and the account also needs a code."""

    code = "totp_required"
    message = "This account has two-factor sign-in. Send the code of the authenticator app, or a recovery code, as `code`."


class TotpWrong(Unauthenticated):
    """The password is right, but the code is wrong, expired or used."""

    code = "totp_wrong"
    message = "The code is wrong or was used before. Enter the code that the app shows now, or a recovery code."


class CodeWrong(Invalid):
    """The code of the authenticator app or the recovery code is wrong, expired or used."""

    code = "code_wrong"
    message = (
        "The code is wrong or was used before. Enter the code that the app shows now, or a recovery code. If codes from the app "
        "are refused again, check the clock of the device."
    )


class PasswordRequired(Forbidden):
    """The request needs the password."""

    code = "password_required"

    def __init__(self, message: str = "Send your password as `password`.") -> None:
        super().__init__(message)


class TotpEnabled(Conflict):
    """Two-factor sign-in is already on."""

    code = "totp_enabled"
    message = "Two-factor sign-in is already on. To use another app, turn it off first."


class TotpNotEnabled(Conflict):
    """The account has no two-factor sign-in."""

    code = "totp_not_enabled"
    message = "The account has no two-factor sign-in."


class TotpNotBegun(Conflict):
    """No two-factor setup is in progress, or it began more than an hour ago."""

    code = "totp_not_begun"
    message = (
        "No two-factor setup is in progress. Start the setup again, and confirm it within an hour."
    )


PENDING_LIFETIME = timedelta(hours=1)
"""How long a new secret can be confirmed."""


@dataclass(frozen=True, slots=True)
class TwoFactorStatus:
    """Whether an account has two-factor sign-in."""

    enabled_at: datetime | None
    recovery_codes_left: int


@dataclass(frozen=True, slots=True)
class NewTotpSecret:
    """A secret that is not confirmed. It is shown once."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A code that was right, and is now used."""

    recovery_codes_left: int | None
    """The number of codes left if it was a recovery code; None if it was a code of the app."""


async def status(session: Session, actor: Actor) -> TwoFactorStatus:
    """Whether the actor's account has two-factor sign-in."""
    row = await queries.secret(session, actor.user_id)
    if row is None or row.confirmed_at is None:
        return TwoFactorStatus(None, 0)
    return TwoFactorStatus(row.confirmed_at, await queries.codes_left(session, actor.user_id))


async def require_recent(session: Session, actor: Actor) -> None:
    """Require that the actor has logged in recently.

    Raises:
        PasswordRequired: the login was more than `sessions.RECENT` ago.
    """
    live = await _live(session, actor)
    if live is None or not sessions.is_recent(live.created_at):
        minutes = int(sessions.RECENT.total_seconds() / 60)
        raise PasswordRequired(
            f"You logged in more than {minutes} minutes ago. Send your password as `password`, or log in again."
        )


async def require_no_password(session: Session, actor: Actor) -> None:
    """Require that the actor's account has no password, because the person signs in with an identity provider.

    Raises:
        PasswordRequired: the account has a password.
        CredentialInvalid: the account has been disabled or removed since its credential was checked.
    """
    if (await accounts.with_password(session, actor))[1] != NO_PASSWORD:
        raise PasswordRequired


async def begin(
    session: Session, keyring: Keyring, actor: Actor, *, base_url: str
) -> NewTotpSecret:
    """Create a secret for an authenticator app. It has no effect until it is confirmed, and replaces an earlier one.

    Raises:
        TotpEnabled: the account has two-factor sign-in.
        CredentialInvalid: the session has ended since it was checked.
        KeyUnusable: the master key is damaged, or other users can read it.
    """
    user = await _lock(session, actor)
    secret, owner = codes.new_secret(), queries.new_owner(actor.user_id, ids.uuid7())
    if not await queries.insert_secret(session, owner, keyring.seal(secret, owner), clock.now()):
        raise TotpEnabled
    issuer = f"stepIQ {urlsplit(base_url).hostname}"
    return NewTotpSecret(secret, codes.uri(secret, issuer=issuer, email=user.email))


async def confirm(
    session: Session, keyring: Keyring, actor: Actor, code: str
) -> tuple[Any, list[str]]:
    """Turn two-factor sign-in on with a code of the new secret; returns the row of the account, and its recovery codes.

    Raises:
        TotpEnabled: it is on.
        TotpNotBegun: there is no secret, or it is more than an hour old.
        CodeWrong: the code does not belong to the secret.
        CredentialInvalid: the session has ended since it was checked.
        SecretUnreadable: the server does not have the master key of the secret.
    """
    user = await _lock(session, actor)
    row, now = await queries.secret(session, actor.user_id), clock.now()
    if row is not None and row.confirmed_at is not None:
        raise TotpEnabled
    if row is None or row.created_at < now - PENDING_LIFETIME:
        raise TotpNotBegun
    step = _step(keyring, row, code, now)
    if step is None or not await queries.confirm(session, row.id, step, now):
        raise CodeWrong
    return user, await _new_codes(session, actor.user_id, now)


async def check_at_login(
    session: Session, keyring: Keyring, user_id: UUID, code: str | None
) -> Accepted | None:
    """Check the second factor of a login whose password is right; None if the account has none.

    The caller has locked the account in this transaction, so that two-factor sign-in is not turned on meanwhile.

    Raises:
        TotpRequired: the account needs a code, and none was sent.
        TotpWrong: the code is wrong or used.
        SecretUnreadable: the server does not have the master key of the secret. Recovery codes still work.
    """
    row = await queries.secret(session, user_id)
    if row is None or row.confirmed_at is None:
        return None
    if code is None:
        raise TotpRequired
    accepted = await _use(session, keyring, row, code)
    if accepted is None:
        raise TotpWrong
    return accepted


async def turn_off(session: Session, keyring: Keyring, actor: Actor, code: str) -> Any:
    """Turn two-factor sign-in off, and delete the secret and the recovery codes; returns the row of the account.

    Raises:
        TotpNotEnabled: it is off.
        CodeWrong: the code is wrong or used.
        CredentialInvalid: the session has ended since it was checked.
        SecretUnreadable: as for `check_at_login`.
    """
    user = await _require_code(session, keyring, actor, code)
    await queries.delete(session, actor.user_id)
    return user


async def replace_codes(session: Session, keyring: Keyring, actor: Actor, code: str) -> list[str]:
    """Replace all recovery codes; returns the new ones.

    Raises:
        TotpNotEnabled, CodeWrong, CredentialInvalid, SecretUnreadable: as for `turn_off`.
    """
    await _require_code(session, keyring, actor, code)
    return await _new_codes(session, actor.user_id, clock.now())


async def reset(session: Session, user_id: UUID) -> Any:
    """Turn two-factor sign-in off without a code, for an administrator or the operator; returns the row of the account.

    Raises:
        UserNotFound: the account does not exist.
        TotpNotEnabled: it is off.
    """
    row = await queries.user(session, user_id)
    if row is None:
        raise UserNotFound(user_id)
    if not await queries.delete(session, user_id):
        raise TotpNotEnabled
    return row


async def _lock(session: Session, actor: Actor) -> Any:
    """Lock and return the row of the actor's account. Processes trust a session for a few seconds after its end."""
    is_enabled = await account_queries.lock_user(session, actor.user_id, to_change=True)
    row = await queries.user(session, actor.user_id)
    if is_enabled is None or row is None or await _live(session, actor) is None:
        raise CredentialInvalid("The session has ended. Log in again.")
    return row


async def _live(session: Session, actor: Actor) -> Any:
    if actor.session_id is None:
        return None
    return await session_queries.live(session, actor.session_id, clock.now())


async def _require_code(session: Session, keyring: Keyring, actor: Actor, code: str) -> Any:
    user = await _lock(session, actor)
    row = await queries.secret(session, actor.user_id)
    if row is None or row.confirmed_at is None:
        raise TotpNotEnabled
    if await _use(session, keyring, row, code) is None:
        raise CodeWrong
    return user


async def _use(session: Session, keyring: Keyring, row: Any, code: str) -> Accepted | None:
    """Use a code of the app or a recovery code; None if it is wrong or used."""
    now, plain = clock.now(), _plain(code)
    if codes.is_code(plain):
        step = _step(keyring, row, plain, now)
        is_used = step is not None and await queries.use_step(session, row.id, step)
        return Accepted(None) if is_used else None
    if not await queries.use_code(session, row.user_id, codes.digest(row.user_id, code), now):
        return None
    return Accepted(await queries.codes_left(session, row.user_id))


def _step(keyring: Keyring, row: Any, code: str, now: datetime) -> int | None:
    try:
        secret = keyring.open(sealed_of(row), queries.owner_of(row))
    except SecretUnreadable:
        raise SecretUnreadable(
            "The server cannot read the two-factor secret of the account, because it does not have the master key. Use a recovery "
            "code, or ask the operator to restore the key.",
            key_id=row.key_id,
        ) from None
    return codes.matching_step(secret, _plain(code), now, after=row.last_step)


def _plain(code: str) -> str:
    # Apps show codes in two groups.
    return "".join(code.split())


async def _new_codes(session: Session, user_id: UUID, now: datetime) -> list[str]:
    made = codes.generate()
    await queries.replace_codes(
        session, user_id, [codes.digest(user_id, each) for each in made], now
    )
    return made
