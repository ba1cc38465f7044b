"""Mail for those who forgot their password, sent behind the answer so that the answer tells nothing.

Whether there is an account is looked up only after the answer has left, and after a pause of random length: neither an
answer nor the one after it takes longer for an address that has one.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from stepiq.accounts import keys
from stepiq.accounts.account_mail import AccountMail
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import resets as reset_queries
from stepiq.accounts.tokens import new_token
from stepiq.core import clock, ids, logging
from stepiq.core.mail import Mailer, Message
from stepiq.store.database import Database
from stepiq.web.limits import Limiter

RESET_LIFETIME = timedelta(hours=1)
MAILS_AN_HOUR = 3
"""How many reset mails an account gets in an hour; more are asked for in vain."""

_PENDING = 500
_ASKED_EACH = 60
_PAUSE_SECONDS = (0.1, 0.6)

log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class _Reset:
    id: UUID
    user_id: UUID
    token: str


class Recovery:
    """Takes requests for reset mails, and sends them in its own time."""

    def __init__(self, database: Database, mailer: Mailer, base_url: str) -> None:
        self._database = database
        self._mail = AccountMail(mailer)
        self._base_url = base_url
        self._asked = Limiter(_ASKED_EACH, timedelta(hours=1))

    def ask(self, email: str, client: str) -> None:
        """Have a mail sent, should the address have an account. Does nothing more for a client that asks for many."""
        is_allowed = self._asked.hit(client, clock.now()).is_allowed
        if not is_allowed or self._mail.under_way >= _PENDING:
            log.warning("reset_mail_not_tried")
            return
        self._mail.start(self._send(email))

    async def settle(self) -> None:
        """Send what has been asked for now; gives up on a mail server that keeps it waiting."""
        await self._mail.settle()

    async def _send(self, email: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(*_PAUSE_SECONDS)):  # noqa: S311 — hides, not guards
                await self._mail.hurry.wait()
        reset = await self._make(email)
        if reset is None:
            return
        if not await self._mail.send(reset.user_id, _message(email, self._base_url, reset.token)):
            async with self._database.transaction() as session:
                # What was never sent must not count against those that will be.
                await reset_queries.delete(session, reset.id)

    async def _make(self, email: str) -> _Reset | None:
        now = clock.now()
        async with self._database.transaction() as session:
            row = await account_queries.account_by_email(session, email)
            if row is None:
                return None
            await account_queries.lock_user(session, row.id, to_change=True)
            sent = await reset_queries.count_since(session, row.id, now - timedelta(hours=1))
            if sent >= MAILS_AN_HOUR:
                log.info("reset_mail_held_back", user_id=str(row.id))
                return None
            reset = _Reset(ids.uuid7(), row.id, new_token())
            await reset_queries.insert(
                session,
                reset_id=reset.id,
                user_id=reset.user_id,
                token_hash=keys.digest(reset.token),
                created_at=now,
                expires_at=now + RESET_LIFETIME,
            )
        return reset


def _message(email: str, base_url: str, token: str) -> Message:
    # Nothing of it is chosen by whoever registered the address: else this would send their text to others.
    return Message(
        email,
        "Set a new password for stepIQ",
        f"""\
Someone requested a new password for {email} at {base_url}

If it was you, open this link within one hour. It works once.

{base_url}/reset-password#token={token}

A new password ends all sessions of the account and revokes all its API keys.

You can also send this token to {base_url}/api/auth/reset-password:

{token}

If it was not you, ignore this email. Your password has not changed.
""",
    )
