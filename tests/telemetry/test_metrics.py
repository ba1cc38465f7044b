"""The metrics of `/metrics` and those about models, as OTLP."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from stepiq.core.observability import metrics
from stepiq.core.settings.model import Settings
from stepiq.server.metrics import metrics_export
from stepiq.telemetry import metrics_exporter
from stepiq.telemetry.metrics_exporter import MetricsExporter
from stepiq.web.services import Services
from tests.support.engine import World
from tests.support.otlp import CollectorServer, plain
from tests.support.receiver import Reply

pytestmark = pytest.mark.one_store

ACCEPTED = Reply(body=b"")


async def nothing() -> None:
    pass


@pytest.fixture
async def exporter(settings: Settings) -> AsyncIterator[MetricsExporter]:
    exporter = MetricsExporter(settings, nothing)
    yield exporter
    await exporter.aclose()


def values(metric: Metric) -> dict[tuple[Any, ...], float]:
    points = metric.sum.data_points or metric.gauge.data_points
    return {tuple(plain(point.attributes).values()): point.as_double for point in points}


class TestExport:
    async def test_every_metric_is_exported_under_its_name(
        self, exporter: MetricsExporter, collector: CollectorServer
    ):
        await exporter.export()

        names = {each.name for each in metrics.REGISTRY.collect()}
        assert names <= set(collector.metrics)
        assert set(collector.metrics) - names == {
            "gen_ai.client.token.usage",
            "gen_ai.client.operation.duration",
        }

    async def test_counters_and_gauges_have_the_same_values(
        self, exporter: MetricsExporter, collector: CollectorServer
    ):
        metrics.schedule_ticks.labels("started").inc(3)
        metrics.streams_open.set(7)

        await exporter.export()

        ticks = collector.metrics["stepiq_schedule_ticks"]
        wanted = metrics.schedule_ticks.labels("started")._value.get()
        assert values(ticks)["started",] == wanted
        assert ticks.sum.is_monotonic
        assert (
            ticks.sum.aggregation_temporality
            == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        )
        point = ticks.sum.data_points[0]
        assert 0 < point.start_time_unix_nano < point.time_unix_nano
        assert values(collector.metrics["stepiq_streams_open"]) == {(): 7}

    async def test_buckets_are_not_cumulative(
        self, exporter: MetricsExporter, collector: CollectorServer
    ):
        child = metrics.run_duration.labels("of-this-test")
        for seconds in (0.05, 0.3, 0.4, 100_000):
            child.observe(seconds)

        await exporter.export()

        metric = collector.metrics["stepiq_run_duration_seconds"]
        (point,) = [
            each
            for each in metric.histogram.data_points
            if plain(each.attributes) == {"status": "of-this-test"}
        ]
        assert metric.unit == "s"
        assert list(point.explicit_bounds[:2]) == [0.1, 0.5]
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
        assert list(point.bucket_counts)[:3] == [1, 2, 0]
        assert point.bucket_counts[-1] == 1
        assert (point.count, point.sum) == (4, pytest.approx(100_000.75))

    async def test_a_value_that_is_not_known_is_absent(
        self, exporter: MetricsExporter, collector: CollectorServer
    ):
        metrics.runs_held.set(math.nan)

        await exporter.export()

        assert values(collector.metrics["stepiq_runs_held"]) == {}

    async def test_calls_of_models_follow_the_conventions(
        self, world: World, exporter: MetricsExporter, collector: CollectorServer
    ):
        ended = await world.run(
            "name: Ask\nsteps:\n  - {id: ask, model: openai/of-this-test, prompt: Cats}\n"
        )
        assert ended.run.status == "completed", ended.run.error

        await exporter.export()

        found = {
            (metric, facts.get("gen_ai.token.type")): (facts, point)
            for metric in ("gen_ai.client.token.usage", "gen_ai.client.operation.duration")
            for point in collector.metrics[metric].histogram.data_points
            if (facts := plain(point.attributes))["gen_ai.request.model"] == "of-this-test"
        }
        tokens, point = found["gen_ai.client.token.usage", "input"]
        assert tokens["gen_ai.operation.name"] == "chat"
        assert tokens["gen_ai.provider.name"] == "openai"
        assert point.sum == ended.run.input_tokens
        output = found["gen_ai.client.token.usage", "output"][1]
        assert output.sum == ended.run.output_tokens
        duration, point = found["gen_ai.client.operation.duration", None]
        assert "error.type" not in duration
        assert point.count == 1

    async def test_a_backend_without_metrics_is_logged_once(
        self, exporter: MetricsExporter, collector: CollectorServer
    ):
        collector.receiver.reply_with(405, 405, ACCEPTED)
        before = metrics.otlp_exports.labels("metrics", "refused")._value.get()

        for _ in range(3):
            await exporter.export()

        assert metrics.otlp_exports.labels("metrics", "refused")._value.get() == before + 2
        assert exporter._problem == ""


class TestMetricsExport:
    async def test_they_are_sent_regularly_and_at_the_end(
        self,
        services: Services,
        collector: CollectorServer,
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(metrics_exporter, "EVERY_SECONDS", 0.05)
        async with metrics_export(services):
            await collector.receiver.until(2)
            await asyncio.sleep(0)
        found = len(collector.of("metrics"))

        assert values(collector.metrics["stepiq_store_up"]) == {(): 1}
        assert values(collector.metrics["stepiq_tickets_waiting"])["run",] == 0
        assert found >= 3

    async def test_without_an_endpoint_nothing_is_sent(
        self, services: Services, collector: CollectorServer
    ):
        services.settings.otlp_endpoint = None

        async with metrics_export(services):
            pass

        assert collector.receiver.received == []


class TestModelLabel:
    def test_only_some_models_are_counted_separately(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(metrics, "_models", set())
        names = [f"model-{number}" for number in range(100)]

        labels = [metrics.model_label(name) for name in (*names, "another", names[0])]

        assert labels == [*names, "_OTHER", names[0]]
