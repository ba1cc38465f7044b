"""Exports the metrics of this process once a minute, those about models by the conventions for generative AI.

Names stay the same, because exporters from OTLP to Prometheus add `_total` and keep units that a name already has.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from stepiq.core import clock
from stepiq.core.observability import logging, metrics
from stepiq.core.settings.model import Settings
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.telemetry.attributes import SCOPE, attributes, resource
from stepiq.telemetry.sending import Collector, ExportResult
from stepiq.telemetry.spans import provider_name

_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_STARTED = time.time_ns()
"""Counters start at 0 with the process."""
_GEN_AI = {
    "gen_ai_client_token_usage": ("gen_ai.client.token.usage", "{token}"),
    "gen_ai_client_operation_duration": ("gen_ai.client.operation.duration", "s"),
}
"""Names and units of the conventions."""
_GEN_AI_LABELS = {
    "provider": "gen_ai.provider.name",
    "model": "gen_ai.request.model",
    "token_type": "gen_ai.token.type",
    "error_type": "error.type",
}
_UNITS = {"_seconds": "s", "_bytes": "By"}

_Labels = tuple[tuple[str, str], ...]


def request(now_nanoseconds: int) -> bytes:
    """A request with the current values of all metrics."""
    families = [*metrics.REGISTRY.collect(), *metrics.GEN_AI.collect()]
    scoped = ScopeMetrics(scope=SCOPE, metrics=_metrics(families, now_nanoseconds))
    everything = ResourceMetrics(resource=resource(), scope_metrics=[scoped])
    return ExportMetricsServiceRequest(resource_metrics=[everything]).SerializeToString()


def _metrics(families: Iterable[Family], now: int) -> Iterator[Metric]:
    for family in families:
        name, unit = _GEN_AI.get(family.name, (family.name, _unit_of(family.name)))
        metric = Metric(name=name, unit=unit, description=family.documentation)
        match family.type:
            case "counter":
                points = _numbers(family.samples, now, since=_STARTED)
                total = Sum(
                    data_points=points, aggregation_temporality=_CUMULATIVE, is_monotonic=True
                )
                metric.sum.CopyFrom(total)
            case "histogram":
                points = _histograms(family, now)
                metric.histogram.CopyFrom(
                    Histogram(data_points=points, aggregation_temporality=_CUMULATIVE)
                )
            case _:
                metric.gauge.CopyFrom(Gauge(data_points=_numbers(family.samples, now)))
        yield metric


def _unit_of(name: str) -> str:
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")


def _numbers(samples: Iterable[Sample], now: int, since: int = 0) -> list[NumberDataPoint]:
    return [
        NumberDataPoint(
            attributes=attributes(each.labels),
            start_time_unix_nano=since,
            time_unix_nano=now,
            as_double=each.value,
        )
        for each in samples
        # A value that is not known at present, such as a number of rows while the database does not answer.
        if not math.isnan(each.value)
    ]


def _histograms(family: Family, now: int) -> Iterator[HistogramDataPoint]:
    by_labels: defaultdict[_Labels, list[Sample]] = defaultdict(list)
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        by_labels[tuple(labels.items())].append(sample)
    for labels, samples in by_labels.items():
        # Those of Prometheus are cumulative, and end with the infinite bucket.
        buckets = [each for each in samples if each.name.endswith("_bucket")]
        counts = [round(each.value) for each in buckets]
        values = {each.name.removeprefix(family.name): each.value for each in samples}
        yield HistogramDataPoint(
            attributes=attributes(_labels(family.name, dict(labels))),
            start_time_unix_nano=_STARTED,
            time_unix_nano=now,
            count=counts[-1],
            sum=values["_sum"],
            explicit_bounds=[float(each.labels["le"]) for each in buckets[:-1]],
            bucket_counts=[
                count - before for count, before in zip(counts, [0, *counts], strict=False)
            ],
        )


def _labels(name: str, labels: Mapping[str, str]) -> Mapping[str, str]:
    if name not in _GEN_AI:
        return labels
    named = {_GEN_AI_LABELS[label]: value for label, value in labels.items() if value}
    named["gen_ai.provider.name"] = provider_name(labels["provider"])
    return {"gen_ai.operation.name": "chat", **named}


EVERY_SECONDS = 60.0
_LAST_SECONDS = 2.0
"""Time limit of the last export, when the process stops."""

log = logging.get(__name__)


class MetricsExporter:
    """Sends metrics to the collector. They are cumulative, so a failed export is not repeated: the next one replaces it."""

    def __init__(self, settings: Settings, refresh: Callable[[], Awaitable[None]]) -> None:
        self._collector = Collector(settings)
        self._refresh = refresh
        self._problem = ""

    async def run_for_ever(self) -> None:
        """Export until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                await self._try()
        finally:
            try:
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._try()
            except TimeoutError:
                log.warning("metrics_not_sent", reason="the process stops")
            await self.aclose()

    async def _try(self) -> None:
        try:
            await self.export()
        except Exception:
            log.exception("metrics_export_broke")

    async def export(self) -> None:
        """Send the current values once."""
        await self._refresh()
        body = request(int(clock.now().timestamp() * 1e9))
        verdict = await self._collector.send(OtlpSignal.METRICS, body)
        metrics.otlp_exports.labels(OtlpSignal.METRICS, verdict.result).inc()
        # Once for each problem, and not every minute.
        if verdict.result is not ExportResult.SENT and verdict.reason != self._problem:
            log.warning("metrics_not_sent", reason=verdict.reason)
        self._problem = verdict.reason

    async def aclose(self) -> None:
        """Close the connections to the collector."""
        await self._collector.close()
