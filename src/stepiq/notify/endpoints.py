"""Routes of deliveries."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.audit.actions import Action
from stepiq.accounts.errors import EmailUnverified, ScopeMissing
from stepiq.accounts.http import needs
from stepiq.billing.errors import PlanWebhooksDisabled
from stepiq.execution.limits.quotas import PlanEmailsExhausted, PlanRedeliveriesExhausted
from stepiq.notify import queries, recorded, schemas, service
from stepiq.notify.errors import (
    AttemptNotFound,
    DeliveryNotFound,
    DeliveryPending,
    NoDeliveryTargets,
    RequestNotRecorded,
)
from stepiq.pipelines import service as pipelines
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.runs import service as runs
from stepiq.runs.errors import RunNotFound
from stepiq.store.states import DeliveryStatus
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep
from stepiq.web.transactions import Read, Tx

router = new_router("Deliveries")

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Executor = Annotated[Actor, needs(Scope.PIPELINES_EXECUTE)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="Number of the attempt.")]


@router.get("/runs/{run_id}/deliveries", responses=problems(RunNotFound, ScopeMissing))
async def list_deliveries_for_run(
    caller: Reader, read: Read, page: PageQuery, run_id: UUID
) -> Page[schemas.DeliveryView]:
    """Deliveries of a run, newest first."""
    await runs.progress(read, caller, run_id)
    statement = queries.of_run_statement(run_id, before=page.before, limit=page.limit)
    page = page.fitting(await queries.sizes(read, statement))
    found = await queries.page(read, statement.limit(page.fetch))
    return page.page(found, schemas.delivery_view, lambda delivery: delivery.id)


@router.get(
    "/pipelines/{pipeline_id}/deliveries", responses=problems(PipelineNotFound, ScopeMissing)
)
async def list_deliveries_for_pipeline(
    caller: Reader,
    read: Read,
    page: PageQuery,
    pipeline_id: UUID,
    status: Annotated[
        DeliveryStatus | None, Query(description="Only deliveries with this status.")
    ] = None,
) -> Page[schemas.DeliveryView]:
    """Deliveries of a pipeline's runs, and its test events, newest first."""
    await pipelines.get(read, caller, pipeline_id)
    statement = queries.of_pipeline_statement(
        pipeline_id, status=status, before=page.before, limit=page.limit
    )
    page = page.fitting(await queries.sizes(read, statement))
    found = await queries.page(read, statement.limit(page.fetch))
    return page.page(found, schemas.delivery_view, lambda delivery: delivery.id)


@router.post(
    "/pipelines/{pipeline_id}/deliveries/test",
    status_code=202,
    responses=problems(
        PipelineNotFound,
        NoDeliveryTargets,
        PlanWebhooksDisabled,
        PlanRedeliveriesExhausted,
        EmailUnverified,
        ScopeMissing,
    ),
)
async def test_deliveries(
    caller: Executor, services: ServicesDep, tx: Tx, pipeline_id: UUID
) -> schemas.DeliveriesView:
    """Send a test event to every webhook and email target of the current version, with signature and retries.

    Its `event` is `pipeline.test`, and `test` is true. Its run and output are examples.
    """
    found = await service.test(
        tx,
        caller,
        pipeline_id,
        engine=services.engine,
        plan=services.plans.get(caller.plan),
        verifies_addresses=services.settings.verifies_addresses,
    )
    await recorded.on_deliveries(tx, caller, Action.DELIVERY_TESTED, found)
    return schemas.DeliveriesView(data=[schemas.view_for(caller, each) for each in found])


@router.get("/deliveries/{delivery_id}", responses=problems(DeliveryNotFound, ScopeMissing))
async def get_delivery(caller: Reader, read: Read, delivery_id: UUID) -> schemas.DeliveryView:
    """A delivery with its attempts."""
    return schemas.delivery_view(await service.get(read, caller, delivery_id))


@router.get(
    "/deliveries/{delivery_id}/attempts/{number}/request",
    responses=problems(DeliveryNotFound, AttemptNotFound, RequestNotRecorded, ScopeMissing),
)
async def get_attempt_request(
    caller: Reader, read: Read, delivery_id: UUID, number: Number
) -> schemas.AttemptRequestView:
    """The request that an attempt of a webhook sent, with its signature."""
    return schemas.request_view(await service.sent_request(read, caller, delivery_id, number))


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    responses=problems(
        DeliveryNotFound,
        DeliveryPending,
        PlanWebhooksDisabled,
        PlanEmailsExhausted,
        PlanRedeliveriesExhausted,
        EmailUnverified,
        ScopeMissing,
    ),
)
async def redeliver(
    caller: Executor, services: ServicesDep, tx: Tx, delivery_id: UUID
) -> schemas.DeliveryView:
    """Repeat a delivered or failed delivery, with up to four new attempts. Its id stays the same.

    The answer to a key without the scope `pipelines:read` has no attempts.
    """
    reopened = await service.redeliver(
        tx,
        caller,
        delivery_id,
        engine=services.engine,
        plan=services.plans.get(caller.plan),
        verifies_addresses=services.settings.verifies_addresses,
    )
    await recorded.on_deliveries(tx, caller, Action.DELIVERY_REPEATED, [reopened])
    return schemas.view_for(caller, reopened)
