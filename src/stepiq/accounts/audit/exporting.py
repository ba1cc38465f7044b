"""The audit log as text: lines of JSON, or CSV."""

import csv
import io
from collections.abc import Iterable, Sequence

from stepiq.accounts.audit.records import Entry
from stepiq.core import clock, json
from stepiq.core.json import Json

CSV_COLUMNS = (
    "workspace_id", "sequence", "at", "actor_kind", "actor_id", "actor_name", "key_id", "key_name",
    "client", "action", "target_type", "target_id", "target_name", "before", "after", "id", "hash",
)  # fmt: skip
# Spreadsheets evaluate cells that begin with one of these.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def shown(entry: Entry) -> dict[str, Json]:
    """An entry with its hash."""
    return {**entry.content(), "hash": entry.hash}


def lines(entries: Iterable[Entry]) -> str:
    """One JSON object per line."""
    return "".join(f"{json.dumps(shown(entry))}\n" for entry in entries)


def csv_header() -> str:
    """The first line of CSV."""
    return _csv([CSV_COLUMNS])


def csv_lines(entries: Iterable[Entry]) -> str:
    """The entries as CSV."""
    return _csv([_cells(entry) for entry in entries])


def _cells(entry: Entry) -> list[str]:
    return [_cell(_text(getattr(entry, name), name)) for name in CSV_COLUMNS]


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if name in ("before", "after"):
        return json.dumps(value)  # type: ignore[arg-type]
    return clock.iso(value) if name == "at" else str(value)  # type: ignore[arg-type]


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
