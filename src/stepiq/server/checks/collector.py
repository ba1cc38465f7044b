"""The OpenTelemetry collector."""

from urllib.parse import urlsplit

from stepiq.core.settings.model import Settings
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.server.checks.check import Check, failed, ok, warning

_NAME = "collector"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HARMLESS = "Runs are not affected."
_EMPTY = b""
"""A request without spans or metrics, which the specification allows."""


async def check_collector(settings: Settings) -> list[Check]:
    """Whether the collector accepts an empty request of each exported signal."""
    if settings.otlp_endpoint is None:
        return []
    from stepiq.telemetry.sending import Collector, ExportResult  # noqa: PLC0415 - loads protobuf

    found: list[Check] = []
    collector = Collector(settings)
    try:
        for signal in settings.otlp_signals:
            verdict = await collector.send(signal, _EMPTY)
            if not verdict.has_response:
                detail = f"{settings.otlp_endpoint} does not respond: {verdict.reason}."
                advice = "Start the collector, or correct STEPIQ_OTLP_ENDPOINT."
                return [failed(_NAME, detail, f"{advice} {_HARMLESS}")]
            if verdict.result is not ExportResult.SENT:
                found.append(_failed(settings, signal, verdict.reason))
    finally:
        await collector.close()
    if found:
        return found
    url = urlsplit(settings.otlp_endpoint)
    if url.scheme == "http" and settings.otlp_headers and url.hostname not in _LOOPBACK:
        advice = "Use https, or a collector on this machine."
        return [
            warning(_NAME, "STEPIQ_OTLP_HEADERS is sent to another machine without TLS.", advice)
        ]
    accepted = " and ".join(settings.otlp_signals)
    content = ", with content" if settings.otlp_content else ""
    return [ok(_NAME, f"{settings.otlp_endpoint} accepts {accepted}{content}")]


def _failed(settings: Settings, signal: OtlpSignal, reason: str) -> Check:
    others = [each for each in settings.otlp_signals if each is not signal]
    advice = "Correct STEPIQ_OTLP_ENDPOINT or STEPIQ_OTLP_HEADERS"
    if others:
        advice += f", or set STEPIQ_OTLP_SIGNALS to `{others[0]}` if it does not support {signal}"
    detail = f"{settings.otlp_endpoint}/v1/{signal} does not accept {signal}: {reason}."
    return failed(_NAME, detail, f"{advice}. {_HARMLESS}")
