"""Operations on logins with a code (RFC 8628): start, confirm or refuse, and exchange for a key, once."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stepiq.accounts.actor import ALL_SCOPES, Actor, Scope
from stepiq.accounts.authentication.authenticator import session_actor
from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.credentials.tokens import new_token
from stepiq.accounts.device_login import queries
from stepiq.accounts.device_login.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    LoginDecided,
    SlowDown,
    UserCodeNotFound,
)
from stepiq.accounts.errors import CredentialInvalid, SessionRequired
from stepiq.accounts.keys import service as api_keys
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import sessions as session_queries
from stepiq.accounts.service import Account, account_of, require_person
from stepiq.core import clock
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import Quota
from stepiq.store.database import Session
from stepiq.store.states import DeviceLoginStatus
from stepiq.web.errors import GrantRefused

LIFETIME = timedelta(minutes=10)
"""How long a code works."""
INTERVAL = timedelta(seconds=5)
"""How long a program waits between two requests for its key."""
SLOWER = timedelta(seconds=5)
"""How much longer it waits after a request that came too early."""
SLOWEST = timedelta(minutes=1)
TOLERANCE = timedelta(seconds=1)
"""How much earlier than the interval a request may come, because networks delay requests differently."""
KEY_LIFETIME = timedelta(days=90)
"""How long the key works."""
SCOPES = ALL_SCOPES - {Scope.WEBHOOKS_TRIGGER}
"""What commands of `stepiq` need. Inbound webhooks are for other systems."""

_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters without vowels, as RFC 8628 suggests: no code is a word, and no letter looks like a digit or another letter."""
_LETTERS = 8
_GROUP = 4


class UserCodes:
    """Creates the codes that people type, and their digests."""

    def __init__(self, jwt_secret: bytes) -> None:
        """Derive the digest key from the signing key, so that all processes of a server use the same one.

        The codes have 35 bits. With a plain digest, a copy of the database would reveal them within seconds.
        """
        self._key = hmac.digest(jwt_secret, b"stepiq device login", "sha256")

    def new(self) -> str:
        """A new code, as people see it: `BCDF-GHJK`."""
        letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
        return f"{letters[:_GROUP]}-{letters[_GROUP:]}"

    def digest(self, code: str) -> bytes | None:
        """The digest of a code that a person typed, in any case and grouping. None if it cannot be a code."""
        letters = "".join(each for each in code.upper() if each.isalnum())
        if len(letters) != _LETTERS or not set(letters) <= set(_ALPHABET):
            return None
        return hmac.digest(self._key, letters.encode(), "sha256")


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """A new login. Only digests of its codes are stored."""

    device_code: str
    user_code: str


@dataclass(frozen=True, slots=True)
class LoginGranted:
    """The key of the program. Its text is not stored."""

    key: Any
    """The row of the key."""
    text: str
    actor: Actor
    """The person who has confirmed the login."""
    account: Account


def key_name(host_name: str | None) -> str:
    """The name of the key of a program on a host."""
    return "stepiq login" if host_name is None else f"stepiq login on {host_name}"


PlanOf = Callable[[str], Plan]


async def start(
    session: Session, user_codes: UserCodes, *, host_name: str | None, client: str
) -> StartedLogin:
    """Start a login, which a person must confirm within `LIFETIME`. `host_name` is what the program states."""
    now = clock.now()
    while True:
        started = StartedLogin(new_token(), user_codes.new())
        digest = user_codes.digest(started.user_code)
        # A code can be in use, although it is unlikely.
        if digest is not None and await queries.insert(
            session,
            device_digest=keys.digest(started.device_code),
            user_digest=digest,
            host_name=host_name,
            client=client,
            interval_seconds=int(INTERVAL.total_seconds()),
            created_at=now,
            expires_at=now + LIFETIME,
        ):
            return started


async def find(
    session: Session, user_codes: UserCodes, code: str, *, is_locked: bool = False
) -> Any:
    """The row of a login that waits for a decision. If it is locked, other decisions wait until the transaction ends.

    Raises:
        UserCodeNotFound: no login has the code, or it has expired.
        LoginDecided: it was confirmed or refused.
    """
    digest = user_codes.digest(code)
    if digest is None:
        raise UserCodeNotFound
    row = await queries.by_user_code(session, digest, clock.now(), is_locked=is_locked)
    if row is None:
        raise UserCodeNotFound
    if row.status != DeviceLoginStatus.PENDING:
        raise LoginDecided(DeviceLoginStatus(row.status))
    return row


def scopes_for(actor: Actor) -> list[Scope]:
    """What the key of a login can do: what commands need, and the actor's role in the workspace allows."""
    return sorted(SCOPES & actor.scopes)


async def approve(
    session: Session, user_codes: UserCodes, actor: Actor, code: str, plan: Plan
) -> Any:
    """Let the program of a login have a key that acts as the actor in the workspace; returns the row of the login.

    The key is created when the program asks for it, unless the actor's session has ended by then.

    Raises:
        UserCodeNotFound, LoginDecided: as for `find`.
        SessionRequired: the actor is an API key.
        PlanKeysExceeded: the workspace has as many keys as its plan allows.
    """
    if actor.session_id is None:
        raise SessionRequired
    row = await find(session, user_codes, code, is_locked=True)
    await queries.approve(session, row.id, actor.workspace_id, actor.session_id)
    # After the login is locked, as when the key is created.
    await quotas.require_room(session, actor.workspace_id, plan, Quota.API_KEYS)
    return row


async def deny(session: Session, user_codes: UserCodes, actor: Actor, code: str) -> Any:
    """Refuse a login; returns its row.

    Raises:
        UserCodeNotFound, LoginDecided: as for `find`.
        SessionRequired: the actor is an API key.
    """
    require_person(actor)
    row = await find(session, user_codes, code, is_locked=True)
    await queries.deny(session, row.id)
    return row


async def redeem(
    session: Session, device_code: str, plan_of: PlanOf
) -> LoginGranted | GrantRefused:
    """Answer a program that asks for the key of its login. Of concurrent requests, only one gets a key.

    A refusal is returned and not raised, because the transaction must be committed, whatever the answer is.

    Raises:
        PlanKeysExceeded: the workspace has as many keys as its plan allows. The program can ask again.
    """
    now = clock.now()
    row = await queries.lock(session, keys.digest(device_code), now)
    if row is None or row.status == DeviceLoginStatus.USED:
        return ExpiredToken()
    if row.status == DeviceLoginStatus.DENIED:
        return AccessDenied()
    if row.status == DeviceLoginStatus.PENDING:
        return await _wait(session, row, now)
    return await _grant(session, row, now, plan_of)


async def _wait(session: Session, row: Any, now: datetime) -> GrantRefused:
    interval = timedelta(seconds=row.interval_seconds)
    is_too_early = row.polled_at is not None and now < row.polled_at + interval - TOLERANCE
    if is_too_early:
        interval = min(interval + SLOWER, SLOWEST)
    await queries.polled(session, row.id, now, interval)
    return SlowDown(interval) if is_too_early else AuthorizationPending()


async def _grant(
    session: Session, row: Any, now: datetime, plan_of: PlanOf
) -> LoginGranted | GrantRefused:
    # A reset of the password or the removal of the member ends the session that has confirmed the login.
    live = await session_queries.live(session, row.session_id, now, workspace_id=row.workspace_id)
    if live is None or live.workspace_id is None:
        return AccessDenied()
    actor = session_actor(live)
    try:
        made = await api_keys.create(
            session,
            actor,
            api_keys.personal(actor),
            name=key_name(row.host_name),
            scopes=scopes_for(actor),
            expires_at=now + KEY_LIFETIME,
            plan=plan_of(actor.plan),
        )
    except CredentialInvalid:
        return AccessDenied()
    await queries.use(session, row.id)
    person = await account_queries.account_by_id(
        session, actor.user_id, workspace_id=actor.workspace_id
    )
    return LoginGranted(made.row, made.text, actor, account_of(person))
