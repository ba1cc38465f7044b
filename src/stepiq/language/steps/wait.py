"""`wait`: a pause, of so many seconds or until a moment."""

from datetime import timedelta

from stepiq.language.drafts import Fields
from stepiq.language.specs import StepType, WaitSpec
from stepiq.language.steps.kinds import ReadSteps, StepKind
from stepiq.language.steps.shapes import STRING_FIELD, record

MAX_WAIT = timedelta(days=30)


def _read(fields: Fields, _: ReadSteps) -> WaitSpec | None:
    seconds = fields.number("seconds", 0, int(MAX_WAIT.total_seconds()))
    until = fields.template("until")
    if fields.has("seconds") and fields.has("until"):
        fields.refuse("until", "conflict", "A wait has `seconds` or `until`, not both.")
    elif not fields.has("until"):
        fields.require("seconds", "seconds: 30")
    if seconds is None and until is None:
        return None
    return WaitSpec(None if seconds is None else timedelta(seconds=seconds), until)


_OUTPUT = record(until=STRING_FIELD)


KIND = StepKind(
    type=StepType.WAIT,
    fields=frozenset({"seconds", "until"}),
    read=_read,
    timeout=None,
    output_fields=frozenset({"until"}),
    output=lambda _: _OUTPUT,
)
