"""Traces reach the collector, whatever happens to it or to the process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, suppress
from datetime import timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from pydantic import SecretStr

from stepiq.core.observability import metrics
from stepiq.core.settings.model import Settings
from stepiq.store.database import Database
from stepiq.store.tables import runs, trace_exports
from stepiq.telemetry import exporter as exporters
from stepiq.telemetry import queries
from stepiq.telemetry.exporter import TraceExporter
from tests.support import loop_time
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.otlp import CollectorServer
from tests.support.ports import free_port
from tests.support.receiver import Reply

SIMPLE = "name: Simple\nsteps:\n  - {id: t, type: transform, template: x}\n"
ACCEPTED = Reply(body=b"")


async def queued(database: Database) -> list[UUID]:
    async with database.reading() as session:
        return list((await session.execute(sa.select(trace_exports.c.run_id))).scalars())


async def run_some(world: World, count: int = 1) -> list[UUID]:
    pipeline_id = await world.pipeline(SIMPLE)
    found = []
    for _ in range(count):
        run_id, heard = await world.start(pipeline_id)
        await asyncio.wait_for(heard.until_ended(), 30)
        found.append(run_id)
    return found


def roots(collector: CollectorServer) -> list[str]:
    """Ids of the runs whose root spans have arrived, each time that they did."""
    found = [span for span in collector.spans if span.name.startswith("run ")]
    return [span.attributes["stepiq.run.id"] for span in found]


def counted(result: str) -> float:
    return metrics.otlp_exports.labels("traces", result)._value.get()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporters, "GATHER_SECONDS", 0.05)


@pytest.fixture
async def running(exporter: TraceExporter) -> AsyncIterator[None]:
    task = asyncio.create_task(exporter.run_for_ever())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class TestExport:
    async def test_a_run_is_queued_until_its_trace_is_sent(
        self, world: World, database: Database, exporter: TraceExporter, collector: CollectorServer
    ):
        run_ids = await run_some(world, 3)
        assert set(await queued(database)) == set(run_ids)
        sent = counted("sent")

        has_more = await exporter.export()

        assert not has_more
        assert await queued(database) == []
        assert sorted(roots(collector)) == sorted(map(str, run_ids))
        assert counted("sent") == sent + 3

    async def test_a_repeated_export_sends_the_same_spans(
        self, world: World, database: Database, exporter: TraceExporter, collector: CollectorServer
    ):
        (run_id,) = await run_some(world)
        await exporter.export()
        async with database.transaction() as session:
            await session.execute(
                trace_exports.insert().values(
                    run_id=run_id, due_at=exporters.clock.now(), created_at=exporters.clock.now()
                )
            )

        await exporter.export()

        first, second = [each.body for each in collector.of("traces")]
        assert first == second

    async def test_headers_of_the_operator_are_sent(
        self, world: World, settings: Settings, database: Database, collector: CollectorServer
    ):
        headers = SecretStr("Authorization=Bearer%20canary-token, x-team=ops")
        settings = settings.model_copy(update={"otlp_headers": headers})
        await run_some(world)

        async with aclosing(TraceExporter(settings, database)) as exporter:
            await exporter.export()

        request = collector.of("traces")[0]
        assert request.headers["authorization"] == "Bearer canary-token"
        assert request.headers["x-team"] == "ops"
        assert request.headers["content-type"] == "application/x-protobuf"
        assert b"canary-token" not in request.body

    async def test_a_deleted_run_is_forgotten(
        self, world: World, database: Database, exporter: TraceExporter, collector: CollectorServer
    ):
        (run_id,) = await run_some(world)
        async with database.transaction() as session:
            await session.execute(sa.delete(runs).where(runs.c.id == run_id))

        await exporter.export()

        assert await queued(database) == []
        assert collector.of("traces") == []

    async def test_a_cancelled_run_is_exported_with_the_tokens_of_its_aborted_call(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
        fake_provider: RunningFakeProvider,
        clock: ModuleType,
    ):
        fake_provider.configure(token_ms=20, tokens=500)
        source = "name: Slow\nsteps:\n  - {id: ask, model: openai/gpt-4o-mini, prompt: x}\n"
        run_id, heard = await world.start(await world.pipeline(source))
        await asyncio.wait_for(heard.until("step.delta"), 30)
        await world.cancel(run_id)
        await exporter.export()
        assert collector.of("traces") == []

        clock.advance(timedelta(seconds=6))
        await exporter.export()

        root, step, call = collector.of_run(run_id)
        assert root.attributes["stepiq.run.status"] == "cancelled"
        assert step.attributes["stepiq.step.status"] == "cancelled"
        assert call.attributes["stepiq.operation.status"] == "cancelled"
        assert call.attributes["gen_ai.usage.input_tokens"] > 0
        assert root.error is step.error is call.error is None

    async def test_requests_have_a_limited_size(
        self,
        world: World,
        exporter: TraceExporter,
        collector: CollectorServer,
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(exporters, "SPANS_OF_REQUEST", 3)
        monkeypatch.setattr(exporters, "EVENTS_AT_ONCE", 5)
        run_ids = await run_some(world, 4)

        await exporter.export()

        assert len(collector.of("traces")) >= 3
        assert sorted(roots(collector)) == sorted(map(str, run_ids))
        assert all(len(collector.of_run(run_id)) == 2 for run_id in run_ids)

    async def test_a_batch_is_limited_and_followed_by_another(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(exporters, "BATCH", 2)
        await run_some(world, 3)

        assert await exporter.export()
        assert not await exporter.export()
        assert await queued(database) == []


@pytest.mark.both_stores
class TestClaims:
    async def test_processes_share_the_queue(
        self,
        world: World,
        settings: Settings,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
    ):
        run_ids = await run_some(world, 6)
        async with aclosing(TraceExporter(settings, database)) as other:
            await asyncio.gather(exporter.export(), other.export())

        assert sorted(roots(collector)) == sorted(map(str, run_ids))

    async def test_runs_of_a_dead_process_are_exported_by_another_after_its_claim(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
        clock: ModuleType,
    ):
        (run_id,) = await run_some(world)
        async with database.transaction() as session:
            claimed = await queries.claim(session, clock.now(), 10)
        assert [each.run_id for each in claimed] == [run_id]
        await exporter.export()
        assert collector.of("traces") == []

        clock.advance(queries.LEASE)
        await exporter.export()

        assert roots(collector) == [str(run_id)]

    async def test_a_process_that_stops_leaves_its_runs_to_others_immediately(
        self,
        world: World,
        settings: Settings,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
    ):
        (run_id,) = await run_some(world)
        collector.receiver.reply_with(Reply(body=b"", after=asyncio.Event()), ACCEPTED)
        async with aclosing(TraceExporter(settings, database)) as stopping:
            task = asyncio.create_task(stopping.export())
            await collector.receiver.until(1)
            task.cancel()
            await asyncio.wait({task})

        await exporter.export()

        assert roots(collector) == [str(run_id)] * 2
        assert await queued(database) == []


@pytest.mark.one_store
class TestFailures:
    async def test_runs_wait_for_a_collector_that_is_down(
        self,
        world: World,
        settings: Settings,
        database: Database,
        collector: CollectorServer,
        clock: ModuleType,
    ):
        down = settings.model_copy(update={"otlp_endpoint": f"http://127.0.0.1:{free_port()}"})
        run_ids = await run_some(world, 2)
        async with aclosing(TraceExporter(down, database)) as exporter:
            assert not await exporter.export()
        assert set(await queued(database)) == set(run_ids)
        clock.advance(timedelta(seconds=2))

        async with aclosing(TraceExporter(settings, database)) as exporter:
            await exporter.export()

        assert sorted(roots(collector)) == sorted(map(str, run_ids))

    @pytest.mark.parametrize("status", [429, 502, 503, 504])
    async def test_a_collector_that_is_busy_gets_everything_later(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
        clock: ModuleType,
        status: int,
    ):
        retried = counted("retried")
        collector.receiver.reply_with(status, Reply(hangs_up=True), status, ACCEPTED)

        run_ids = await run_some(world, 2)
        for _ in range(4):
            await exporter.export()
            clock.advance(exporter._pause + timedelta(milliseconds=10))

        assert await queued(database) == []
        assert set(roots(collector)) == set(map(str, run_ids))
        assert counted("retried") == retried + 3

    async def test_pauses_grow_and_end_with_the_first_success(
        self,
        world: World,
        exporter: TraceExporter,
        collector: CollectorServer,
        clock: ModuleType,
    ):
        collector.receiver.reply_with(503, 503, 503, ACCEPTED)
        await run_some(world)

        pauses = []
        for _ in range(4):
            await exporter.export()
            pauses.append(exporter._pause.total_seconds())
            clock.advance(exporter._pause + timedelta(milliseconds=10))

        assert pauses[0] < pauses[1] < pauses[2]
        assert pauses[3] == 0

    async def test_pauses_stay_limited_in_a_long_outage(
        self, world: World, exporter: TraceExporter, collector: CollectorServer
    ):
        exporter._failures = 5_000
        collector.receiver.reply_with(503)
        await run_some(world)

        await exporter.export()

        assert timedelta() < exporter._pause <= timedelta(seconds=75)

    async def test_the_collector_decides_how_long_to_wait(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
        clock: ModuleType,
    ):
        collector.receiver.reply_with(Reply(429, b"", {"Retry-After": "120"}), ACCEPTED)
        await run_some(world)
        await exporter.export()
        assert exporter._pause == timedelta(seconds=120)

        clock.advance(timedelta(seconds=119))
        await exporter.export()
        assert len(collector.of("traces")) == 1
        clock.advance(timedelta(seconds=2))
        await exporter.export()

        assert len(collector.of("traces")) == 2
        assert await queued(database) == []

    @pytest.mark.parametrize("status", [301, 400, 401, 404, 413, 500])
    async def test_what_the_collector_refuses_is_dropped(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
        status: int,
    ):
        refused = counted("refused")
        collector.receiver.reply_with(status)
        await run_some(world)

        await exporter.export()

        assert await queued(database) == []
        assert len(collector.of("traces")) == 1
        assert counted("refused") == refused + 1

    async def test_a_refused_run_does_not_affect_the_others(
        self, world: World, database: Database, exporter: TraceExporter, collector: CollectorServer
    ):
        sent, refused = counted("sent"), counted("refused")
        collector.receiver.reply_with(400, ACCEPTED, 400, ACCEPTED)
        await run_some(world, 3)

        await exporter.export()

        assert await queued(database) == []
        assert (counted("sent"), counted("refused")) == (sent + 2, refused + 1)

    async def test_a_partial_success_is_counted_and_only_the_other_requests_follow(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(exporters, "SPANS_OF_REQUEST", 1)
        incomplete = counted("incomplete")
        partial = ExportTracePartialSuccess(rejected_spans=1, error_message="too old")
        body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        collector.receiver.reply_with(Reply(body=body), ACCEPTED)
        await run_some(world, 2)

        await exporter.export()

        assert await queued(database) == []
        assert counted("incomplete") == incomplete + 2
        assert len(collector.of("traces")) == len({span.id for span in collector.spans}) == 4

    async def test_an_answer_in_json_is_an_acceptance(
        self, world: World, database: Database, exporter: TraceExporter, collector: CollectorServer
    ):
        sent = counted("sent")
        collector.receiver.reply_with(Reply(body=b'{"partialSuccess":{}}'))
        await run_some(world)

        await exporter.export()

        assert await queued(database) == []
        assert counted("sent") == sent + 1

    async def test_traces_are_dropped_after_a_day(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
        clock: ModuleType,
    ):
        expired = counted("expired")
        await run_some(world)

        clock.advance(timedelta(hours=25))
        await exporter.export()

        assert await queued(database) == []
        assert collector.of("traces") == []
        assert counted("expired") == expired + 1

    async def test_a_trace_that_cannot_be_built_does_not_block_the_others(
        self,
        world: World,
        database: Database,
        exporter: TraceExporter,
        collector: CollectorServer,
        monkeypatch: pytest.MonkeyPatch,
    ):
        good, bad = await run_some(world, 2)
        build = exporters.spans_of

        def broken(run: Any, *, content: bool) -> Iterator[Any]:
            if run.id == bad:
                raise ValueError("a bug")
            return build(run, content=content)

        monkeypatch.setattr(exporters, "spans_of", broken)

        await exporter.export()

        assert await queued(database) == []
        assert roots(collector) == [str(good)]


@pytest.mark.one_store
class TestRunForEver:
    @pytest.mark.usefixtures("running")
    async def test_a_run_wakes_the_exporter(self, world: World, collector: CollectorServer):
        # It looks for runs every five seconds.
        loop_time.hold(5)

        for _ in range(3):
            (run_id,) = await run_some(world)
            await collector.trace_of(run_id, 10)

    async def test_runs_that_ended_just_before_a_stop_are_exported(
        self,
        world: World,
        exporter: TraceExporter,
        collector: CollectorServer,
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(exporters, "GATHER_SECONDS", 1000)
        task = asyncio.create_task(exporter.run_for_ever())
        await asyncio.sleep(0)
        run_ids = await run_some(world, 2)

        task.cancel()
        await asyncio.wait({task})

        assert sorted(roots(collector)) == sorted(map(str, run_ids))

    async def test_a_collector_that_does_not_answer_does_not_delay_runs(
        self, world: World, exporter: TraceExporter, collector: CollectorServer
    ):
        collector.receiver.reply_with(Reply(after=asyncio.Event()))
        await run_some(world)
        task = asyncio.create_task(exporter.run_for_ever())
        await collector.receiver.until(1)

        async with asyncio.timeout(10):
            await run_some(world, 5)

        task.cancel()
        await asyncio.wait({task})
