"""`/metrics`: metrics of this process.

The API's listener requires the operator's token. A separate listener on loopback does not. The API's listener does not
trust loopback addresses, because a reverse proxy connects from loopback too.
"""

import asyncio
import hmac
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request, Response

from stepiq.core.concurrency import tasks
from stepiq.core.errors import Forbidden, Unauthenticated
from stepiq.core.observability import metrics
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.queue import backlog
from stepiq.queue.backlog import Backlog
from stepiq.queue.ticket import Queue
from stepiq.store.database import StoreUnavailable
from stepiq.web import problems
from stepiq.web.guard import Guard
from stepiq.web.services import Services, ServicesDep

_PATIENCE_SECONDS = 2.0
# The same labels as for work in progress.
_WORK = {Queue.RUNS: "run", Queue.DELIVERIES: "delivery"}

router = APIRouter(tags=["Health"])


class MetricsClosed(Forbidden):
    """The operator has set no token for metrics, so this address does not return them."""

    code = "metrics_closed"


class MetricsTokenInvalid(Unauthenticated):
    """The token for metrics is missing or wrong."""

    code = "metrics_token_invalid"


async def _reader(request: Request, services: ServicesDep) -> None:
    token = services.settings.metrics_token
    if token is None:
        raise MetricsClosed(
            "This server has no token for metrics. The operator must set STEPIQ_METRICS_TOKEN, or STEPIQ_METRICS_PORT to read "
            "them on the server's own machine."
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
        **problems.problems(MetricsClosed, MetricsTokenInvalid),
    },
)
async def get_metrics(
    services: ServicesDep, _reader: Annotated[None, Depends(_reader)]
) -> Response:
    """Metrics of this process, in Prometheus's text format. Send `STEPIQ_METRICS_TOKEN` as a bearer token."""
    return await _render(services)


def create_metrics(services: Services) -> FastAPI:
    """The app on `STEPIQ_METRICS_PORT`, which only this machine can reach. It needs no token."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    async def read() -> Response:
        return await _render(services)

    app.add_api_route("/metrics", read)
    problems.install(app)
    app.add_middleware(Guard)
    return app


@asynccontextmanager
async def metrics_export(services: Services) -> AsyncGenerator[None]:
    """Send the metrics to the operator's OpenTelemetry collector until the block ends, if there is one."""
    settings = services.settings
    if not settings.exports(OtlpSignal.METRICS):
        yield
        return
    # A server without the export starts faster without its libraries.
    from stepiq.telemetry.metrics_exporter import MetricsExporter  # noqa: PLC0415

    exporter = MetricsExporter(settings, partial(_refresh, services))
    task = asyncio.create_task(exporter.run_for_ever())
    try:
        yield
    finally:
        await tasks.cancel([task])


async def _refresh(services: Services) -> None:
    """Set the metrics that are read at each export."""
    metrics.worker_ready.set(services.engine.is_ready)
    for pool, used in services.database.connections().items():
        metrics.store_connections.labels(pool).set(used)
    _set_backlog(await _look(services))


async def _render(services: Services) -> Response:
    await _refresh(services)
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


async def _look(services: Services) -> Backlog | None:
    """The backlog, or None if the store does not return it within two seconds."""
    try:
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            services.database.reading() as session,
        ):
            return await backlog.read(session)
    except (StoreUnavailable, TimeoutError):
        return None


def _set_backlog(found: Backlog | None) -> None:
    metrics.store_up.set(found is not None)
    if found is None:
        # Stale values would be misleading.
        metrics.tickets_waiting.clear()
        metrics.oldest_ticket_age.clear()
        metrics.runs_held.set(math.nan)
        return
    for queue, waiting in found.queues.items():
        metrics.tickets_waiting.labels(_WORK[queue]).set(waiting.number)
        metrics.oldest_ticket_age.labels(_WORK[queue]).set(waiting.oldest_seconds)
    metrics.runs_held.set(found.held_runs)
