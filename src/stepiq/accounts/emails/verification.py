"""Verifies that an account's owner controls its email address.

Anyone could register someone else's address, with open registration or with an invitation to a workspace. Until the address
is verified, the account sends no email and creates nothing that works without it: see `current_rights.require_verified`.
When its owner sets a new password, all that was made before ends: see `takeover`.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from stepiq.accounts.emails.notices import AccountMail
from stepiq.accounts.errors import EmailUnverified, VerificationInvalid
from stepiq.accounts.queries import accounts as account_queries
from stepiq.core import addresses, clock
from stepiq.core.keys.encryption import ExpiringTokens
from stepiq.core.mail import Mailer, MailMessage
from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings
from stepiq.store.database import Session
from stepiq.web.counts import Counts
from stepiq.web.limits import Decision, Limiter

PAGE_PATH = "/verify-email"
LIFETIME = timedelta(days=7)
MAILS_AN_HOUR = 3
"""Maximum verification emails per mailbox and hour, so that one person cannot get them for many accounts."""

log = logging.get(__name__)


async def require_verified(session: Session, user_id: UUID) -> None:
    """Check that the address of an account is verified. Raises EmailUnverified if it is not verified."""
    if not await account_queries.is_verified(session, user_id):
        raise EmailUnverified


async def confirm(session: Session, user_id: UUID) -> str:
    """Mark the address of an account as verified, and return the address.

    Raises:
        VerificationInvalid: the account is disabled.
    """
    row = await account_queries.account_by_id(session, user_id)
    if row is None:
        raise VerificationInvalid
    await account_queries.verify(session, user_id, clock.now())
    return str(row.email)


class Verification:
    """Sends verification emails, and verifies the tokens in them."""

    def __init__(self, settings: Settings, mailer: Mailer, counts: Callable[[str], Counts]) -> None:
        self._base_url = settings.base_url
        self._mail = AccountMail(mailer)
        self._tokens = ExpiringTokens(settings, b"stepiq addresses")
        self._asked = Limiter(MAILS_AN_HOUR, timedelta(hours=1), counts("verification mails"))

    async def send(self, user_id: UUID, email: str) -> Decision:
        """Send an email with a link in the background, unless the mailbox has reached its limit."""
        # Anyone can register many addresses of someone else's mailbox.
        decision = await self._asked.hit(addresses.mailbox(email))
        if decision.is_allowed:
            message = _message(email, self._base_url, self.token(user_id))
            self._mail.start(self._mail.send(user_id, message))
        else:
            log.info("verification_mail_held_back", user_id=str(user_id))
        return decision

    def token(self, user_id: UUID) -> str:
        """The token that verifies the address of an account."""
        return self._tokens.make(user_id, clock.now() + LIFETIME)

    def read(self, token: str) -> UUID:
        """The account whose address a token verifies.

        Raises:
            VerificationInvalid: this server did not create the token, or it has expired.
        """
        claim = self._tokens.read(token)
        if claim is None or clock.now() >= claim[1]:
            raise VerificationInvalid
        return claim[0]

    async def settle(self) -> None:
        """Wait for the emails that are being sent. Cancels those that take longer than ten seconds."""
        await self._mail.settle()


def _message(email: str, base_url: str, token: str) -> MailMessage:
    # No text comes from the account. Otherwise, a person could register others' addresses to send them text.
    return MailMessage(
        email,
        "Verify your email address for stepIQ",
        f"""\
Someone registered an account with the address {email} at {base_url}

If it was you, open this link within seven days:

{base_url}{PAGE_PATH}#token={token}

You can also send this token to {base_url}/api/auth/verify-email:

{token}

If it was not you, do not open this link: it verifies the account of the person who registered your address. Ignore this
email, or set a new password, which gives you the account and ends what this person has made:

{base_url}/forgot-password
""",
    )
