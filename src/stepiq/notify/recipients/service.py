"""Recipients of email who are not members of the workspace: they confirm once that they want its emails.

Where strangers can register, anyone could let the server write to other people. A recipient who has not confirmed gets one
email that asks for it, with a link. It contains no text of the workspace. Until they confirm, other emails are held.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.core import addresses, clock, ids, logging, metrics
from stepiq.core.mail import Mailer, MailUnsent, Message
from stepiq.core.settings import Settings
from stepiq.execution import quotas
from stepiq.execution.quotas import PlanEmailsExhausted, PlanLimits, Quota
from stepiq.execution.records import NewDelivery
from stepiq.execution.runtime import Engine
from stepiq.notify import queries as delivery_queries
from stepiq.notify.errors import RecipientLinkExpired, RecipientLinkInvalid
from stepiq.notify.recipients import queries
from stepiq.notify.recipients.links import RecipientLink, RecipientLinks
from stepiq.notify.recipients.queries import Recipient
from stepiq.store.database import PATIENT_SECONDS, Database, Session

LIFETIME = timedelta(days=7)
"""How long a link confirms, and how long emails are held. After that, the next email asks again."""
ASKED_A_DAY = 3
"""How many workspaces may ask one mailbox in a day."""
WORKSPACE_ASKS_A_DAY = 50
"""How many addresses one workspace may ask in a day."""
RELEASED = 100
"""How many held emails one confirmation sends."""

_DAY = timedelta(days=1)
_TRYING = timedelta(minutes=5)
"""How long a process has for one try to send the email that asks, before another process may try."""

log = logging.get(__name__)


class _NotAsked(Exception):
    """A recipient is not asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a workspace may send email to an address."""

    is_given: bool
    stop_url: str | None = None
    """Link with which a recipient who has confirmed can stop the emails; None for members."""


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
    """Asks recipients, and knows who has confirmed."""

    def __init__(self, settings: Settings, database: Database, mailer: Mailer) -> None:
        self._is_on = settings.confirms_recipients
        self._base_url = settings.base_url
        self._database = database
        self._mailer = mailer
        self._links = RecipientLinks(settings)

    async def consent(self, session: Session, workspace_id: UUID, address: str) -> Consent:
        """Whether a workspace may send email to an address now."""
        email = _normal(address)
        if not self._is_on or await queries.is_member(session, workspace_id, email):
            return Consent(is_given=True)
        found = await queries.find(session, workspace_id, email)
        if found is None or found.confirmed_at is None:
            return Consent(is_given=False)
        link = RecipientLink(found.id, clock.now() + LIFETIME)
        return Consent(is_given=True, stop_url=self._links.url(link))

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
        email = _normal(address)
        try:
            async with self._database.transaction(PATIENT_SECONDS) as session:
                begun = await self._begin(session, workspace_id, email, plan)
        except (_NotAsked, PlanEmailsExhausted) as error:
            metrics.recipient_confirmations.labels("not_asked").inc()
            return Hold(str(error))
        return begun if isinstance(begun, Hold) else await self._send(begun, sender)

    async def _begin(
        self, session: Session, workspace_id: UUID, email: str, plan: PlanLimits
    ) -> Recipient | Hold:
        if await queries.has_refused(session, _mailbox(email)):
            raise _NotAsked(_refused(email))
        now = clock.now()
        begun = await queries.begin_ask(
            session,
            ids.uuid7(),
            workspace_id,
            email,
            now=now,
            lifetime=LIFETIME,
            retried_within=_DAY,
            trying=_TRYING,
        )
        if begun is None:
            return await self._waiting(session, workspace_id, email)
        if begun.asked_at == now:
            await self._count(session, workspace_id, email, plan, now)
        return begun

    async def _waiting(self, session: Session, workspace_id: UUID, email: str) -> Hold:
        found = await queries.find(session, workspace_id, email)
        assert found is not None  # noqa: S101 - recipients are never deleted
        if found.sent_at is not None or found.retry_at is None:
            return _held(found)
        until = _until(found)
        return Hold(
            f"{email} has not confirmed that they want emails of this workspace. The email that asks them has not been sent "
            f"yet. stepIQ sends this email if they confirm by {until}. To ask them again, redeliver this email after "
            f"{clock.readable(found.retry_at)}.",
            found.id,
        )

    async def _count(
        self, session: Session, workspace_id: UUID, email: str, plan: PlanLimits, now: datetime
    ) -> None:
        # This locks the row of the quota, so transactions of the workspace count its recipients one after the other.
        await quotas.take(session, workspace_id, plan, Quota.EMAILS_PER_DAY)
        most = WORKSPACE_ASKS_A_DAY
        if await queries.asked_by(session, workspace_id, now - _DAY, most + 1) > most:
            raise _NotAsked(
                f"{email} has not confirmed that they want emails of this workspace. stepIQ did not ask them, because the workspace "
                f"has asked {most} recipients within 24 hours, which is the maximum. Redeliver the email tomorrow."
            )
        if not await queries.count_ask(session, _mailbox(email), now, ASKED_A_DAY):
            raise _NotAsked(
                f"{email} has not confirmed that they want emails of this workspace. stepIQ did not ask them, because it has asked "
                f"them {ASKED_A_DAY} times today, which is the maximum. Redeliver the email tomorrow."
            )

    async def _send(self, asked: Recipient, sender: str) -> Hold:
        until = asked.asked_at + LIFETIME
        url = self._links.url(RecipientLink(asked.id, until))
        try:
            await self._mailer.send(_message(asked.email, sender, self._base_url, url, until))
        except MailUnsent as error:
            return await self._unsent(asked, error)
        now = clock.now()
        async with self._database.transaction(PATIENT_SECONDS) as session:
            await queries.note_sent(session, asked, now)
        metrics.recipient_confirmations.labels("asked").inc()
        return _held(replace(asked, sent_at=now))

    async def _unsent(self, asked: Recipient, error: MailUnsent) -> Hold:
        reason = error.confidential_reason
        # A server that refuses an address would refuse it again, and many such emails harm the reputation of the sender.
        retry_at = asked.asked_at + _DAY if error.is_permanent else None
        async with self._database.transaction(PATIENT_SECONDS) as session:
            await queries.note_unsent(session, asked, retry_at)
        log.warning("recipient_mail_unsent", recipient_id=str(asked.id), reason=reason)
        metrics.recipient_confirmations.labels("unsent").inc()
        advice = "Redeliver this email to try again."
        if retry_at is not None:
            advice = f"Check the address. To try again, redeliver this email after {clock.readable(retry_at)}."
        return Hold(
            f"{asked.email} must confirm first, but the email that asks them was not sent. {reason} {advice}",
            asked.id,
        )


async def confirm(session: Session, link: RecipientLink, engine: Engine) -> Answered:
    """Note that a recipient wants the emails of a workspace, and send those that are held.

    Raises:
        RecipientLinkExpired: the link can only refuse by now.
        RecipientLinkInvalid: the recipient does not exist.
    """
    now = clock.now()
    if now >= link.confirms_until:
        raise RecipientLinkExpired(link.confirms_until)
    recipient = await _lock(session, link)
    await queries.confirm(session, recipient.id, now)
    await queries.forget_refusal(session, _mailbox(recipient.email))
    held = await delivery_queries.release(session, recipient.id, now - LIFETIME, RELEASED)
    if held:
        waiting = await delivery_queries.pending(session, held[0].workspace_id)
        await engine.send(session, [NewDelivery(each.id, waiting, each.ticket) for each in held])
    metrics.recipient_confirmations.labels("confirmed").inc()
    return Answered(recipient.email, is_confirmed=True, released=len(held))


async def refuse(session: Session, link: RecipientLink) -> Answered:
    """Note that a recipient wants neither the emails of a workspace nor requests of another one. Held emails are dropped.

    Raises:
        RecipientLinkInvalid: the recipient does not exist.
    """
    recipient = await _lock(session, link)
    await queries.confirm(session, recipient.id, None)
    await queries.note_refusal(session, _mailbox(recipient.email), clock.now())
    await delivery_queries.drop_held(session, recipient.id, _refused(recipient.email))
    metrics.recipient_confirmations.labels("refused").inc()
    return Answered(recipient.email, is_confirmed=False)


async def _lock(session: Session, link: RecipientLink) -> Recipient:
    found = await queries.lock(session, link.recipient_id)
    if found is None:
        raise RecipientLinkInvalid
    return found


def _normal(address: str) -> str:
    return address.strip().lower()


def _mailbox(email: str) -> str:
    """What limits and refusals are counted by: mail for `a+b@x` and `a@x` usually arrives in one mailbox."""
    local, _, domain = (addresses.parse(email) or email).rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain.lower()}"


def _until(recipient: Recipient) -> str:
    return clock.readable(recipient.asked_at + LIFETIME)


def _refused(email: str) -> str:
    return f"{email} does not want emails from this server. Remove the address from the pipeline."


def _held(recipient: Recipient) -> Hold:
    until = _until(recipient)
    return Hold(
        f"{recipient.email} has not confirmed that they want emails of this workspace. stepIQ asked them by email on "
        f"{clock.readable(recipient.sent_at or recipient.asked_at)}, and sends this email if they confirm by {until}.",
        recipient.id,
    )


def _message(email: str, sender: str, base_url: str, url: str, until: datetime) -> Message:
    # The workspace chooses no text of this email. Otherwise, the server would send its text to others.
    return Message(
        email,
        "Confirm that you want emails from stepIQ",
        f"""\
{sender} wants to send you emails with stepIQ at {base_url}
They contain results of pipelines, or ask you to review something.

Open this link to receive these emails, or to refuse them:

{url}

You can confirm until {clock.readable(until)}. You can refuse at any time, even after you have confirmed.
If you ignore this email, you do not get the others.
""",
    )
