"""Shapes of usage in the API."""

from datetime import date

from pydantic import ConfigDict, Field

from stepiq.billing.records import Usage
from stepiq.engine.usage import TOKENS_PER_CREDIT
from stepiq.web.bodies import View


class RunsView(View):
    """Runs by how they ended."""

    total: int
    """Those that ended in the period and, where it includes today, those that have not ended yet."""
    completed: int
    failed: int
    cancelled: int
    unfinished: int
    """Accepted and not ended at this moment; 0 where the period does not include today."""


class TokensView(View):
    """Tokens of all models."""

    input: int
    cached: int
    """The part of `input` that providers read from their cache."""
    output: int
    total: int
    """`input` and `output`."""


class CreditsView(View):
    """1 credit is 1,000 tokens of models that the server pays for."""

    used: int
    """In the period; one that has only been begun is not among them."""
    remaining: int | None
    """Of this month, whatever the period, the one that has been begun included; null is unlimited."""


class SeriesEntryView(View):
    """What one day, model or pipeline used."""

    key: str
    """The day (YYYY-MM-DD, UTC), the model's id, or the pipeline's."""
    name: str | None
    """Of the pipeline."""
    runs: int
    """Those that ended; with a model, those that used it."""
    tokens: int
    cost_usd_micros: int
    cost_complete: bool


class UsageView(View):
    """What a workspace used in a period of whole days, in UTC."""

    model_config = ConfigDict(serialize_by_alias=True)

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    """Included."""
    runs: RunsView
    tokens: TokensView
    cost_usd_micros: int
    """Calls to models that have no known price count as 0."""
    cost_complete: bool
    """False when there were such calls."""
    credits: CreditsView
    series: list[SeriesEntryView]
    series_complete: bool
    """False when there are more models or pipelines than the 100 listed."""


def usage_view(usage: Usage) -> UsageView:
    """Usage as the API shows it."""
    totals = usage.totals
    ended = totals.completed + totals.failed + totals.cancelled
    return UsageView(
        first=usage.period.first,
        last=usage.period.last,
        runs=RunsView(
            total=ended + usage.unfinished_runs,
            completed=totals.completed,
            failed=totals.failed,
            cancelled=totals.cancelled,
            unfinished=usage.unfinished_runs,
        ),
        tokens=TokensView(
            input=totals.input_tokens,
            cached=totals.cached_tokens,
            output=totals.output_tokens,
            total=totals.input_tokens + totals.output_tokens,
        ),
        cost_usd_micros=totals.cost_usd_micros,
        cost_complete=totals.cost_complete,
        credits=CreditsView(
            used=totals.credit_tokens // TOKENS_PER_CREDIT, remaining=usage.credits_remaining
        ),
        series=[SeriesEntryView.model_validate(entry) for entry in usage.series],
        series_complete=usage.series_complete,
    )
