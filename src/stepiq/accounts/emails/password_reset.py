"""Password reset emails, sent after the response, so that the response does not reveal whether an account exists.

The account is looked up after the response has been sent and after a pause of random length. The timing of this
response and of later ones is therefore the same for addresses with and without an account.

Requests are counted by client, so that one client cannot send email to many accounts. Several people may share a
client, so repeated requests for one address are not counted, and a client over its limit can still reset the passwords
of accounts that know it.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from stepiq.accounts.credentials.origin import hit_client
from stepiq.accounts.credentials.passwords import NO_PASSWORD
from stepiq.accounts.credentials.tokens import new_token
from stepiq.accounts.emails.notices import AccountMail
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.queries import resets as reset_queries
from stepiq.accounts.queries.known_clients import KnownClients
from stepiq.core import addresses, clock
from stepiq.core.mail import Mailer, MailMessage
from stepiq.core.observability import logging
from stepiq.store.database import Database
from stepiq.web.counts import Counts
from stepiq.web.limits import Limiter

RESET_LIFETIME = timedelta(hours=1)
MAILS_AN_HOUR = 3
"""Maximum reset emails per account and hour, and per mailbox for accounts whose address is not verified.

Further requests are ignored.
"""

_PENDING = 500
_PENDING_OVER_LIMIT = 50
"""Requests of clients over their limit that may be pending, so that these requests cannot displace others."""
_ASKED_EACH = 60
_ASKED_FOR_ADDRESS = 10
"""More than `MAILS_AN_HOUR`, because an email that was not sent may be requested again."""
_PAUSE_SECONDS = (0.1, 0.6)

log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class _Reset:
    id: UUID
    user_id: UUID
    token: str


class AccountRecovery:
    """Sends reset emails in the background."""

    def __init__(
        self,
        database: Database,
        mailer: Mailer,
        base_url: str,
        known_clients: KnownClients,
        counts: Callable[[str], Counts],
    ) -> None:
        self._database = database
        self._mail = AccountMail(mailer)
        self._base_url = base_url
        self._known_clients = known_clients
        hour = timedelta(hours=1)
        self._asked = Limiter(_ASKED_EACH, hour, counts("resets"))
        self._asked_for_address = Limiter(_ASKED_FOR_ADDRESS, hour, counts("resets of an address"))
        # Not the limiter of verification emails: their limit is visible to accounts, and would reveal reset emails.
        self._to_unverified = Limiter(MAILS_AN_HOUR, hour, counts("resets of a mailbox"))
        self._over_limit = 0

    async def ask(self, email: str, client: str) -> None:
        """Send a reset email if the address has an account.

        Ignores repeated requests for the same address, and clients that send too many requests. The latter still get
        emails for the accounts that know them.
        """
        if not (await self._asked_for_address.hit((client, email))).is_allowed:
            log.info("reset_mail_repeated")
        elif self._mail.under_way >= _PENDING:
            log.warning("reset_mail_not_tried")
        elif (await hit_client(self._asked, client)).is_allowed:
            self._mail.start(self._send(email))
        elif self._over_limit < _PENDING_OVER_LIMIT:
            self._over_limit += 1
            self._mail.start(self._send_if_known(email, client))
        else:
            log.warning("reset_mail_not_tried")

    async def settle(self) -> None:
        """Send pending emails without further pauses. Cancels those that take longer than ten seconds."""
        await self._mail.settle()

    async def _send_if_known(self, email: str, client: str) -> None:
        try:
            await self._pause()
            async with self._database.reading() as session:
                is_known = await self._known_clients.knows(session, email, client)
        finally:
            self._over_limit -= 1
        if is_known:
            await self._send(email)
        else:
            log.warning("reset_mail_not_tried")

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(*_PAUSE_SECONDS)):  # noqa: S311 — hides, not guards
                await self._mail.hurry.wait()

    async def _send(self, email: str) -> None:
        await self._pause()
        reset = await self._make(email)
        if reset is None:
            return
        if not await self._mail.send(reset.user_id, _message(email, self._base_url, reset.token)):
            async with self._database.transaction() as session:
                # An email that was not sent does not count against the limit.
                await reset_queries.delete(session, reset.id)

    async def _make(self, email: str) -> _Reset | None:
        async with self._database.reading() as session:
            row = await account_queries.account_by_email(session, email)
        if row is None:
            return None
        if row.password_hash == NO_PASSWORD:
            # The person signs in with an identity provider, which may have let them go.
            log.info("reset_mail_without_password", user_id=str(row.id))
            return None
        if not await self._count_mailbox(row):
            log.info("reset_mail_held_back", user_id=str(row.id))
            return None
        hour_ago = clock.now() - timedelta(hours=1)
        async with self._database.transaction() as session:
            await account_queries.lock_user(session, row.id, to_change=True)
            if await reset_queries.count_since(session, row.id, hour_ago) >= MAILS_AN_HOUR:
                log.info("reset_mail_held_back", user_id=str(row.id))
                return None
            token = new_token()
            reset_id = await reset_queries.insert(session, row.id, token, RESET_LIFETIME)
        return _Reset(reset_id, row.id, token)

    async def _count_mailbox(self, row: account_queries.Row) -> bool:
        """Count an email to an unverified address; False if its mailbox has reached the limit.

        Anyone can register many addresses of someone else's mailbox. Emails to these do not count against verified ones.
        """
        if row.email_verified_at is not None:
            return True
        return (await self._to_unverified.hit(addresses.mailbox(row.email))).is_allowed


def _message(email: str, base_url: str, token: str) -> MailMessage:
    # No text comes from the account. Otherwise, a person could register others' addresses to send them text.
    return MailMessage(
        email,
        "Set a new password for stepIQ",
        f"""\
Someone requested a new password for {email} at {base_url}

If it was you, open this link within one hour. It works once.

{base_url}/reset-password#token={token}

A new password ends all sessions of the account and revokes all its personal API keys, in all workspaces. Service keys
keep working, including those that you created. If the address is not verified yet, someone else may have registered it:
then, the service keys, schedules, invitations, unfinished runs and two-factor sign-in of the account end, too.

You can also send this token to {base_url}/api/auth/reset-password:

{token}

If it was not you, ignore this email. Your password has not changed.
""",
    )
