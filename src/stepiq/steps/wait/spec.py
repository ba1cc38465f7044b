"""`wait`: waits for a number of seconds, or until a moment."""

from dataclasses import dataclass
from datetime import timedelta

from stepiq.core import clock
from stepiq.language.reports import FieldReader
from stepiq.language.shapes import STRING_FIELD, record
from stepiq.language.specs import StepSpec
from stepiq.language.step_types import ReadSteps, StepType
from stepiq.language.templates import Template
from stepiq.language.templates.nodes import Text

MAX_WAIT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class WaitSpec(StepSpec):
    """A wait for a fixed time, or until a moment."""

    can_wait = True

    length: timedelta | None
    until: Template | None

    @property
    def longest_wait(self) -> timedelta:
        return self.length or timedelta(0)


def _read(fields: FieldReader, _: ReadSteps) -> WaitSpec | None:
    seconds = fields.number("seconds", 0, int(MAX_WAIT.total_seconds()))
    until = fields.template("until")
    if until is not None and seconds is None:
        _check_literal(fields, until)
    if fields.has("seconds") and fields.has("until"):
        fields.refuse(
            "until",
            "conflict",
            "A `wait` can have `seconds` or `until`, but not both. Remove one of the two.",
        )
    elif not fields.has("until"):
        fields.require("seconds", "seconds: 30")
    if seconds is None and until is None:
        return None
    return WaitSpec(None if seconds is None else timedelta(seconds=seconds), until)


def _check_literal(fields: FieldReader, until: Template) -> None:
    """Check that a text without tags is a time."""
    if not all(isinstance(node, Text) for node in until.nodes):
        return
    written = "".join(node.value for node in until.nodes if isinstance(node, Text)).strip()
    try:
        clock.parse(written)
    except (ValueError, OverflowError):
        message = (
            "`until` must be a time with a time zone, such as `2026-03-01T09:00:00Z`, or a template that writes one. "
            "For a fixed delay, write `seconds: 86400`."
        )
        fields.refuse("until", "invalid_format", message)


_OUTPUT = record(until=STRING_FIELD)


STEP_TYPE = StepType(
    fields=frozenset({"seconds", "until"}),
    read=_read,
    timeout=None,
    output_fields=frozenset({"until"}),
    output=lambda _: _OUTPUT,
)
