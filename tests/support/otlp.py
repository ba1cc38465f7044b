"""An OTLP collector on loopback, and the spans that it has received."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.receiver import Received, Receiver, Reply, running_receiver


@dataclass(frozen=True)
class ReceivedSpan:
    """A span with its attributes as plain values."""

    proto: Span
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return self.proto.name

    @property
    def trace_id(self) -> str:
        return self.proto.trace_id.hex()

    @property
    def id(self) -> str:
        return self.proto.span_id.hex()

    @property
    def parent_id(self) -> str:
        return self.proto.parent_span_id.hex()

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.proto.attributes)

    @property
    def error(self) -> str | None:
        status = self.proto.status
        return status.message if status.code == Status.STATUS_CODE_ERROR else None

    @property
    def seconds(self) -> float:
        return (self.proto.end_time_unix_nano - self.proto.start_time_unix_nano) / 1e9


def plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: _plain(each.value) for each in attributes}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    content = getattr(value, kind)
    return [_plain(each) for each in content.values] if kind == "array_value" else content


@dataclass
class CollectorServer:
    """What was sent to `/v1/traces` and `/v1/metrics`."""

    receiver: Receiver

    @property
    def url(self) -> str:
        return self.receiver.url

    def of(self, signal: str) -> list[Received]:
        return [each for each in self.receiver.received if each.path == f"/v1/{signal}"]

    @property
    def spans(self) -> list[ReceivedSpan]:
        """All spans, also of requests that were answered with an error."""
        found: list[ReceivedSpan] = []
        for each in self.of("traces"):
            request = ExportTraceServiceRequest.FromString(each.body)
            for resource in request.resource_spans:
                facts = plain(resource.resource.attributes)
                for scope in resource.scope_spans:
                    found += [ReceivedSpan(span, facts) for span in scope.spans]
        return found

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of the last export."""
        request = ExportMetricsServiceRequest.FromString(self.of("metrics")[-1].body)
        scopes = [scope for each in request.resource_metrics for scope in each.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def of_run(self, run_id: object) -> list[ReceivedSpan]:
        """The distinct spans of a run. A repeated export sends the same ones."""
        found = {
            span.id: span for span in self.spans if span.attributes["stepiq.run.id"] == str(run_id)
        }
        return list(found.values())

    async def trace_of(self, run_id: object, seconds: float = 30) -> list[ReceivedSpan]:
        """The spans of a run, once its root has arrived."""
        async with asyncio.timeout(seconds):
            while not any(span.name.startswith("run ") for span in self.of_run(run_id)):
                await self.receiver.until(len(self.receiver.received) + 1, seconds)
        return self.of_run(run_id)


def shape(spans: list[ReceivedSpan]) -> dict[str, str]:
    """The path of each span from the root of its trace, by its id. Fails if a parent is missing."""
    by_id = {span.id: span for span in spans}

    def path(span: ReceivedSpan) -> str:
        is_root = span.name.startswith("run ")
        return span.name if is_root else f"{path(by_id[span.parent_id])} > {span.name}"

    return {span.id: path(span) for span in spans}


@asynccontextmanager
async def running_collector() -> AsyncIterator[CollectorServer]:
    """A collector on a free port, which accepts everything."""
    async with running_receiver() as receiver:
        receiver.reply_with(Reply(body=b""))
        yield CollectorServer(receiver)
