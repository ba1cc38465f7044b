"""Recipients of email who are not members of the workspace: they confirm once that they want its emails.

Where strangers can register, anyone could let the server write to other people. A recipient who has not confirmed gets one
email that asks for it, with a link. It contains no text of the workspace. Until they confirm, other emails are held.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from stepiq.core import clock, ids, logging, metrics
from stepiq.core.mail import Mailer, MailUnsent, Message
from stepiq.core.settings import Settings
from stepiq.core.signed_tokens import Tokens
from stepiq.engine import quotas
from stepiq.engine.quotas import PlanEmailsExhausted, PlanLimits, Quota
from stepiq.engine.records import NewDelivery
from stepiq.engine.runtime import Engine
from stepiq.notify import queries as delivery_queries
from stepiq.notify.errors import RecipientLinkInvalid
from stepiq.notify.recipients import queries
from stepiq.store.database import PATIENT_SECONDS, Database, Session

PAGE_PATH = "/confirm-recipient"
LIFETIME = timedelta(days=7)
"""How long a link works, and how long emails are held. After that, the next email asks again."""
ASKED_A_DAY = 3
"""How many workspaces may ask one address in a day."""
WORKSPACE_ASKS_A_DAY = 50
"""How many addresses one workspace may ask in a day."""

_ID_BYTES = 16
_EXPIRY_BYTES = 5
_DAY = timedelta(days=1)
_RELEASED = 100

log = logging.get(__name__)


class _NotAsked(Exception):
    """A recipient is not asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an email is not sent now."""

    reason: str
    recipient_id: UUID | None = None
    """Who can release it; None: nobody, until it is sent again."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a link has done."""

    email: str
    is_confirmed: bool
    released: int = 0
    """Held emails that are sent now."""


class Recipients:
    """Asks recipients, and reads the tokens of their links."""

    def __init__(self, settings: Settings, database: Database, mailer: Mailer) -> None:
        self._is_on = settings.confirms_recipients
        self._base_url = settings.base_url
        self._database = database
        self._mailer = mailer
        self._tokens = Tokens(settings, b"stepiq recipients", _ID_BYTES + _EXPIRY_BYTES)

    async def want(self, session: Session, workspace_id: UUID, address: str) -> bool:
        """Whether a workspace may send email to an address."""
        if not self._is_on:
            return True
        return await queries.is_welcome(session, workspace_id, _normal(address))

    async def has_confirmed(self, session: Session, recipient_id: UUID) -> bool:
        """Whether a recipient has confirmed; if not, they cannot until this transaction ends."""
        found = await queries.lock(session, recipient_id)
        return found is not None and found.confirmed_at is not None

    async def ask(self, workspace_id: UUID, address: str, sender: str, plan: PlanLimits) -> Hold:
        """Ask a recipient to confirm, unless they were asked or refuse to be; says why an email to them must wait.

        Args:
            workspace_id: the workspace that wants to write to them.
            address: their address.
            sender: the address of the account that wants to write to them.
            plan: the plan of the workspace.
        """
        email, now = _normal(address), clock.now()
        try:
            async with self._database.transaction(PATIENT_SECONDS) as session:
                if await queries.has_refused(session, email):
                    raise _NotAsked(f"{email} does not want emails from this server.")
                found = await queries.find(session, workspace_id, email)
                if found is not None and now < found.asked_at + LIFETIME:
                    return _held(found.email, found.id, found.asked_at)
                recipient_id = await self._note_asked(session, workspace_id, email, plan, now)
        except (_NotAsked, PlanEmailsExhausted) as error:
            metrics.recipient_confirmations.labels("not_asked").inc()
            return Hold(str(error))
        return await self._send(recipient_id, email, sender, now)

    async def _note_asked(
        self, session: Session, workspace_id: UUID, email: str, plan: PlanLimits, now: datetime
    ) -> UUID:
        # This locks the row of the quota, so transactions of the workspace count its recipients one after the other.
        await quotas.take(session, workspace_id, plan, Quota.EMAILS_PER_DAY)
        asked = await queries.asked_by(session, workspace_id, now - _DAY, WORKSPACE_ASKS_A_DAY)
        if asked >= WORKSPACE_ASKS_A_DAY:
            raise _NotAsked(
                f"{email} has not confirmed that they want emails of this workspace. stepIQ did not ask them, because the workspace "
                f"has asked {asked} recipients within 24 hours, which is the maximum. Redeliver the email tomorrow."
            )
        if not await queries.count_ask(session, email, now, ASKED_A_DAY):
            raise _NotAsked(
                f"{email} has not confirmed that they want emails of this workspace. stepIQ did not ask them, because it has asked "
                f"them {ASKED_A_DAY} times today, which is the maximum. Redeliver the email tomorrow."
            )
        recipient_id = await queries.note_asked(
            session, ids.uuid7(), workspace_id, email, now=now, unless_since=now - LIFETIME
        )
        if recipient_id is None:
            raise _NotAsked(f"stepIQ is asking {email} to confirm. Redeliver the email.")
        return recipient_id

    async def _send(self, recipient_id: UUID, email: str, sender: str, now: datetime) -> Hold:
        expires_at = int((now + LIFETIME).timestamp())
        token = self._tokens.make(recipient_id.bytes + expires_at.to_bytes(_EXPIRY_BYTES))
        try:
            await self._mailer.send(_message(email, sender, self._base_url, token))
        except MailUnsent as error:
            reason = error.confidential_reason
            if not error.is_permanent:
                async with self._database.transaction(PATIENT_SECONDS) as session:
                    await queries.forget(session, recipient_id)
            log.warning("recipient_mail_unsent", recipient_id=str(recipient_id), reason=reason)
            metrics.recipient_confirmations.labels("unsent").inc()
            return Hold(
                f"{email} must confirm first, but the email that asks them was not sent. {reason}"
            )
        metrics.recipient_confirmations.labels("asked").inc()
        return _held(email, recipient_id, now)

    async def confirm(self, session: Session, token: str, engine: Engine) -> Answered:
        """Note that a recipient wants the emails of a workspace, and send those that are held.

        Raises:
            RecipientLinkInvalid: the token is not valid, or has expired.
        """
        recipient = await self._named(session, token)
        await queries.confirm(session, recipient.id, clock.now())
        await queries.forget_refusal(session, recipient.email)
        released = await self._release(session, recipient.id, engine)
        metrics.recipient_confirmations.labels("confirmed").inc()
        return Answered(recipient.email, is_confirmed=True, released=released)

    async def refuse(self, session: Session, token: str) -> Answered:
        """Note that a recipient wants neither the emails of a workspace nor to be asked by another one.

        Raises:
            RecipientLinkInvalid: the token is not valid, or has expired.
        """
        recipient = await self._named(session, token)
        await queries.refuse(session, recipient.id, recipient.email, clock.now())
        metrics.recipient_confirmations.labels("refused").inc()
        return Answered(recipient.email, is_confirmed=False)

    async def _named(self, session: Session, token: str) -> queries.Recipient:
        claim = self._tokens.read(token)
        if claim is None:
            raise RecipientLinkInvalid
        expires_at = datetime.fromtimestamp(int.from_bytes(claim[_ID_BYTES:]), UTC)
        found = await queries.lock(session, UUID(bytes=claim[:_ID_BYTES]))
        if found is None or clock.now() >= expires_at:
            raise RecipientLinkInvalid
        return found

    async def _release(self, session: Session, recipient_id: UUID, engine: Engine) -> int:
        held = await delivery_queries.release(
            session, recipient_id, clock.now() - LIFETIME, _RELEASED
        )
        if held:
            waiting = await delivery_queries.pending(session, held[0].workspace_id)
            await engine.send(
                session,
                [NewDelivery(each.id, waiting, each.ticket) for each in held],
            )
        return len(held)


def _normal(address: str) -> str:
    return address.strip().lower()


def _held(email: str, recipient_id: UUID, asked_at: datetime) -> Hold:
    until = clock.readable(asked_at + LIFETIME)
    return Hold(
        f"{email} has not confirmed that they want emails of this workspace. stepIQ asked them by email on "
        f"{clock.readable(asked_at)}, and sends this email if they confirm by {until}.",
        recipient_id,
    )


def _message(email: str, sender: str, base_url: str, token: str) -> Message:
    # The workspace chooses no text of this email. Otherwise, the server would send its text to others.
    return Message(
        email,
        "Confirm that you want emails from stepIQ",
        f"""\
{sender} wants to send you emails with stepIQ at {base_url}
They contain results of pipelines, or ask you to review something.

To receive them, or to stop such requests, open this link within seven days:

{base_url}{PAGE_PATH}#token={token}

If you ignore this email, you do not get them.
""",
    )
