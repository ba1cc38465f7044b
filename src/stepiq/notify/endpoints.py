"""Routes of deliveries."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import Query

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.billing.errors import PlanWebhooksDisabled
from stepiq.billing.plans import Plans
from stepiq.notify import queries, schemas, service
from stepiq.notify.errors import DeliveryNotFound, DeliveryPending, NoDeliveryTargets
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


@router.get("/runs/{run_id}/deliveries", responses=problems(RunNotFound, ScopeMissing))
async def list_run_deliveries(
    caller: Reader, read: Read, page: PageQuery, run_id: UUID
) -> Page[schemas.DeliveryView]:
    """What left after a run, newest first, with every attempt."""
    await runs.progress(read, caller, run_id)
    statement = queries.of_run_statement(run_id, before=page.before, limit=page.fetch)
    found = await queries.page(read, statement)
    return page.page(found, schemas.delivery_view, lambda delivery: delivery.id)


@router.get(
    "/pipelines/{pipeline_id}/deliveries", responses=problems(PipelineNotFound, ScopeMissing)
)
async def list_pipeline_deliveries(
    caller: Reader,
    read: Read,
    page: PageQuery,
    pipeline_id: UUID,
    status: Annotated[
        DeliveryStatus | None, Query(description="`failed` lists what can be redelivered.")
    ] = None,
) -> Page[schemas.DeliveryView]:
    """What left after runs of a pipeline, and its test events, newest first, with every attempt."""
    await pipelines.get(read, caller, pipeline_id)
    statement = queries.of_pipeline_statement(
        pipeline_id, status=status, before=page.before, limit=page.fetch
    )
    found = await queries.page(read, statement)
    return page.page(found, schemas.delivery_view, lambda delivery: delivery.id)


@router.post(
    "/pipelines/{pipeline_id}/deliveries/test",
    status_code=202,
    responses=problems(PipelineNotFound, NoDeliveryTargets, PlanWebhooksDisabled, ScopeMissing),
)
async def test_deliveries(
    caller: Executor, services: ServicesDep, tx: Tx, pipeline_id: UUID
) -> schemas.DeliveriesView:
    """Send a test event to every webhook and email target of the current version, signed and tried like any other.

    Its `event` is `pipeline.test`, it says `"test": true`, and its run and output are samples.
    """
    recorded = await service.test(
        tx,
        caller,
        pipeline_id,
        engine=services.engine,
        plan=cast(Plans, services.plans).get(caller.plan),
    )
    return schemas.DeliveriesView(data=[schemas.delivery_view(each) for each in recorded])


@router.get("/deliveries/{delivery_id}", responses=problems(DeliveryNotFound, ScopeMissing))
async def get_delivery(caller: Reader, read: Read, delivery_id: UUID) -> schemas.DeliveryView:
    """A delivery with every attempt."""
    return schemas.delivery_view(await service.get(read, caller, delivery_id))


@router.post(
    "/deliveries/{delivery_id}/redeliver",
    responses=problems(DeliveryNotFound, DeliveryPending, PlanWebhooksDisabled, ScopeMissing),
)
async def redeliver(
    caller: Executor, services: ServicesDep, tx: Tx, delivery_id: UUID
) -> schemas.DeliveryView:
    """Send a delivered or failed delivery again, up to four more times. Its id stays, and attempts go on counting."""
    reopened = await service.redeliver(
        tx,
        caller,
        delivery_id,
        engine=services.engine,
        plan=cast(Plans, services.plans).get(caller.plan),
    )
    return schemas.delivery_view(reopened)
