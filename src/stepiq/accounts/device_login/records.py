"""The rules and the results of logins with a code."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from stepiq.accounts.actor import ALL_SCOPES, Actor, Scope
from stepiq.accounts.service import Account

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


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """A new login. Only digests of its codes are stored."""

    device_code: str
    user_code: str


@dataclass(frozen=True, slots=True)
class LoginWaiting:
    """The person has not decided yet."""

    is_too_early: bool
    interval: timedelta
    """How long the program must wait before the next request."""


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """A person has refused the login, or can no longer give a key."""


@dataclass(frozen=True, slots=True)
class LoginExpired:
    """The code is unknown, expired or used."""


@dataclass(frozen=True, slots=True)
class LoginGranted:
    """The key of the program. Its text is not stored."""

    key: Any
    """The row of the key."""
    text: str
    actor: Actor
    """The person who has confirmed the login."""
    account: Account


Answer = LoginWaiting | LoginRefused | LoginExpired | LoginGranted
"""The answer to a program that asks for its key."""


def key_name(host_name: str | None) -> str:
    """The name of the key of a program on a host."""
    return "stepiq login" if host_name is None else f"stepiq login on {host_name}"


def interval_after(current: timedelta) -> timedelta:
    """The interval after a request that came too early."""
    return min(current + SLOWER, SLOWEST)


def is_too_early(polled_at: datetime | None, now: datetime, interval: timedelta) -> bool:
    """Whether a request comes before the interval is over."""
    return polled_at is not None and now < polled_at + interval - TOLERANCE
