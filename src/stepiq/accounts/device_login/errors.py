"""Errors of logins with a code. The codes of those that a program gets while it waits are those of RFC 8628."""

from datetime import timedelta

from stepiq.core.errors import Conflict, NotFound
from stepiq.store.states import DeviceLoginStatus
from stepiq.web.errors import GrantRefused


class AuthorizationPending(GrantRefused):
    """The login is not confirmed yet."""

    code = "authorization_pending"
    message = "This login is not confirmed yet. Ask again after the `interval` of the login."


class SlowDown(GrantRefused):
    """The request came before the interval was over."""

    code = "slow_down"

    def __init__(self, interval: timedelta) -> None:
        super().__init__(
            f"The request came too early. From now on, wait {int(interval.total_seconds())} seconds between requests."
        )


class ExpiredToken(GrantRefused):
    """The code is unknown, used, or more than ten minutes old."""

    code = "expired_token"
    message = (
        "The code of this login is unknown, has expired or was used. To start another login, run `stepiq login` "
        "again."
    )


class AccessDenied(GrantRefused):
    """A person has refused the login, or the session that confirmed it has ended."""

    code = "access_denied"
    message = "The login was refused, or the session that confirmed it has ended. Start another one if this was a mistake."


class UserCodeNotFound(NotFound):
    """No login waits for this code."""

    code = "user_code_not_found"
    message = (
        "No login has this code. Compare it with the one in your terminal. If it is more than ten minutes old, run `stepiq login` "
        "again."
    )


class LoginDecided(Conflict):
    """The login with this code was confirmed or refused before."""

    code = "login_decided"

    def __init__(self, status: DeviceLoginStatus) -> None:
        was = "refused" if status is DeviceLoginStatus.DENIED else "confirmed"
        super().__init__(
            f"This login was already {was}. To log in again, run `stepiq login`.", status=status
        )
