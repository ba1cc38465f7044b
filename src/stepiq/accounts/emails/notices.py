"""Emails that tell people about changes of how they sign in. They contain no tokens."""

from datetime import timedelta
from uuid import UUID

from stepiq.accounts.emails.sending import AccountMail
from stepiq.core import clock
from stepiq.core.mail import Mailer, MailMessage
from stepiq.core.observability import logging
from stepiq.web.limits import Limiter

_MAILS_AN_HOUR = 20

log = logging.get(__name__)


class AccountNotices:
    """Sends notices in the background, only to verified addresses. An account gets at most 20 per hour."""

    def __init__(self, mailer: Mailer) -> None:
        self._mail = AccountMail(mailer)
        self._sent = Limiter(_MAILS_AN_HOUR, timedelta(hours=1))

    def send(self, user_id: UUID, message: MailMessage, *, is_verified: bool) -> None:
        """Send a notice of this module to an account, if its address is verified."""
        if not is_verified:
            # Anyone can register an address of someone else, who must not get email for it.
            return
        if not self._sent.hit(user_id, clock.now()).is_allowed:
            log.warning("notice_held_back", user_id=str(user_id))
            return
        self._mail.start(self._mail.send(user_id, message))

    async def settle(self) -> None:
        """Send pending emails. Cancels those that take longer than ten seconds."""
        await self._mail.settle()


def two_factor_on(base_url: str, email: str) -> MailMessage:
    """The email after two-factor sign-in was turned on."""
    return MailMessage(
        email,
        "Two-factor sign-in is on",
        f"""\
Two-factor sign-in was turned on for {email} at {base_url}

From now on, signing in with the password also needs a code of the authenticator app, or a recovery code.

If it was not you, someone else has access to your account. Reset your password, and ask the administrator of
the server to reset the two-factor sign-in of your account:

{base_url}/forgot-password
""",
    )


def two_factor_off(base_url: str, email: str, *, by_operator: bool = False) -> MailMessage:
    """The email after two-factor sign-in was turned off."""
    by = "An administrator of the server has turned off two-factor sign-in"
    who = by if by_operator else "Two-factor sign-in was turned off"
    return MailMessage(
        email,
        "Two-factor sign-in is off",
        f"""\
{who} for {email} at {base_url}

From now on, signing in needs only the password. The recovery codes no longer work. You can turn it on again in the
settings:

{base_url}/settings/profile

If you did not want this, reset your password, and turn two-factor sign-in on again:

{base_url}/forgot-password
""",
    )


def recovery_code_used(base_url: str, email: str, *, client: str, left: int) -> MailMessage:
    """The email after a login with a recovery code."""
    codes = {0: "No recovery code is left", 1: "One recovery code is left"}.get(
        left, f"{left} recovery codes are left"
    )
    return MailMessage(
        email,
        "A recovery code was used to sign in",
        f"""\
Someone has signed in to {email} at {base_url}
with the password and a recovery code, from the address {client or "unknown"}.

{codes}. You can create new ones in the settings:

{base_url}/settings/profile

If it was not you, reset your password now, and create new recovery codes:

{base_url}/forgot-password
""",
    )


def identity_connected(base_url: str, email: str, *, provider: str) -> MailMessage:
    """The email after an identity was connected."""
    return MailMessage(
        email,
        "An identity was connected to your account",
        f"""\
An identity of {provider} was connected to {email} at {base_url}

It can now sign in to the account. The settings list all identities:

{base_url}/settings/profile

If it was not you, reset your password. This ends all sessions and suspends all identities of your account:

{base_url}/forgot-password
""",
    )
