"""Usage of workspaces: rollups by day, pipeline, model and caller, and the counters that plan limits apply to.

Usage is added in the transaction that records it, so that the sums stay exact after a crash. Days and months are in
UTC. To prevent deadlocks, the workspace's row is locked before rollup rows, and these in the order of their keys.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from stepiq.language.definitions.compiled import Definition
from stepiq.providers.base import Usage
from stepiq.store.database import Session
from stepiq.store.states import RunStatus
from stepiq.store.tables import usage_caller_days, usage_days, workspaces


@dataclass(slots=True)
class Meter:
    """Tokens and cost of one execution of a step, over all its attempts."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    credit_tokens: int = 0
    """Tokens of models that the server pays for."""
    tokens_estimated: bool = False
    cost: dict[str, int] | None = None
    """Micro-dollars by `input`, `cached` and `output`; None if no cost is known."""
    cost_complete: bool = True
    """False once a model without a known price was used."""

    @property
    def cost_usd_micros(self) -> int:
        """Sum of the known costs."""
        return sum(self.cost.values()) if self.cost else 0

    def add(self, usage: Usage, credit_tokens: int, parts: dict[str, int] | None) -> None:
        """Add one call.

        Args:
            usage: its tokens.
            credit_tokens: those that cost credits.
            parts: its cost; None if the price of its model is unknown.
        """
        self.input_tokens += usage.input_tokens
        self.cached_tokens += usage.cached_tokens
        self.output_tokens += usage.output_tokens
        self.tokens_estimated |= usage.estimated
        self.credit_tokens += credit_tokens
        if parts is None:
            self.cost_complete = False
            return
        found = self.cost or {}
        self.cost = {part: found.get(part, 0) + value for part, value in parts.items()}

    def since(self, earlier: "Meter") -> "Meter":
        """What was added since `earlier`, for the run's totals."""
        return Meter(
            input_tokens=self.input_tokens - earlier.input_tokens,
            cached_tokens=self.cached_tokens - earlier.cached_tokens,
            output_tokens=self.output_tokens - earlier.output_tokens,
            credit_tokens=self.credit_tokens - earlier.credit_tokens,
            cost={"total": self.cost_usd_micros - earlier.cost_usd_micros},
            cost_complete=self.cost_complete,
        )


TOKENS_PER_CREDIT = 1_000
"""Tokens per credit, for models that the server pays for."""

_COUNTS = (
    "runs",
    "runs_completed",
    "runs_failed",
    "runs_cancelled",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "credit_tokens",
    "cost_usd_micros",
)
_CALLER_COUNTS = ("runs", "input_tokens", "output_tokens", "cost_usd_micros")
RUNS = ""
"""In place of a model name: the row that counts runs."""


@dataclass(slots=True)
class Tally:
    """The usage that one transaction adds, by model."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def credit_tokens(self) -> int:
        """Tokens that the server pays for."""
        return sum(row["credit_tokens"] for row in self.rows.values())

    @property
    def models(self) -> set[str]:
        """Models with usage."""
        return self.rows.keys() - {RUNS}

    def add_meter(self, model: str | None, used: Meter, known: Iterable[str]) -> None:
        """Add the usage of a model's calls.

        Args:
            model: the model.
            used: its usage since the last write.
            known: models under which the run is already counted.
        """
        if not has_used(used):
            return
        is_new = model is not None and model not in known and model not in self.rows
        row = self._row(model or RUNS)
        row["runs"] += is_new
        for name in ("input_tokens", "cached_tokens", "output_tokens", "credit_tokens"):
            row[name] += getattr(used, name)
        row["cost_usd_micros"] += used.cost_usd_micros
        row["cost_complete"] &= used.cost_complete

    def add_run(self, status: RunStatus) -> None:
        """Count a run that ended."""
        row = self._row(RUNS)
        row["runs"] += 1
        row[f"runs_{status}"] += 1

    def _row(self, model: str) -> dict[str, Any]:
        if model not in self.rows:
            self.rows[model] = _nothing(_COUNTS)
        return self.rows[model]


def has_used(meter: Meter) -> bool:
    """Whether a meter has tokens: calls without tokens are not counted."""
    return meter.input_tokens + meter.output_tokens > 0


@dataclass(frozen=True, slots=True)
class Used:
    """A tally with its workspace, pipeline, caller and time."""

    workspace_id: UUID
    pipeline_id: UUID
    caller_id: UUID | None
    """What started the run; None if it is unknown."""
    tally: Tally
    at: datetime


async def add_many(session: Session, used: Iterable[Used]) -> None:
    """Add tallies to the rollups of their days. Empty tallies write nothing."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    of_callers: dict[tuple[Any, ...], dict[str, Any]] = {}
    for each in used:
        for model, counts in each.tally.rows.items():
            key = (each.workspace_id, day_of(each.at), each.pipeline_id, model)
            _add_counts(rows.setdefault(key, _nothing(_COUNTS)), counts)
            if each.caller_id is not None:
                row = of_callers.setdefault(
                    (each.workspace_id, day_of(each.at), each.caller_id), _nothing(_CALLER_COUNTS)
                )
                # The rows of models count the same runs again.
                _add_counts(row, counts if model == RUNS else counts | {"runs": 0})
    dialect = session.dialect
    for table, found in ((usage_days, rows), (usage_caller_days, of_callers)):
        if found:
            columns = [column.name for column in table.primary_key]
            values = [
                {**dict(zip(columns, key, strict=True)), **found[key]} for key in sorted(found)
            ]
            await session.execute(_UPSERTS[dialect, table], values)


def _nothing(names: Iterable[str]) -> dict[str, Any]:
    return {**dict.fromkeys(names, 0), "cost_complete": True}


def _add_counts(row: dict[str, Any], added: dict[str, Any]) -> None:
    for name in row:
        if name != "cost_complete":
            row[name] += added[name]
    row["cost_complete"] &= added["cost_complete"]


def _upsert(insert: Any, table: sa.Table, names: Iterable[str]) -> Any:
    statement = insert(table)
    added: dict[str, Any] = {name: table.c[name] + statement.excluded[name] for name in names}
    added["cost_complete"] = sa.and_(table.c.cost_complete, statement.excluded.cost_complete)
    keys = [column.name for column in table.primary_key]
    return statement.on_conflict_do_update(index_elements=keys, set_=added)


_TABLES = {usage_days: _COUNTS, usage_caller_days: _CALLER_COUNTS}
_UPSERTS = {
    (dialect, table): _upsert(insert, table, names)
    for dialect, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
    for table, names in _TABLES.items()
}


@dataclass(frozen=True, slots=True)
class CountedPeriod:
    """SQL for the current day or month, and for the following one.

    A counter that another process has begun for the following period goes on: this process's clock is behind, or its
    write has waited since before midnight. A counter of a later period was written by a wrong clock, and starts again.
    """

    current: sa.ColumnElement[str]
    following: sa.ColumnElement[str]

    def counted(self, column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
        """The period to store for a counter whose period is in this column."""
        return sa.case((column == self.following, column), else_=self.current)

    def of(
        self, column: sa.ColumnElement[str], count: sa.ColumnElement[int]
    ) -> sa.ColumnElement[int]:
        """A counter whose period is in this column; 0 if it is of another period."""
        return sa.case((column.in_((self.current, self.following)), count), else_=0)


DAY = CountedPeriod(*(sa.bindparam(name, type_=sa.Text) for name in ("day", "next_day")))
MONTH = CountedPeriod(*(sa.bindparam(name, type_=sa.Text) for name in ("month", "next_month")))


def day_period(now: datetime) -> CountedPeriod:
    """The day of a moment and the following one, as values instead of the parameters of `DAY`."""
    return CountedPeriod(*map(sa.literal, days(now).values()))


def days(now: datetime) -> dict[str, str]:
    """The parameters of `DAY`."""
    return {"day": day_of(now), "next_day": day_of(now + timedelta(days=1))}


def months(now: datetime) -> dict[str, str]:
    """The parameters of `MONTH`."""
    return {"month": month_of(now), "next_month": _next_month(now)}


def runs_today(day: CountedPeriod = DAY) -> sa.ColumnElement[int]:
    """SQL for the runs that a workspace has started today, from its row."""
    return day.of(workspaces.c.runs_day, workspaces.c.runs_today)


def credit_tokens() -> sa.ColumnElement[int]:
    """SQL for the credit tokens of a workspace this month, from its row."""
    return MONTH.of(workspaces.c.credit_month, workspaces.c.credit_tokens)


def tokens_of_month(counted_month: str, tokens: int, now: datetime) -> int:
    """Credit tokens of the current month, from values of a workspace's row."""
    return tokens if counted_month in (month_of(now), _next_month(now)) else 0


CREDITS_COUNTED: dict[str, sa.ColumnElement[Any]] = {
    "credit_month": MONTH.counted(workspaces.c.credit_month),
    "credit_tokens": credit_tokens() + sa.bindparam("more_credits", type_=sa.BigInteger),
}
"""Column values that add `more_credits` credit tokens to a workspace's row. They also need the parameters `months`."""
_COUNT_CREDITS = (
    workspaces.update()
    .where(workspaces.c.id == sa.bindparam("workspace", type_=workspaces.c.id.type))
    .values(CREDITS_COUNTED)
)


async def count_credits(session: Session, workspace_id: UUID, tokens: int, now: datetime) -> None:
    """Add credit tokens to the workspace's current month."""
    if tokens:
        values = {"workspace": workspace_id, "more_credits": tokens, **months(now)}
        await session.execute(_COUNT_CREDITS, values)


def credits_remaining(limit: int | None, tokens: int) -> int | None:
    """Credits left of a monthly limit, including a partly used one; None is unlimited.

    It is 0 exactly when runs that need credits are refused.
    """
    return None if limit is None else max(0, limit - tokens // TOKENS_PER_CREDIT)


def models_of(definition: Definition) -> set[str | None]:
    """All models that a run of the definition may call; None is the default model."""
    return {model for step in definition.every_step for model in step.spec.asked_models}


def day_of(moment: datetime) -> str:
    """The day under which usage is counted, such as `2026-01-31`."""
    return moment.date().isoformat()


def month_of(moment: datetime) -> str:
    """The month under which credits are counted, such as `2026-01`."""
    return moment.strftime("%Y-%m")


def _next_month(moment: datetime) -> str:
    return month_of(moment.replace(day=1) + timedelta(days=32))
