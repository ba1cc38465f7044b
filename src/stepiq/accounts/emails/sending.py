"""Emails about an account, which contain tokens. They are sent after the response."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from stepiq.core.concurrency import tasks
from stepiq.core.errors import StepIQError
from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.core.observability import logging

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
