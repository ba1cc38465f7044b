"""`wait`: waits for a number of seconds, or until a moment."""

from dataclasses import dataclass
from datetime import timedelta

from stepiq.core import clock
from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import StepType
from stepiq.language.fields.description import number, template
from stepiq.language.fields.reader import FieldReader
from stepiq.language.schemas.validation import STRING_FIELD, record
from stepiq.language.templates import Template
from stepiq.language.templates.nodes import Text

MAX_WAIT = timedelta(days=30)


def _check_literal(fields: FieldReader, name: str, until: Template) -> None:
    """Check that a text without tags is a time."""
    if fields.has("seconds") or not all(isinstance(node, Text) for node in until.nodes):
        return
    written = "".join(node.value for node in until.nodes if isinstance(node, Text)).strip()
    try:
        clock.parse(written)
    except (ValueError, OverflowError):
        message = (
            "`until` must be a time with a time zone, such as `2026-03-01T09:00:00Z`, or a template that writes one. "
            "For a fixed delay, write `seconds: 86400`."
        )
        fields.refuse(name, "invalid_format", message)


@dataclass(frozen=True, slots=True)
class WaitSpec(StepSpec):
    """A wait for a fixed time, or until a moment."""

    can_wait = True

    length: timedelta | None = (
        number("Seconds", "How long to wait. At most 30 days.", 0, MAX_WAIT // timedelta(seconds=1))
        .converted(lambda seconds: timedelta(seconds=seconds))
        .optional(name="seconds")
    )
    until: Template | None = (
        template("Until", "An ISO 8601 time with a time zone, such as `2026-03-01T09:00:00+01:00`.")
        .checked(_check_literal)
        .optional()
    )

    @classmethod
    def check(cls, fields: FieldReader) -> None:
        if fields.has("seconds") and fields.has("until"):
            message = "A `wait` can have `seconds` or `until`, but not both. Remove one of the two."
            fields.refuse("until", "conflict", message)
        elif not fields.has("until"):
            fields.require("seconds", "seconds: 30")

    @property
    def longest_wait(self) -> timedelta:
        return self.length or timedelta(0)


_OUTPUT = record(until=STRING_FIELD)


STEP_TYPE = StepType(
    WaitSpec,
    "Waits for a number of seconds, or until a time.",
    snippet={"id": "${1:pause}", "type": "wait", "seconds": "^${2:60}"},
    schema={"anyOf": [{"required": ["seconds"]}, {"required": ["until"]}]},
    timeout=None,
    output_fields=frozenset({"until"}),
    output=lambda _: _OUTPUT,
)
