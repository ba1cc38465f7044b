"""Data classes of usage."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from stepiq.execution.limits.quotas import Quota


class GroupBy(StrEnum):
    """What each entry of the series represents."""

    DAY = "day"
    MODEL = "model"
    PIPELINE = "pipeline"
    CALLER = "caller"
    """What started the runs: an API key, a user or a schedule."""


class PlanLimit(StrEnum):
    """A limit of a plan on runs and pipelines, by the name that it has there."""

    CREDITS_PER_MONTH = "credits_per_month"
    RUNS_PER_DAY = "runs_per_day"
    RUNS_AT_ONCE = "runs_at_once"
    RUNS_QUEUED = "runs_queued"
    PIPELINES = "pipelines"


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

    completed: int
    failed: int
    cancelled: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    credit_tokens: int
    cost_usd_micros: int
    cost_complete: bool


@dataclass(frozen=True, slots=True)
class UsageEntry:
    """One day, model, pipeline or caller of a series."""

    key: str
    runs: int = 0
    tokens: int = 0
    cost_usd_micros: int = 0
    cost_complete: bool = True
    name: str | None = None
    """Name of the pipeline, or of what started the runs."""


@dataclass(frozen=True, slots=True)
class DailyUsage:
    """Usage of one entry of the series on one day."""

    day: str
    key: str | None
    """None: all entries without their own rows."""
    runs: int
    tokens: int
    cost_usd_micros: int
    cost_complete: bool


@dataclass(frozen=True, slots=True)
class LimitState:
    """A limit of the plan and its present value."""

    name: PlanLimit | Quota
    limit: int | None
    used: int
    resets_at: datetime | None
    overridden: bool = False
    """Whether it replaces the limit of the plan for this workspace."""

    @property
    def left(self) -> int | None:
        """What is left of the limit; None is unlimited."""
        return None if self.limit is None else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Now:
    """Current counters of a workspace."""

    unfinished_runs: int
    """Without those that wait for a time or a person."""
    admitted_runs: int
    """Unfinished runs that do not wait for a slot."""
    waiting_runs: int
    """Runs that wait for a time or a person."""
    runs_today: int
    credit_tokens: int
    """Tokens of the current month."""
    pipelines: int
    """Active pipelines."""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage of a workspace in a period."""

    period: Period
    totals: Totals
    unfinished_runs: int
    """Current number if the period includes today, else 0."""
    credits_remaining: int | None
    limits: list[LimitState]
    series: list[UsageEntry]
    series_complete: bool
    daily: list[DailyUsage] | None
    """None if it was not requested."""
