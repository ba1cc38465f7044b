"""Exports the traces of ended runs, in a background task of each worker.

The queue is a table, so a trace is not lost if the process or the collector stops. Ids of spans derive from rows, so a
trace that is sent twice has the same spans.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Collection, Generator, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from stepiq.core import clock
from stepiq.core.observability import logging, metrics
from stepiq.core.settings.model import Settings
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.execution.records import trace_queue
from stepiq.store.database import Database, StoreUnavailable
from stepiq.telemetry import queries
from stepiq.telemetry.attributes import SCOPE, resource
from stepiq.telemetry.records import ClaimedExport, TracedRun
from stepiq.telemetry.sending import Collector, ExportResult, ExportVerdict
from stepiq.telemetry.spans import spans_of

BATCH = 100
"""Maximum number of runs that a process claims at once."""
EVENTS_AT_ONCE = 2_000
"""Maximum number of events of the runs that are read at once, at least one run."""
SPANS_OF_REQUEST = 500
"""Maximum number of spans of a request. Its size is limited, too."""
_BYTES_OF_REQUEST = 1024 * 1024
_POLL_SECONDS = 5.0
"""For cancelled runs, runs of processes that died, and retries."""
GATHER_SECONDS = 1.0
"""Pause before a batch, in which more runs can end."""
_LAST_SECONDS = 2.0
"""Time limit of the last export, when the process stops."""
_FIRST_PAUSE_SECONDS = 1.0
_MOST_DOUBLINGS = 16
_LONGEST_PAUSE_SECONDS = 60.0

log = logging.get(__name__)


class TraceExporter:
    """Sends traces to the collector. While it does not answer, the exporter pauses, and the runs stay queued."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._content = settings.otlp_content
        self._collector = Collector(settings)
        self._awake = asyncio.Event()
        self._failures = 0
        self._pause = timedelta()
        database.on_signal(trace_queue.TRACES_QUEUED, self._awake.set)

    async def run_for_ever(self) -> None:
        """Export ended runs until cancelled, and once more then."""
        try:
            while True:
                has_more = False
                try:
                    has_more = await self.export()
                except StoreUnavailable:
                    log.warning("trace_export_waits_for_store")
                except Exception:
                    log.exception("trace_export_broke")
                    # It probably fails again.
                    self._pause = timedelta(seconds=_LONGEST_PAUSE_SECONDS)
                if not has_more:
                    await self._wait()
        finally:
            with suppress(TimeoutError, StoreUnavailable):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._export_last()
            await self.aclose()

    async def _export_last(self) -> None:
        if not self._pause:
            await self.export()

    async def aclose(self) -> None:
        """Close the connections to the collector."""
        await self._collector.close()

    async def _wait(self) -> None:
        if self._pause:
            await asyncio.sleep(self._pause.total_seconds())
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_SECONDS):
                await self._awake.wait()
        self._awake.clear()
        await asyncio.sleep(GATHER_SECONDS)

    async def export(self) -> bool:
        """Export a batch of queued runs; returns whether more may wait.

        Raises:
            StoreUnavailable: the runs stay queued.
        """
        async with self._database.reading() as session:
            if not await queries.is_due(session, clock.now()):
                self._pause = timedelta()
                return False
        now = clock.now()
        async with self._database.transaction() as session:
            claimed = await queries.claim(session, now, BATCH)
        batch = _ClaimedBatch(claimed, now)
        try:
            await self._send_all(batch)
        finally:
            # Also if the process stops: another one can continue immediately.
            await self._settle(batch)
        return not self._pause and len(claimed) == BATCH

    async def _settle(self, batch: "_ClaimedBatch") -> None:
        async with self._database.transaction() as session:
            if batch.done:
                await queries.finish(session, batch.done, batch.until)
            if batch.left:
                due_at = clock.now() + self._pause
                await queries.postpone(session, batch.left, batch.until, due_at)

    async def _send_all(self, batch: "_ClaimedBatch") -> None:
        if expired := batch.older_than(clock.now() - trace_queue.KEPT):
            log.warning("traces_dropped", reason="expired", runs=len(expired))
            _count("expired", expired)
            batch.end(expired)
        async for group in self._groups(batch):
            verdict = await self._send(group)
            # One run may be the reason of a refusal, so each is sent alone.
            is_divided = verdict.result is ExportResult.REFUSED and len(group) > 1
            for part in ([run] for run in group) if is_divided else [group]:
                if is_divided:
                    verdict = await self._send(part)
                if verdict.is_retryable:
                    self._back_off(verdict)
                    return
                self._failures, self._pause = 0, timedelta()
                batch.end(self._report(part, verdict, batch))
                if batch.is_late:
                    return

    async def _groups(self, batch: "_ClaimedBatch") -> AsyncGenerator[list[TracedRun]]:
        async with self._database.reading() as session:
            sizes = await queries.sizes(session, batch.left)
        # Deleted meanwhile.
        batch.end(batch.left - sizes.keys())
        for run_ids in _grouped(sizes.items()):
            async with self._database.reading() as session:
                group = await queries.load(session, run_ids, content=self._content)
            batch.end(set(run_ids) - {run.id for run in group})
            if group:
                yield group

    async def _send(self, group: Sequence[TracedRun]) -> ExportVerdict:
        """Send the traces of runs; returns the first verdict that is not a success.

        If the collector rejects a part of a request, the other requests are still sent.
        """
        incomplete: ExportVerdict | None = None
        try:
            for body in _requests(group, content=self._content):
                verdict = await self._collector.send(OtlpSignal.TRACES, body)
                if verdict.result is ExportResult.INCOMPLETE:
                    incomplete = incomplete or verdict
                elif verdict.result is not ExportResult.SENT:
                    return verdict
        except Exception:
            # Another attempt would fail, too.
            log.exception("trace_broke", run_ids=[str(run.id) for run in group])
            return ExportVerdict(ExportResult.REFUSED, "an internal error")
        return incomplete or ExportVerdict(ExportResult.SENT)

    def _report(
        self, group: Sequence[TracedRun], verdict: ExportVerdict, batch: "_ClaimedBatch"
    ) -> Collection[UUID]:
        """Count and log the runs of a group that are not exported again; returns their ids."""
        run_ids = {run.id for run in group} & batch.left
        if verdict.result is not ExportResult.SENT:
            facts = {"reason": verdict.reason, "run_ids": [str(each) for each in run_ids]}
            log.warning(f"traces_{verdict.result}", **facts)
        _count(verdict.result, run_ids)
        return run_ids

    def _back_off(self, verdict: ExportVerdict) -> None:
        """Pause after a failed attempt, each time longer, or as long as the collector asks."""
        # In a long outage, the power would exceed the largest number.
        growth = 2 ** min(self._failures, _MOST_DOUBLINGS)
        seconds = min(_FIRST_PAUSE_SECONDS * growth, _LONGEST_PAUSE_SECONDS)
        # Processes that failed together try again at different times.
        own = timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311 - not a secret
        self._failures += 1
        self._pause = max(own, verdict.wait or own)
        metrics.otlp_exports.labels(OtlpSignal.TRACES, ExportResult.RETRIED).inc()
        pause_seconds = round(self._pause.total_seconds(), 1)
        log.warning("traces_not_sent", reason=verdict.reason, pause_seconds=pause_seconds)


class _ClaimedBatch:
    """Claimed runs, and which of them are done."""

    def __init__(self, claimed: Sequence[ClaimedExport], now: datetime) -> None:
        self._claimed = claimed
        self.until = now + queries.LEASE
        """When other processes may claim the runs that are left."""
        self.left = {each.run_id for each in claimed}
        self.done: set[UUID] = set()

    def older_than(self, moment: datetime) -> set[UUID]:
        """Runs that were queued before a moment."""
        return {each.run_id for each in self._claimed if each.created_at < moment}

    def end(self, run_ids: Iterable[UUID]) -> None:
        """Runs that are sent, or are not going to be sent."""
        ended = set(run_ids)
        self.left -= ended
        self.done |= ended

    @property
    def is_late(self) -> bool:
        """Whether other processes may soon claim the runs that are left."""
        return clock.now() > self.until - queries.LEASE / 2


def _grouped(sizes: Iterable[tuple[UUID, int]]) -> Generator[list[UUID]]:
    group: list[UUID] = []
    total = 0
    for run_id, size in sizes:
        if group and total + size > EVENTS_AT_ONCE:
            yield group
            group, total = [], 0
        group.append(run_id)
        total += size
    if group:
        yield group


def _requests(group: Sequence[TracedRun], *, content: bool) -> Generator[bytes]:
    """The requests that contain the spans of runs."""
    spans: list[Span] = []
    size = 0
    for run in group:
        for span in spans_of(run, content=content):
            size += span.ByteSize()
            if spans and (size > _BYTES_OF_REQUEST or len(spans) == SPANS_OF_REQUEST):
                yield _request(spans)
                spans, size = [], span.ByteSize()
            spans.append(span)
    if spans:
        yield _request(spans)


def _request(spans: Sequence[Span]) -> bytes:
    scoped = ScopeSpans(scope=SCOPE, spans=spans)
    all_spans = ResourceSpans(resource=resource(), scope_spans=[scoped])
    return ExportTraceServiceRequest(resource_spans=[all_spans]).SerializeToString()


def _count(result: str, runs: Collection[UUID]) -> None:
    metrics.otlp_exports.labels(OtlpSignal.TRACES, result).inc(len(runs))
