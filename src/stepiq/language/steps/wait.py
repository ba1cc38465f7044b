"""`wait`: waits for a number of seconds, or until a moment."""

from datetime import timedelta

from stepiq.core import clock
from stepiq.language.reports import FieldReader
from stepiq.language.specs import StepType, WaitSpec
from stepiq.language.steps.kinds import ReadSteps, StepKind
from stepiq.language.steps.shapes import STRING_FIELD, record
from stepiq.language.templates import Template
from stepiq.language.templates.nodes import Text

MAX_WAIT = timedelta(days=30)


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


_OUTPUT = record(until=STRING_FIELD)


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


KIND = StepKind(
    type=StepType.WAIT,
    fields=frozenset({"seconds", "until"}),
    read=_read,
    timeout=None,
    output_fields=frozenset({"until"}),
    output=lambda _: _OUTPUT,
)
