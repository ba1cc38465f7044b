"""Records and sends the deliveries of runs that end or wait for a review."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from stepiq.core import clock, ids
from stepiq.core.http import GuardedClient
from stepiq.core.mail import Mailer
from stepiq.core.observability import logging
from stepiq.core.settings.model import Settings
from stepiq.execution.definitions import Definitions
from stepiq.execution.limits.plans import Plans
from stepiq.execution.protocols import SecretReader
from stepiq.execution.records.run import ClaimedRun, Ending, NewDelivery, NewReview
from stepiq.language.definitions.compiled import Definition
from stepiq.notify import queries, reviewing, targets
from stepiq.notify.recipients.service import Recipients
from stepiq.notify.records import ATTEMPTS, Delivery, EventName, NewTarget
from stepiq.notify.reviewing import ReviewMail
from stepiq.runs.links import RunLinks
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.store.database import Database, Session
from stepiq.store.states import DeliveryStatus, RunStatus

if TYPE_CHECKING:
    from stepiq.notify.delivery_worker import DeliveryWorker

log = logging.get(__name__)

_EVENTS = {RunStatus.COMPLETED: EventName.COMPLETED, RunStatus.FAILED: EventName.FAILED}


class DeliveryOutbox:
    """An `execution.protocols.Outbox` that stores deliveries in the database."""

    def __init__(
        self, definitions: Definitions, make_worker: "Callable[[], DeliveryWorker]"
    ) -> None:
        self._definitions = definitions
        self._make_worker = make_worker

    @cached_property
    def _courier(self) -> "DeliveryWorker":
        return self._make_worker()

    async def run_ended(
        self, session: Session, run: ClaimedRun, ending: Ending
    ) -> Sequence[NewDelivery]:
        """Record a delivery for each target of the run's final status. A cancelled run and a draft have none."""
        event = None if run.is_draft else _EVENTS.get(ending.status)
        definition = await self._definition(session, run)
        if event is None or definition is None:
            return ()
        found = targets.of_event(definition, event)
        recorded = await record(
            session,
            found,
            workspace_id=run.workspace_id,
            pipeline_id=run.pipeline_id,
            pipeline_version=run.pipeline_version,
            run_id=run.id,
            event=event,
        )
        return [ticket for _, ticket in recorded]

    async def review_requested(
        self, session: Session, run: ClaimedRun, review: NewReview
    ) -> Sequence[NewDelivery]:
        """Record a mail to each assignee. Its link is created when the mail is sent, and is not stored."""
        if run.is_draft:
            return ()
        recorded = await record(
            session,
            reviewing.targets_of(review),
            workspace_id=run.workspace_id,
            pipeline_id=run.pipeline_id,
            pipeline_version=run.pipeline_version,
            run_id=run.id,
            event=EventName.REVIEW_REQUESTED,
        )
        return [ticket for _, ticket in recorded]

    async def _definition(self, session: Session, run: ClaimedRun) -> Definition | None:
        try:
            return await self._definitions.get(session, run.pipeline_id, run.pipeline_version)
        except DBAPIError:
            # The transaction is aborted: later statements would fail too, and the run with an internal error.
            raise
        except Exception:
            # A version that cannot be read fails its runs. This must not prevent recording the failure.
            log.exception("targets_unreadable", run_id=str(run.id))
            return None

    async def deliver(self, delivery_id: UUID, stopping: asyncio.Event) -> bool:
        """Attempt a delivery until it is final; False if the process stops before that."""
        return await self._courier.deliver(delivery_id, stopping)


async def record(
    session: Session,
    found: Sequence[NewTarget],
    *,
    workspace_id: UUID,
    pipeline_id: UUID,
    pipeline_version: int,
    run_id: UUID | None,
    event: EventName,
) -> list[tuple[Delivery, NewDelivery]]:
    """Insert a delivery for each target; returns each with the values for its ticket.

    The priority of its ticket depends on its position in the workspace's backlog, so that a large backlog does not delay
    others.
    """
    if not found:
        return []
    waiting = await queries.pending(session, workspace_id)
    now = clock.now()
    # Lists sort by id, and ids created in the same millisecond are not ordered.
    in_order = sorted(ids.uuid7() for _ in found)
    recorded = [
        Delivery(
            id=delivery_id,
            workspace_id=workspace_id,
            pipeline_id=pipeline_id,
            pipeline_version=pipeline_version,
            run_id=run_id,
            event=event,
            target_type=target.type,
            target_path=target.path,
            target=target.shown,
            status=DeliveryStatus.PENDING,
            ticket=1,
            claim=0,
            attempts_made=0,
            attempts_allowed=ATTEMPTS,
            error=None,
            created_at=now,
            completed_at=None,
        )
        for delivery_id, target in zip(in_order, found, strict=True)
    ]
    await queries.insert(session, recorded)
    return [
        (delivery, NewDelivery(delivery.id, priority))
        for priority, delivery in enumerate(recorded, start=waiting + 1)
    ]


def build(
    settings: Settings,
    database: Database,
    *,
    definitions: Definitions,
    plans: Plans,
    secrets: SecretReader,
    http: GuardedClient,
    mailer: Mailer,
) -> DeliveryOutbox:
    """Build this server's outbox."""

    def worker() -> "DeliveryWorker":
        # Loaded with the first delivery.
        from stepiq.notify.delivery_worker import DeliveryWorker  # noqa: PLC0415
        from stepiq.notify.preparing import Preparer  # noqa: PLC0415

        retention_days = settings.run_retention_days
        recipients = Recipients(settings, database, mailer)
        preparer = Preparer(
            definitions,
            plans,
            secrets,
            http,
            base_url=settings.base_url,
            run_links=RunLinks(settings),
            review_mail=ReviewMail(definitions, ReviewLinks(settings)),
            recipients=recipients,
            verifies_addresses=settings.verifies_addresses,
            run_retention=timedelta(days=retention_days) if retention_days else None,
        )
        domain = settings.mail_sender[1].rpartition("@")[2]
        return DeliveryWorker(
            database, preparer, http, mailer, recipients, plans=plans, mail_domain=domain
        )

    return DeliveryOutbox(definitions, worker)
