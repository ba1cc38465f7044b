"""`/metrics`: what the process counts, for a Prometheus on this machine or one that shows the operator's token."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from stepiq.accounts.origin import is_direct_loopback
from stepiq.core import metrics
from stepiq.core.errors import Forbidden, Unauthenticated
from stepiq.web.problems import problems
from stepiq.web.services import ServicesDep

router = APIRouter(tags=["Health"])


class MetricsClosed(Forbidden):
    """Metrics are read from the server's own machine, or with a token that this server does not have."""

    code = "metrics_closed"


class MetricsTokenInvalid(Unauthenticated):
    """Metrics need the operator's token."""

    code = "metrics_token_invalid"


async def _reader(request: Request, services: ServicesDep) -> None:
    if is_direct_loopback(request):
        return
    token = services.settings.metrics_token
    if token is None:
        raise MetricsClosed(
            "Metrics are read from the server's own machine only. To read them from elsewhere, the operator sets "
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
    """What this process counts, in Prometheus's text format.

    Answers callers on the server's own machine, and those that show the operator's `STEPIQ_METRICS_TOKEN` as a bearer token.
    """
    for pool, used in services.database.connections().items():
        metrics.store_connections.labels(pool).set(used)
    return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)
