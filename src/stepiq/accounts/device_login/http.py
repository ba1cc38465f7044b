"""The services of this process for logins with a code."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import Depends

from stepiq.accounts.authentication.throttle import Throttle
from stepiq.accounts.device_login.codes import UserCodes
from stepiq.web.limits import Limiter
from stepiq.web.services import AppKey

PATH = "/auth/device"
DECISION_PATH = "/user/device-login"
PAGE_PATH = "/device"
"""The page on which a person confirms a login."""

_PERIOD = timedelta(minutes=15)


@dataclass(frozen=True)
class DeviceLoginServices:
    """The codes, and the limits that keep them from being guessed."""

    user_codes: UserCodes
    starts: Limiter = field(default_factory=lambda: Limiter(60, _PERIOD))
    """Counts new logins, by client. A company can share one address."""
    polls: Limiter = field(default_factory=lambda: Limiter(240, timedelta(minutes=1)))
    """Counts requests for keys, by client: 20 programs can wait at the same time."""
    wrong_codes: Throttle = field(
        default_factory=lambda: Throttle(10, _PERIOD, "Too many wrong codes for this account.")
    )
    """Counts wrong codes of the sessions of each account."""


DEVICE_LOGINS = AppKey[DeviceLoginServices]("device_logins")
DeviceLoginsDep = Annotated[DeviceLoginServices, Depends(DEVICE_LOGINS)]
