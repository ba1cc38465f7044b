"""Usage as CSV."""

import csv
import io
from collections.abc import Iterable

from stepiq.billing.records import DailyUsage, UsageReport

_AMOUNTS = ("runs", "tokens", "cost_usd_micros", "cost_complete")
# Spreadsheets evaluate cells that begin with one of these.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def render(usage: UsageReport) -> str:
    """The series of usage, or its usage by day if there is any, with a header."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = {entry.key: entry.name for entry in usage.series}
    if usage.daily is None:
        writer.writerow(["key", "name", *_AMOUNTS])
        writer.writerows(
            [_cell(entry.key), _cell(entry.name), *_amounts(entry)] for entry in usage.series
        )
    else:
        writer.writerow(["day", "key", "name", *_AMOUNTS])
        writer.writerows(_of_days(usage.daily, names))
    return text.getvalue()


def _of_days(daily: Iterable[DailyUsage], names: dict[str, str | None]) -> Iterable[list[object]]:
    for each in daily:
        name = None if each.key is None else names.get(each.key)
        yield [each.day, _cell(each.key), _cell(name), *_amounts(each)]


def _amounts(entry: object) -> list[object]:
    *numbers, is_complete = (getattr(entry, name) for name in _AMOUNTS)
    return [*numbers, "true" if is_complete else "false"]


def _cell(text: str | None) -> str:
    text = text or ""
    return f"'{text}" if text.startswith(_FORMULAS) else text
