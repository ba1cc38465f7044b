"""What `stepiq doctor` reports, and what `serve` and `worker` look at before they start: one list for all three."""

from stepiq.server.checks.check import Check, Status
from stepiq.server.checks.listed import before_start, everything

__all__ = ["Check", "Status", "before_start", "everything"]
