"""The list of checks, in the order of the report."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from stepiq.core.errors import Invalid, Issue
from stepiq.core.observability import logging
from stepiq.core.settings import model as settings
from stepiq.core.settings.errors import SettingsInvalid
from stepiq.core.settings.model import Settings
from stepiq.server.checks.check import Check, Status
from stepiq.server.checks.configuration import (
    check_accounts,
    check_default_model,
    check_identity_providers,
    check_providers,
    check_settings,
    check_step_types,
)
from stepiq.server.checks.machine import check_descriptors, check_sandbox, try_sandbox
from stepiq.server.checks.network import check_collector, check_mail, check_port
from stepiq.server.checks.store import STORE, check_owner, check_secrets, check_store

log = logging.get(__name__)


class CannotStart(Invalid):
    """Several things keep the server from starting."""

    code = "cannot_start"


@dataclass(frozen=True, slots=True)
class _Listed:
    look: Callable[[Settings], Awaitable[list[Check]]]
    is_for_start: bool = True
    """Whether it runs before a start. Calls to other servers, and what the start itself tries next, are left out."""
    is_for_doctor: bool = True
    """Whether `stepiq doctor` runs it. Left out if another check does more."""
    needs_store: bool = False
    """Whether it needs the store. It is skipped if `check_store` fails, because it would report the same problem."""


_CHECKS = (
    _Listed(check_settings),
    _Listed(check_step_types),
    _Listed(check_store),
    _Listed(check_owner, is_for_start=False),
    _Listed(check_secrets, needs_store=True),
    _Listed(check_sandbox, is_for_doctor=False),
    _Listed(try_sandbox, is_for_start=False),
    _Listed(check_descriptors),
    _Listed(check_providers, is_for_start=False),
    _Listed(check_default_model),
    _Listed(check_accounts),
    _Listed(check_port, is_for_start=False),
    _Listed(check_mail, is_for_start=False),
    _Listed(check_collector, is_for_start=False),
    _Listed(check_identity_providers, is_for_start=False),
)


async def everything() -> list[Check]:
    """Run the checks of `stepiq doctor`. Changes nothing."""
    try:
        configured = settings.load()
    except SettingsInvalid as error:
        issues = error.issues or [Issue("settings", "setting", error.message)]
        return [Check(each.path, Status.FAILED, each.message, error=error) for each in issues]
    return await _looked(configured, [each for each in _CHECKS if each.is_for_doctor])


async def of_running(configured: Settings) -> list[Check]:
    """Run the checks that call no other server, for a server that is running."""
    return await _looked(configured, [each for each in _CHECKS if each.is_for_start])


async def before_start(configured: Settings, announce: Callable[[str], None] | None = None) -> None:
    """Check what a server needs, and warn about failures and risks.

    Args:
        configured: the settings of the server.
        announce: prints a warning. Default: the warning is logged.

    Raises:
        CannotStart: several problems prevent the server from starting.
        StepIQError: one problem does.
    """
    found = await _looked(configured, [each for each in _CHECKS if each.is_for_start])
    fatal_ones = [check for check in found if check.error is not None]
    if len(fatal_ones) == 1 and fatal_ones[0].error is not None:
        raise fatal_ones[0].error
    if fatal_ones:
        issues = [Issue(check.name, "check_failed", check.detail) for check in fatal_ones]
        raise CannotStart("The server cannot start.", issues)
    for check in found:
        if check.status in (Status.WARNING, Status.FAILED):
            _warn(check, announce)


async def _looked(configured: Settings, listed: Iterable[_Listed]) -> list[Check]:
    found: list[Check] = []
    for each in listed:
        if not (each.needs_store and any(check.name in STORE for check in found if check.error)):
            found += await each.look(configured)
    return found


def _warn(check: Check, announce: Callable[[str], None] | None) -> None:
    text = f"{check.detail} {check.advice}".strip()
    if announce is not None:
        announce(f"Warning: {text}")
    else:
        log.warning("startup_warning", check=check.name, problem=text)
