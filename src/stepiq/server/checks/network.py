"""The port that the server listens on, the mail server, and the OpenTelemetry collector."""

import asyncio
from urllib.parse import urlsplit

import httpx2

from stepiq.core import http
from stepiq.core.settings.model import Settings
from stepiq.core.settings.otlp import OtlpSignal
from stepiq.queue import worker_lease
from stepiq.server.checks.check import LOOPBACK, Check, failed, fatal, note, ok, running, warning
from stepiq.server.connections.listening import AddressInUse, AddressUnusable, bind

_PATIENCE_SECONDS = 5
_READY_SECONDS = 2
_CALLED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses to call, not to listen on
_SUBMISSION_PORT = 587
_SMTPS_PORT = 465


async def check_port(settings: Settings) -> list[Check]:
    """Whether a server can listen on the configured address, and whether it is running."""
    name, address = "port", f"{settings.host}:{settings.port}"
    path = settings.sqlite_path
    is_running = path is not None and worker_lease.owner(path) is not None
    try:
        bind(settings.host, settings.port, "STEPIQ_PORT").close()
    except AddressInUse as error:
        # Any number of servers can use a PostgreSQL database.
        may_be_ours = is_running or path is None
        if may_be_ours and await _is_stepiq(settings.host, settings.port):
            return [running(name, f"{address}: a stepIQ server is running there")]
        return [fatal(name, error)]
    except AddressUnusable as error:
        return [fatal(name, error)]
    if is_running:
        detail = f"{address} is free. A stepIQ process with another address uses the database."
        return [running(name, detail)]
    return [ok(name, f"{address} is free")]


async def _is_stepiq(host: str, port: int) -> bool:
    called = _CALLED_AT.get(host, host)
    authority = f"[{called}]:{port}" if ":" in called else f"{called}:{port}"
    async with http.operator_client() as client:
        try:
            # A short time limit, because another program may listen there and never answer.
            response = await client.get(f"http://{authority}/ready", timeout=_READY_SECONDS)
        except httpx2.TransportError:
            return False
    return response.status_code == 200


async def check_mail(settings: Settings) -> list[Check]:
    """Whether the mail server accepts connections."""
    if settings.smtp_url is None:
        folder = settings.data_dir.absolute() / "mail"
        advice = "Set STEPIQ_SMTP_URL to send them."
        return [note("mail", f"no mail server: emails are written to {folder}", advice)]
    url = urlsplit(settings.smtp_url.get_secret_value())
    host = url.hostname or ""
    port = url.port or (_SMTPS_PORT if url.scheme == "smtps" else _SUBMISSION_PORT)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        reason = str(error) or "no response"
        advice = "Correct STEPIQ_SMTP_URL."
        return [failed("mail", f"{host}:{port} cannot be reached: {reason}.", advice)]
    return [ok("mail", f"{host}:{port} responds")]


_COLLECTOR = "collector"
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
                return [failed(_COLLECTOR, detail, f"{advice} {_HARMLESS}")]
            if verdict.result is not ExportResult.SENT:
                found.append(_failed(settings, signal, verdict.reason))
    finally:
        await collector.close()
    if found:
        return found
    url = urlsplit(settings.otlp_endpoint)
    if url.scheme == "http" and settings.otlp_headers and url.hostname not in LOOPBACK:
        advice = "Use https, or a collector on this machine."
        return [
            warning(
                _COLLECTOR, "STEPIQ_OTLP_HEADERS is sent to another machine without TLS.", advice
            )
        ]
    accepted = " and ".join(settings.otlp_signals)
    content = ", with content" if settings.otlp_content else ""
    return [ok(_COLLECTOR, f"{settings.otlp_endpoint} accepts {accepted}{content}")]


def _failed(settings: Settings, signal: OtlpSignal, reason: str) -> Check:
    others = [each for each in settings.otlp_signals if each is not signal]
    advice = "Correct STEPIQ_OTLP_ENDPOINT or STEPIQ_OTLP_HEADERS"
    if others:
        advice += f", or set STEPIQ_OTLP_SIGNALS to `{others[0]}` if it does not support {signal}"
    detail = f"{settings.otlp_endpoint}/v1/{signal} does not accept {signal}: {reason}."
    return failed(_COLLECTOR, detail, f"{advice}. {_HARMLESS}")
