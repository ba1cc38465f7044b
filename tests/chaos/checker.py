"""Checks all promises."""

from tests.chaos import check_outcomes, check_runs
from tests.chaos.evidence import Evidence
from tests.chaos.row import Row

CHECKS = (
    check_runs.accepted,
    check_runs.recorded,
    check_runs.paused,
    check_runs.orphaned,
    check_runs.unavailable,
    check_runs.keyed,
    check_outcomes.ticked,
    check_outcomes.delivered,
    check_outcomes.agreed,
    check_outcomes.streamed,
    check_outcomes.logged,
    check_runs.hostile,
)


def check(evidence: Evidence) -> list[Row]:
    """Return one row for each promise."""
    return [each(evidence) for each in CHECKS]
