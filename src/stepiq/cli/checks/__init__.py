"""What `stepiq doctor` looks at, one module for each part of a server. Looking changes nothing."""

from stepiq.cli.checks.check import Check, Status
from stepiq.cli.checks.providers import check_providers
from stepiq.cli.checks.secrets import check_secrets
from stepiq.cli.checks.server import check_server, settings_check
from stepiq.cli.checks.store import check_store

__all__ = [
    "Check",
    "Status",
    "check_providers",
    "check_secrets",
    "check_server",
    "check_store",
    "settings_check",
]
