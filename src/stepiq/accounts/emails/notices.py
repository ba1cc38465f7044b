"""Sends the emails about an account after the response, and those about changes of how people sign in, without tokens."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any
from uuid import UUID

from stepiq.core.concurrency import tasks
from stepiq.core.errors import StepIQError
from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.core.observability import logging
from stepiq.web.counts import Counts
from stepiq.web.limits import Limiter

_MAILS_AN_HOUR = 20
_SETTLE_SECONDS = 10

log = logging.get(__name__)


class AccountMail:
    """Sends the emails of one kind in this process, and logs failures."""

    def __init__(self, mailer: Mailer) -> None:
        self.hurry = asyncio.Event()
        """Set while the server waits for the emails, so that tasks do not pause."""
        self._mailer = mailer
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """The number of unfinished tasks."""
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine that sends an email in the background."""
        task = asyncio.create_task(self._do(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, user_id: UUID, message: MailMessage) -> bool:
        """Send an email, and return whether it was sent."""
        try:
            await self._mailer.send(message)
        except MailUnsent as error:
            log.warning(
                "account_mail_unsent", user_id=str(user_id), reason=error.confidential_reason
            )
            return False
        return True

    async def settle(self) -> None:
        """Wait for the tasks that were started. Cancels those that take longer than ten seconds."""
        if not self._tasks:
            return
        self.hurry.set()
        _, late = await asyncio.wait(self._tasks, timeout=_SETTLE_SECONDS)
        self.hurry.clear()
        await tasks.cancel(late)
        if late:
            log.warning("account_mail_given_up", mails=len(late))

    async def _do(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            await work
        except StepIQError as error:
            log.warning("account_mail_failed", code=error.code)
        except Exception:
            log.exception("account_mail_broke")


class AccountNotices:
    """Sends notices in the background, only to verified addresses. An account gets at most 20 per hour."""

    def __init__(self, mailer: Mailer, counts: Counts) -> None:
        self._mail = AccountMail(mailer)
        self._sent = Limiter(_MAILS_AN_HOUR, timedelta(hours=1), counts)

    def send(self, user_id: UUID, message: MailMessage, *, is_verified: bool) -> None:
        """Send a notice of this module to an account, if its address is verified."""
        # Anyone can register an address of someone else, who must not get email for it.
        if is_verified:
            self._mail.start(self._send(user_id, message))

    async def _send(self, user_id: UUID, message: MailMessage) -> None:
        if (await self._sent.hit(user_id)).is_allowed:
            await self._mail.send(user_id, message)
        else:
            log.warning("notice_held_back", user_id=str(user_id))

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
