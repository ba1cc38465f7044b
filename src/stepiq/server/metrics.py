"""`/metrics`: what the process counts, for a Prometheus on this machine or one that shows the operator's token."""

import asyncio
import hmac
import math
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from stepiq.accounts.origin import is_direct_loopback
from stepiq.core import metrics
from stepiq.core.errors import Forbidden, Unauthenticated
from stepiq.engine import backlog
from stepiq.engine.backlog import Backlog
from stepiq.engine.tickets import Queue
from stepiq.store.database import StoreUnavailable
from stepiq.web.problems import problems
from stepiq.web.services import Services, ServicesDep

_PATIENCE_SECONDS = 2.0
# As what is in hand is labelled.
_WORK = {Queue.RUNS: "run", Queue.DELIVERIES: "delivery"}

router = APIRouter(tags=["Health"])


class MetricsClosed(Forbidden):
    """Metrics are available only on the server's own machine, unless the operator sets a token."""

    code = "metrics_closed"


class MetricsTokenInvalid(Unauthenticated):
    """The token for metrics is missing or wrong."""

    code = "metrics_token_invalid"


async def _reader(request: Request, services: ServicesDep) -> None:
    if is_direct_loopback(request):
        return
    token = services.settings.metrics_token
    if token is None:
        raise MetricsClosed(
            "Metrics are available only on the server's own machine. To read them from another machine, the operator must set "
            "STEPIQ_METRICS_TOKEN."
        )
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    wanted = token.get_secret_value().encode()
    if scheme.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), wanted):
        raise MetricsTokenInvalid(
            "Send the server's STEPIQ_METRICS_TOKEN as `Authorization: Bearer TOKEN`."
        )


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Metrics in Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(MetricsClosed, MetricsTokenInvalid),
    },
)
async def read_metrics(
    services: ServicesDep, _reader: Annotated[None, Depends(_reader)]
) -> Response:
    """Metrics of this process, in Prometheus's text format.

    Accepts requests from the server's own machine, and requests with the operator's `STEPIQ_METRICS_TOKEN` as a bearer token.
    """
    metrics.worker_ready.set(services.engine.is_ready)
    for pool, used in services.database.connections().items():
        metrics.store_connections.labels(pool).set(used)
    _tell(await _look(services))
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


async def _look(services: Services) -> Backlog | None:
    """What waits; None when the store does not say so soon enough for a scrape."""
    try:
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            services.database.reading() as session,
        ):
            return await backlog.read(session)
    except (StoreUnavailable, TimeoutError):
        return None


def _tell(found: Backlog | None) -> None:
    metrics.store_up.set(found is not None)
    if found is None:
        # What was so a while ago is no answer.
        metrics.tickets_waiting.clear()
        metrics.oldest_ticket_age.clear()
        metrics.runs_held.set(math.nan)
        return
    for queue, waiting in found.queues.items():
        metrics.tickets_waiting.labels(_WORK[queue]).set(waiting.number)
        metrics.oldest_ticket_age.labels(_WORK[queue]).set(waiting.oldest_seconds)
    metrics.runs_held.set(found.held_runs)
