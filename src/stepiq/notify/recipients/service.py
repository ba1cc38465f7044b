"""Confirmation by email recipients who are not members of the workspace.

With open registration, anyone could use the server to send email to other people. A recipient who has not confirmed
gets one confirmation email with a link and no text of the workspace. Other emails are held until they confirm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from stepiq.accounts.audit import recording as audit
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.core import clock, ids
from stepiq.core.keys.encryption import ExpiringTokens
from stepiq.core.mail import Mailer, MailMessage, MailUnsent
from stepiq.core.observability import logging, metrics
from stepiq.core.settings.model import Settings
from stepiq.execution.limits import mailboxes, quotas
from stepiq.execution.limits.mailboxes import ASKED_A_DAY
from stepiq.execution.limits.plans import Plan
from stepiq.execution.limits.quotas import PlanEmailsExhausted, Quota
from stepiq.execution.records.run import NewDelivery
from stepiq.execution.runtime import Engine
from stepiq.notify import queries as delivery_queries
from stepiq.notify.errors import RecipientLinkExpired, RecipientLinkInvalid
from stepiq.notify.recipients import queries
from stepiq.notify.recipients.queries import Recipient, RecipientStatus
from stepiq.store.database import PATIENT_SECONDS, Database, Session


async def _record_answer(session: Session, action: Action, recipient: Recipient) -> None:
    """Record that a recipient agreed to emails or refused them, with a link from an email."""
    await audit.record(
        session,
        By(ActorKind.LINK, recipient.workspace_id, None, recipient.email),
        action,
        AuditTarget(AuditTargetType.RECIPIENT, recipient.id, recipient.email),
    )


PAGE_PATH = "/confirm-recipient"


@dataclass(frozen=True, slots=True)
class RecipientLink:
    """The signed content of a link's token."""

    recipient_id: UUID
    confirms_until: datetime
    """May be in the past. The link can then only refuse."""


class RecipientLinks:
    """Creates links and verifies their tokens. Links are not stored; the token is in the URL fragment, as in `runs.links`."""

    def __init__(self, settings: Settings) -> None:
        self._base_url = settings.base_url
        self._tokens = ExpiringTokens(settings, b"stepiq recipients")

    def url(self, link: RecipientLink) -> str:
        """The address of the page that confirms or refuses."""
        return f"{self._base_url}{PAGE_PATH}#token={self.token(link)}"

    def token(self, link: RecipientLink) -> str:
        """The token of a link."""
        return self._tokens.make(link.recipient_id, link.confirms_until)

    def read(self, token: str) -> RecipientLink:
        """Verify a token and return its content. The time limit is not checked.

        Raises:
            RecipientLinkInvalid: this server did not create the token.
        """
        claim = self._tokens.read(token)
        if claim is None:
            raise RecipientLinkInvalid
        return RecipientLink(*claim)


LIFETIME = timedelta(days=7)
"""How long a link can confirm, and how long emails are held. After that, the next email triggers another request."""
WORKSPACE_ASKS_A_DAY = 50
"""How many addresses one workspace may ask within 24 hours."""
RELEASED = 100
"""Maximum number of held emails that one confirmation sends."""

_DAY = timedelta(days=1)
_TRYING = timedelta(minutes=5)
"""How long a process may take to send a confirmation email before another process may retry."""

log = logging.get(__name__)


class _NotAsked(Exception):
    """The recipient cannot be asked. The message contains the reason."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a workspace may send email to an address."""

    is_given: bool
    stop_url: str | None = None
    """Link with which a recipient who has confirmed can stop the emails; None if no confirmation is needed."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an email is not sent now."""

    reason: str
    recipient_id: UUID | None = None
    """The recipient whose confirmation releases it; None if only a redelivery can send it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The result of confirming or refusing."""

    email: str
    is_confirmed: bool
    released: int = 0
    """Held emails that are sent now."""


class Recipients:
    """Asks recipients to confirm, and checks whether they have."""

    def __init__(self, settings: Settings, database: Database, mailer: Mailer) -> None:
        self._is_on = settings.confirms_recipients
        self._base_url = settings.base_url
        self._database = database
        self._mailer = mailer
        self._links = RecipientLinks(settings)

    async def consent(self, session: Session, workspace_id: UUID, address: str) -> Consent:
        """Whether a workspace may send email to an address now. A refusal also counts if confirmation is turned off."""
        email = _normal(address)
        if not self._is_on and not await mailboxes.has_refused(session, email):
            return Consent(is_given=True)
        if await queries.is_member(session, workspace_id, email):
            return Consent(is_given=True)
        found = await queries.find(session, workspace_id, email)
        if found is None or found.confirmed_at is None:
            return Consent(is_given=False)
        link = RecipientLink(found.id, clock.now() + LIFETIME)
        return Consent(is_given=True, stop_url=self._links.url(link))

    async def has_confirmed(self, session: Session, recipient_id: UUID) -> bool:
        """Whether a recipient has confirmed. The row is locked, so the answer holds until this transaction ends."""
        found = await queries.lock(session, recipient_id)
        return found is not None and found.confirmed_at is not None

    async def ask(self, workspace_id: UUID, address: str, sender: str, plan: Plan) -> Hold:
        """Ask a recipient to confirm, unless they were asked or have refused; returns why the email is held.

        `sender` is the address of the sending account.
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
        self, session: Session, workspace_id: UUID, email: str, plan: Plan
    ) -> Recipient | Hold:
        if await mailboxes.has_refused(session, email):
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
            f"{email} has not confirmed that they want emails from this workspace. The email that asks for this has not been sent "
            f"yet. stepIQ sends this email if they confirm by {until}. To ask them again, redeliver this email after "
            f"{clock.readable(found.retry_at)}.",
            found.id,
        )

    async def _count(
        self, session: Session, workspace_id: UUID, email: str, plan: Plan, now: datetime
    ) -> None:
        # This locks the quota's row, which serializes counting the workspace's recipients.
        await quotas.take(session, workspace_id, plan, Quota.EMAILS_PER_DAY)
        most = WORKSPACE_ASKS_A_DAY
        if await queries.asked_by(session, workspace_id, now - _DAY, most + 1) > most:
            raise _NotAsked(
                f"{email} has not confirmed that they want emails from this workspace. stepIQ did not ask them, because the workspace "
                f"has asked {most} recipients within 24 hours, which is the maximum. Redeliver the email tomorrow."
            )
        if not await mailboxes.count(session, email, now):
            raise _NotAsked(
                f"{email} has not confirmed that they want emails from this workspace. stepIQ did not ask them, because it has asked "
                f"or invited them {ASKED_A_DAY} times today, which is the maximum. Redeliver the email tomorrow."
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
        reason = error.reason_for_users(has_link=True)
        # The mail server would refuse the address again, and repeated refusals harm the sender's reputation.
        retry_at = asked.asked_at + _DAY if error.is_permanent else None
        async with self._database.transaction(PATIENT_SECONDS) as session:
            await queries.note_unsent(session, asked, retry_at)
        log.warning(
            "recipient_mail_unsent", recipient_id=str(asked.id), reason=error.confidential_reason
        )
        metrics.recipient_confirmations.labels("unsent").inc()
        advice = "Redeliver this email to try again."
        if retry_at is not None:
            advice = f"Check the address. To try again, redeliver this email after {clock.readable(retry_at)}."
        return Hold(
            f"{asked.email} must confirm first, but the email that asks for this was not sent. {reason} {advice}",
            asked.id,
        )


async def statuses(
    session: Session, recipients: Sequence[Recipient]
) -> dict[UUID, RecipientStatus]:
    """Whether recipients want the emails of their workspace, by their ids."""
    refused = await mailboxes.refused(session, {each.email for each in recipients})
    now = clock.now()
    return {each.id: _status(each, each.email in refused, now) for each in recipients}


def _status(recipient: Recipient, is_refused: bool, now: datetime) -> RecipientStatus:
    if recipient.confirmed_at is not None:
        return RecipientStatus.CONFIRMED
    if is_refused:
        return RecipientStatus.REFUSED
    if recipient.asked_at + LIFETIME <= now:
        return RecipientStatus.EXPIRED
    return RecipientStatus.NOT_ASKED if recipient.sent_at is None else RecipientStatus.ASKED


async def confirm(session: Session, link: RecipientLink, engine: Engine) -> Answered:
    """Record that a recipient wants a workspace's emails, and send held emails.

    Raises:
        RecipientLinkExpired: the link can only refuse now.
        RecipientLinkInvalid: the recipient does not exist.
    """
    now = clock.now()
    if now >= link.confirms_until:
        raise RecipientLinkExpired(link.confirms_until)
    recipient = await _lock(session, link)
    await queries.confirm(session, recipient.id, now)
    await mailboxes.forget_refusal(session, recipient.email)
    held = await delivery_queries.release(session, recipient.id, now - LIFETIME, RELEASED)
    if held:
        waiting = await delivery_queries.pending(session, held[0].workspace_id)
        await engine.send(session, [NewDelivery(each.id, waiting, each.ticket) for each in held])
    metrics.recipient_confirmations.labels("confirmed").inc()
    await _record_answer(session, Action.RECIPIENT_CONFIRMED, recipient)
    return Answered(recipient.email, is_confirmed=True, released=len(held))


async def refuse(session: Session, link: RecipientLink) -> Answered:
    """Record that a recipient refuses a workspace's emails and requests of other workspaces. Held emails are dropped.

    Raises:
        RecipientLinkInvalid: the recipient does not exist.
    """
    recipient = await _lock(session, link)
    await queries.confirm(session, recipient.id, None)
    await mailboxes.note_refusal(session, recipient.email, clock.now())
    await delivery_queries.drop_held(session, recipient.id, _refused(recipient.email))
    metrics.recipient_confirmations.labels("refused").inc()
    await _record_answer(session, Action.RECIPIENT_REFUSED, recipient)
    return Answered(recipient.email, is_confirmed=False)


async def _lock(session: Session, link: RecipientLink) -> Recipient:
    found = await queries.lock(session, link.recipient_id)
    if found is None:
        raise RecipientLinkInvalid
    return found


def _normal(address: str) -> str:
    return address.strip().lower()


def _until(recipient: Recipient) -> str:
    return clock.readable(recipient.asked_at + LIFETIME)


def _refused(email: str) -> str:
    return f"{email} does not want emails from this server. Remove the address from the pipeline."


def _held(recipient: Recipient) -> Hold:
    until = _until(recipient)
    return Hold(
        f"{recipient.email} has not confirmed that they want emails from this workspace. stepIQ asked them by email on "
        f"{clock.readable(recipient.sent_at or recipient.asked_at)}, and sends this email if they confirm by {until}.",
        recipient.id,
    )


def _message(email: str, sender: str, base_url: str, url: str, until: datetime) -> MailMessage:
    # No text comes from the workspace. Otherwise, a workspace could send its text to strangers.
    return MailMessage(
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
