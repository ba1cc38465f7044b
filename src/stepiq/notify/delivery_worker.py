"""Attempts deliveries until one attempt succeeds or none is left.

An attempt is recorded before it is sent, so an attempt that a crash interrupts counts. No database connection is held
during the pauses between attempts, or while waiting for a receiver.
"""

import asyncio
import time
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from stepiq.core import clock
from stepiq.core.concurrency.turns import LoopTurns
from stepiq.core.control_characters import storable
from stepiq.core.http import GuardedClient
from stepiq.core.mail import Mailer, MailMessage
from stepiq.core.observability import logging, metrics
from stepiq.execution.limits import quotas
from stepiq.execution.limits.plans import Plans
from stepiq.execution.limits.quotas import PlanEmailsExhausted, Quota
from stepiq.notify import mailing, queries, sending
from stepiq.notify.preparing import Preparer
from stepiq.notify.recipients.service import Recipients
from stepiq.notify.records import (
    PAUSES,
    Attempt,
    Delivery,
    MailCall,
    ShownTarget,
    SignedRequest,
    Unconfirmed,
    Unsendable,
    Verdict,
    WebhookCall,
)
from stepiq.queue import tickets
from stepiq.queue.ticket import Ticket
from stepiq.redaction.masking import masked
from stepiq.store.database import PATIENT_SECONDS, Database, Session, StoreUnavailable
from stepiq.store.states import DeliveryStatus
from stepiq.store.write_batching import SharedTransactions

log = logging.get(__name__)

_STORE_RETRY_SECONDS = 1.0
_INTERNAL = "stepIQ could not send this because of a bug. The server's log has the details under delivery_id"


class DeliveryWorker:
    """Sends deliveries to their targets. It keeps no state between deliveries."""

    def __init__(
        self,
        database: Database,
        preparer: Preparer,
        http: GuardedClient,
        mailer: Mailer,
        recipients: Recipients,
        *,
        plans: Plans,
        mail_domain: str,
    ) -> None:
        self._database = database
        self._writes = SharedTransactions(database)
        self._preparer = preparer
        self._http = http
        self._mailer = mailer
        self._recipients = recipients
        self._plans = plans
        self._mail_domain = mail_domain
        # After a start, the attempts of all interrupted deliveries are due at once.
        self._turns = LoopTurns()

    async def deliver(self, delivery_id: UUID, stopping: asyncio.Event) -> bool:
        """Claim a delivery and attempt it until it is final; False if the process stops before that."""
        with logging.bound(delivery_id=str(delivery_id)):
            while not stopping.is_set():
                try:
                    return await self._deliver_once(delivery_id, stopping)
                except StoreUnavailable:
                    log.warning("delivery_waits_for_store")
                    await _pause(_STORE_RETRY_SECONDS, stopping)
            return False

    async def _deliver_once(self, delivery_id: UUID, stopping: asyncio.Event) -> bool:
        delivery = await self._writes.run(
            lambda session: self._claim(session, delivery_id), delivery_id
        )
        if delivery is None:
            return True
        try:
            return await self._deliver_claimed(delivery, stopping)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("delivery_broke")
            await self._fail(delivery, f"{_INTERNAL} {delivery_id}.")
            return True

    async def _claim(self, session: Session, delivery_id: UUID) -> Delivery | None:
        """Claim a delivery; None if it is final, or another worker has reclaimed its ticket from this one."""
        if not self._database.is_sqlite:
            # While the row is locked, a worker that reclaims the ticket cannot claim the delivery.
            ticket = await queries.lock_ticket(session, delivery_id)
            if ticket is None or await tickets.lost(session, [Ticket(delivery_id, ticket)]):
                return None
        return await queries.claim(session, delivery_id)

    async def _deliver_claimed(self, delivery: Delivery, stopping: asyncio.Event) -> bool:
        if delivery.attempts_made >= delivery.attempts_allowed:
            # The last attempt was interrupted.
            await self._fail(delivery, delivery.attempts[-1].error or _INTERNAL)
            return True
        while delivery.status is DeliveryStatus.PENDING:
            if not await _pause(_seconds_until(delivery.due_at), stopping):
                return False
            late = max(0.0, -_seconds_until(delivery.due_at))
            await self._turns.take(delivery.workspace_id, late)
            after = await self._attempt(delivery)
            if after is None:
                return True
            delivery = after
        return True

    async def _attempt(self, delivery: Delivery) -> Delivery | None:
        """The delivery after one more attempt; None if it ended without one, or the claim was lost."""
        async with self._database.reading() as session:
            call = await self._preparer.prepare(session, delivery)
        if isinstance(call, Unsendable):
            await self._fail(delivery, await _masked(call, call.reason))
            return None
        if isinstance(call, Unconfirmed):
            return await self._hold(delivery, call)
        attempt = Attempt(number=delivery.attempts_made + 1, at=clock.now())
        is_webhook = isinstance(call, WebhookCall)
        request = sending.sign(delivery, call, attempt) if is_webhook else call
        try:
            has_begun = await self._begin(delivery, attempt, request, call.shown)
        except PlanEmailsExhausted as error:
            await self._fail(delivery, error.message)
            return None
        if not has_begun:
            log.info("delivery_claim_lost")
            return None
        verdict, attempt = await self._timed(delivery, request, attempt)
        return await self._settle(delivery, attempt, verdict)

    async def _begin(
        self,
        delivery: Delivery,
        attempt: Attempt,
        request: SignedRequest | MailCall,
        shown: ShownTarget,
    ) -> bool:
        is_webhook = isinstance(request, SignedRequest)
        sent = request.sent if is_webhook else None

        async def begin(session: Session) -> bool:
            return await queries.begin(session, delivery, attempt, shown, sent)

        if is_webhook or not delivery.is_first_attempt:
            return await self._writes.run(begin, delivery.id)
        # Not in a shared transaction: deliveries would wait for the row locks of each other's workspaces.
        async with self._database.transaction(PATIENT_SECONDS) as session:
            if not await begin(session):
                return False
            plan = self._plans.get(await queries.plan(session, delivery.workspace_id))
            await quotas.take(session, delivery.workspace_id, plan, Quota.EMAILS_PER_DAY)
            return True

    async def _timed(
        self, delivery: Delivery, request: SignedRequest | MailCall, attempt: Attempt
    ) -> tuple[Verdict, Attempt]:
        started = time.perf_counter()
        verdict = await self._send(delivery, request)
        duration_ms = round((time.perf_counter() - started) * 1000)
        return verdict, replace(attempt, duration_ms=duration_ms, completed_at=clock.now())

    async def _send(self, delivery: Delivery, call: SignedRequest | MailCall) -> Verdict:
        if isinstance(call, SignedRequest):
            verdict = await sending.send(self._http, call)
        else:
            verdict = await self._send_mail(delivery, call)
        if verdict.error is None:
            return verdict
        return replace(verdict, error=await _masked(call, verdict.error))

    async def _send_mail(self, delivery: Delivery, call: MailCall) -> Verdict:
        # The same for all attempts, so that a mail program shows a mail that arrives twice only once.
        message_id = f"<{delivery.id}@{self._mail_domain}>"
        message = MailMessage(call.to, call.subject, call.text, headers={"Message-ID": message_id})
        return await mailing.send(self._mailer, message, is_confidential=call.is_confidential)

    async def _settle(self, delivery: Delivery, attempt: Attempt, verdict: Verdict) -> Delivery:
        status = DeliveryStatus.PENDING
        if verdict.is_delivered:
            status = DeliveryStatus.DELIVERED
        elif not verdict.is_retryable or attempt.number >= delivery.attempts_allowed:
            status = DeliveryStatus.FAILED

        async def end(session: Session) -> None:
            is_ours = await queries.end(session, delivery, attempt, verdict, status)
            if is_ours and status is not DeliveryStatus.PENDING:
                await tickets.finish(session, [Ticket(delivery.id, delivery.ticket)])

        while True:
            try:
                await self._writes.run(end, delivery.id)
                break
            except StoreUnavailable:
                # The attempt has been sent. If it were not recorded, it would be sent again.
                log.warning("delivery_waits_for_store")
                await asyncio.sleep(_STORE_RETRY_SECONDS)
        result = "retried" if status is DeliveryStatus.PENDING else str(status)
        metrics.delivery_attempts.labels(delivery.target_type, result).inc()
        log.info(
            "delivery_attempted",
            number=attempt.number,
            status=str(status),
            status_code=verdict.status_code,
            duration_ms=attempt.duration_ms,
        )
        return replace(
            delivery,
            status=status,
            attempts_made=attempt.number,
            attempts=[*delivery.attempts, attempt],
        )

    async def _hold(self, delivery: Delivery, call: Unconfirmed) -> Delivery | None:
        """Ask the recipient to confirm, and fail the delivery until then; returns it if they have already confirmed."""
        plan = self._plans.get(await self._plan_of(delivery))
        hold = await self._recipients.ask(delivery.workspace_id, call.to, call.sender, plan)
        # Not in a shared transaction: deliveries would wait for the locks of each other's recipients.
        async with self._database.transaction(PATIENT_SECONDS) as session:
            recipient_id = hold.recipient_id
            if recipient_id and await self._recipients.has_confirmed(session, recipient_id):
                return delivery
            if await queries.fail(
                session, delivery, hold.reason, clock.now(), recipient_id=recipient_id
            ):
                await tickets.finish(session, [Ticket(delivery.id, delivery.ticket)])
        log.info("delivery_held", target_path=delivery.target_path)
        return None

    async def _plan_of(self, delivery: Delivery) -> str:
        async with self._database.reading() as session:
            return await queries.plan(session, delivery.workspace_id)

    async def _fail(self, delivery: Delivery, reason: str) -> None:
        async def fail(session: Session) -> None:
            if await queries.fail(session, delivery, reason, clock.now()):
                await tickets.finish(session, [Ticket(delivery.id, delivery.ticket)])

        await self._writes.run(fail, delivery.id)
        log.info("delivery_failed", target_path=delivery.target_path)


async def _masked(call: Unsendable | SignedRequest | MailCall, error: str) -> str:
    """An error as it is recorded. Every error of preparing or sending a call goes through this function."""
    masker = call.masker
    return await masked(masker.text, storable(error), apart=masker.is_slow(len(error)))


def _seconds_until(due_at: datetime | None) -> float:
    if due_at is None:
        return 0.0
    left = (due_at - clock.now()).total_seconds()
    # Limits the pause if the clock was set back.
    return min(left, PAUSES[-1].total_seconds())


async def _pause(seconds: float, stopping: asyncio.Event) -> bool:
    """Wait; returns False as soon as the process stops."""
    if seconds > 0:
        try:
            async with asyncio.timeout(seconds):
                await stopping.wait()
        except TimeoutError:
            return True
    return not stopping.is_set()
