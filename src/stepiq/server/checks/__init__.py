"""The checks that `stepiq doctor` reports, and that `serve` and `worker` run before they start."""

from stepiq.server.checks.check import Check, Status
from stepiq.server.checks.listed import before_start, everything, of_running

__all__ = ["Check", "Status", "before_start", "everything", "of_running"]
