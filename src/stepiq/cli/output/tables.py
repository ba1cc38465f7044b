"""Prints lists: aligned columns on a terminal, else one line with tabs for each row."""

from collections.abc import Sequence
from datetime import datetime

from stepiq.cli.output.console import print_text, stdout_is_terminal
from stepiq.core.control_characters import escape_line

_GAP = 2
_WIDEST = 60


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows. Only a terminal gets the headings."""
    shown = [[escape_line(cell) for cell in row] for row in rows]
    if not stdout_is_terminal():
        for row in shown:
            print_text("\t".join(row))
        return
    if not rows:
        return
    shown = [[_short(cell) for cell in row] for row in shown]
    widths = [max(map(len, column)) for column in zip(headings, *shown, strict=True)]
    print_text(_line(headings, widths), color="bright_black")
    for row in shown:
        print_text(_line(row, widths))


def local_time(instant: str | None) -> str:
    """A time of the API in the time zone of this machine, to the minute on a terminal; unchanged for programs."""
    if instant is None:
        return "-"
    if not stdout_is_terminal():
        return instant
    return datetime.fromisoformat(instant).astimezone().strftime("%Y-%m-%d %H:%M")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width + _GAP) for cell, width in zip(cells, widths, strict=True)]
    return "".join(padded).rstrip()


def _short(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…"
