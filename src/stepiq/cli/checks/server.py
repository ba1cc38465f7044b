"""The settings, the plans, the port, and mail."""

import asyncio
import socket
from urllib.parse import urlsplit

from stepiq.billing.plans import Plans
from stepiq.cli.api import Api
from stepiq.cli.checks.check import Check, failed, note, ok
from stepiq.core.errors import StepIQError
from stepiq.core.settings import Settings, variable_name

_PATIENCE_SECONDS = 5
_SUBMISSION_PORT = 587
_SMTPS_PORT = 465


def settings_check(settings: Settings) -> Check:
    """Which settings are given; their values stay unsaid, for some are secrets."""
    given = sorted(
        variable_name(field) for field in settings.model_fields_set - {"endpoints", "plans"}
    )
    file = settings.config_file.absolute()
    from_file = f"; {file} is read" if file.exists() else ""
    return ok("settings", f"{', '.join(given) or 'all at their defaults'}{from_file}")


async def check_server(settings: Settings) -> list[Check]:
    """Plans, port and mail."""
    return [_check_plans(settings), await _check_port(settings), await _check_mail(settings)]


def _check_plans(settings: Settings) -> Check:
    try:
        plans = Plans.load(settings.plans)
        plans.require(settings.default_plan)
    except StepIQError as error:
        return failed(
            "plans", error.message, f"Correct {settings.config_file} or STEPIQ_DEFAULT_PLAN."
        )
    return ok("plans", f"{', '.join(plans.names())}; new accounts get {settings.default_plan}")


async def _check_port(settings: Settings) -> Check:
    address = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        api = Api(f"http://127.0.0.1:{settings.port}")
        try:
            if await api.is_ready():
                return ok("port", f"{address}: a stepIQ server runs there")
        finally:
            await api.close()
        advice = "Stop what is using it, or set STEPIQ_PORT to another port (0 takes a free one)."
        return failed("port", f"{address} cannot be used: {error.strerror}.", advice)
    return ok("port", f"{address} is free")


async def _check_mail(settings: Settings) -> Check:
    if settings.smtp_url is None:
        folder = settings.data_dir.absolute() / "mail"
        advice = "Set STEPIQ_SMTP_URL to send it."
        return note("mail", f"no server: mail is written to {folder}", advice)
    url = urlsplit(settings.smtp_url.get_secret_value())
    host = url.hostname or ""
    port = url.port or (_SMTPS_PORT if url.scheme == "smtps" else _SUBMISSION_PORT)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError) as error:
        reason = str(error) or "no answer"
        return failed(
            "mail", f"{host}:{port} cannot be reached: {reason}.", "Correct STEPIQ_SMTP_URL."
        )
    return ok("mail", f"{host}:{port} answers")
