"""Descriptions of cron expressions in English."""

import re
from collections.abc import Collection
from contextlib import suppress

import cron_descriptor  # pyright: ignore[reportMissingTypeStubs]
from cronsim import CronSim

from stepiq.language.schedules.cron import ANY_MOMENT, FIELDS

_CYCLES = (60, 24, 1, 12, 7)
"""The cycle length of each field. Months differ in length, so days of the month have no cycle."""
_STEP = re.compile(r"(\*|[0-9]+)/([0-9]+)")
_EVERY_DAY = set(range(1, 32))
_REWORDED = {r"\bLW\b": "the last weekday", r"\bL\b": "the last day", "on day the": "on the"}
"""Patterns in the words of the library, and what is written instead."""
_WORDS = cron_descriptor.Options(use_24hour_time_format=True, locale_code="en_US")


def describe(expression: str) -> str:
    """A valid expression in words: English, 24-hour clock, without the time zone."""
    sim = CronSim(expression, ANY_MOMENT)
    values = (sim.minutes, sim.hours, sim.days, sim.months, sim.weekdays)
    fields = [
        _written_out(place, text, values[place])
        for place, text in enumerate(expression.upper().split())
    ]
    weekdays = {day % 7 for day in sim.weekdays if isinstance(day, int)}
    if not sim.day_and and (sim.days >= _EVERY_DAY or len(weekdays) == 7):
        fields[2] = fields[4] = "*"
    # After the numbers, because the library does not replace it in a list.
    fields[2] = ",".join(sorted(fields[2].split(","), key=lambda day: day.startswith("L")))
    words = ""
    # In a list, the library for descriptions omits which Friday of the month it is.
    if "," not in fields[4] or all(isinstance(day, int) for day in sim.weekdays):
        # It supports less syntax than the library for times.
        with suppress(cron_descriptor.FormatException):
            words = cron_descriptor.ExpressionDescriptor(" ".join(fields), _WORDS).get_description()
    if not words:
        return f"At the times of {expression}"
    for pattern, better in _REWORDED.items():
        words = re.sub(pattern, better, words)
    if fields[2] != "*" and fields[4] != "*":
        # The library always writes `or` before weekdays, or nothing.
        word = "only" if sim.day_and else "or"
        words = words.replace("of the month, or ", "of the month, ", 1)
        words = words.replace("of the month, ", f"of the month, {word} ", 1)
    return words


def _written_out(place: int, text: str, values: Collection[object]) -> str:
    if "*" in text.split(","):
        return "*"
    # `*/45` does not mean every 45 minutes: it restarts at each full hour. Its minutes are listed instead.
    numbers = [each for each in values if isinstance(each, int) and each >= 0]
    if "/" not in text or _is_even(text, _CYCLES[place]) or len(numbers) < len(values):
        return text
    is_every = len(numbers) == FIELDS[place][2]
    return "*" if is_every else ",".join(map(str, sorted(numbers)))


def _is_even(text: str, cycle: int) -> bool:
    """Whether the values of a field are evenly spaced, across its cycle too."""
    found = _STEP.fullmatch(text)
    if found is None:
        return False
    start, step = int(found[1].replace("*", "0")), int(found[2])
    return cycle % step == 0 and start < step
