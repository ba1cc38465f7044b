"""Sends requests of OTLP over HTTP, and decides by the response whether to repeat them."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import httpx2
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stepiq.core import http
from stepiq.core.http.messages import retry_after
from stepiq.core.observability import logging
from stepiq.core.settings import otlp as otlp_settings
from stepiq.core.settings.model import Settings
from stepiq.core.settings.otlp import OtlpSignal

PROTOBUF = "application/x-protobuf"
_SECONDS = 10
"""Time limit of a request, as in the specification."""
_RESPONSE_BYTES = 64 * 1024
_RETRYABLE = frozenset({429, 502, 503, 504})
"""Statuses after which the specification allows another attempt."""
_LONGEST_WAIT = timedelta(minutes=5)

log = logging.get(__name__)


class ExportResult(StrEnum):
    """What happened to a request."""

    SENT = "sent"
    RETRIED = "retried"
    """The collector cannot be reached, or asks to try again later."""
    REFUSED = "refused"
    """The collector does not accept it, also not later."""
    INCOMPLETE = "incomplete"
    """The collector accepted only a part, and does not want the rest again."""


@dataclass(frozen=True, slots=True)
class ExportVerdict:
    """The result of a request."""

    result: ExportResult
    reason: str = ""
    wait: timedelta | None = None
    """How long the collector asks to wait."""
    has_response: bool = True
    """Whether the collector responded."""

    @property
    def is_retryable(self) -> bool:
        return self.result is ExportResult.RETRIED


class Collector:
    """The client of the operator's collector."""

    def __init__(self, settings: Settings) -> None:
        given = settings.otlp_headers
        headers = otlp_settings.read_headers(given) if given is not None else dict[str, str]()
        self._endpoint = settings.otlp_endpoint or ""
        self._client = http.operator_client({**headers, "Content-Type": PROTOBUF})

    async def send(self, signal: OtlpSignal, body: bytes) -> ExportVerdict:
        """Send one request. The verdict contains no content of the response, which could repeat what was sent."""
        url = f"{self._endpoint}/v1/{signal}"
        try:
            async with (
                asyncio.timeout(_SECONDS),
                self._client.stream("POST", url, content=body, timeout=_SECONDS) as response,
            ):
                return await _verdict(signal, response)
        except (TimeoutError, httpx2.TimeoutException):
            reason = f"no response within {_SECONDS} seconds"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            reason = f"no connection ({type(error).__name__})"
        return ExportVerdict(ExportResult.RETRIED, reason, has_response=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _verdict(signal: OtlpSignal, response: httpx2.Response) -> ExportVerdict:
    status = response.status_code
    if status in _RETRYABLE:
        wait = retry_after(response.headers.get("retry-after"))
        return ExportVerdict(
            ExportResult.RETRIED, f"status {status}", wait and min(wait, _LONGEST_WAIT)
        )
    if not response.is_success:
        return ExportVerdict(ExportResult.REFUSED, f"status {status}")
    rejected = _rejected(signal, await _beginning(response))
    if rejected:
        return ExportVerdict(ExportResult.INCOMPLETE, f"{rejected} items rejected")
    return ExportVerdict(ExportResult.SENT)


async def _beginning(response: httpx2.Response) -> bytes:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _RESPONSE_BYTES:
            return b""
    return body


def _rejected(signal: OtlpSignal, body: bytes) -> int:
    """The number of spans or data points that the collector rejected; 0 if the response is not readable."""
    try:
        if signal is OtlpSignal.TRACES:
            traces = ExportTraceServiceResponse.FromString(body)
            return traces.partial_success.rejected_spans
        return ExportMetricsServiceResponse.FromString(body).partial_success.rejected_data_points
    except DecodeError:
        # Some backends answer in JSON. The status says that they accepted the request.
        return 0
