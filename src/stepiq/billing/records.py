"""Data classes of usage."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from stepiq.execution.quotas import QuotaState


class GroupBy(StrEnum):
    """What each entry of the series represents."""

    DAY = "day"
    MODEL = "model"
    PIPELINE = "pipeline"


@dataclass(frozen=True, slots=True)
class Period:
    """UTC days, both inclusive."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a period."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    credit_tokens: int = 0
    cost_usd_micros: int = 0
    cost_complete: bool = True


@dataclass(frozen=True, slots=True)
class UsageEntry:
    """One day, model or pipeline of a series."""

    key: str
    name: str | None = None
    """Name of the pipeline, if the entry is one."""
    runs: int = 0
    tokens: int = 0
    cost_usd_micros: int = 0
    cost_complete: bool = True


@dataclass(frozen=True, slots=True)
class Now:
    """Current counters of a workspace."""

    unfinished_runs: int
    credit_tokens: int
    """Tokens of the current month."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage of a workspace in a period."""

    period: Period
    totals: Totals
    unfinished_runs: int
    """Current number if the period includes today, else 0."""
    credits_remaining: int | None
    quotas: list[QuotaState]
    series: list[UsageEntry]
    series_complete: bool
