"""The port that the server listens on, and the mail server."""

import asyncio
import socket
from urllib.parse import urlsplit

import httpx2

from stepiq.core import http
from stepiq.core.settings import Settings
from stepiq.server.checks.check import Check, failed, note, ok

_PATIENCE_SECONDS = 5
_READY_SECONDS = 2
_SUBMISSION_PORT = 587
_SMTPS_PORT = 465


async def check_port(settings: Settings) -> list[Check]:
    """Whether a server could listen there, or does."""
    address = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        if await _is_stepiq(settings.port):
            return [ok("port", f"{address}: a stepIQ server is running there")]
        reason = error.strerror or str(error)
        advice = "Stop the process that uses it, or set STEPIQ_PORT to another port (0 takes a free one)."
        return [failed("port", f"{address} cannot be used: {reason}.", advice)]
    return [ok("port", f"{address} is free")]


async def _is_stepiq(port: int) -> bool:
    async with http.operator_client() as client:
        try:
            # A short time limit: another program may listen there and never answer.
            response = await client.get(f"http://127.0.0.1:{port}/ready", timeout=_READY_SECONDS)
        except httpx2.TransportError:
            return False
    return response.status_code == 200


async def check_mail(settings: Settings) -> list[Check]:
    """Whether the mail server answers."""
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
