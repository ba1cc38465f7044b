"""Exports the metrics of this process once a minute."""

import asyncio
from collections.abc import Awaitable, Callable

from stepiq.core import clock
from stepiq.core.observability import logging, metrics
from stepiq.core.settings.model import Settings
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.telemetry import metric_points
from stepiq.telemetry.sending import Collector, ExportResult

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
        body = metric_points.request(int(clock.now().timestamp() * 1e9))
        verdict = await self._collector.send(OtlpSignal.METRICS, body)
        metrics.otlp_exports.labels(OtlpSignal.METRICS, verdict.result).inc()
        # Once for each problem, and not every minute.
        if verdict.result is not ExportResult.SENT and verdict.reason != self._problem:
            log.warning("metrics_not_sent", reason=verdict.reason)
        self._problem = verdict.reason

    async def aclose(self) -> None:
        """Close the connections to the collector."""
        await self._collector.close()
