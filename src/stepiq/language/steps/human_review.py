"""`human_review`: a person approves or rejects, and may edit the reviewed value."""

from datetime import timedelta

from stepiq.language.http_fields import read_addresses
from stepiq.language.jumps import GOTO, JUMP_FIELDS, read_jump
from stepiq.language.reports import FieldReader
from stepiq.language.specs import Jump, ReviewSpec, ReviewTimeout, StepType
from stepiq.language.steps.kinds import ReadSteps, StepKind
from stepiq.language.steps.shapes import OPTIONAL_STRING_FIELD, STRING_FIELD, record

MAX_ASSIGNEES = 20
DEFAULT_SECONDS = 3 * 86_400
MAX_SECONDS = 30 * 86_400
ON_REJECT = ("fail",)


def _read(fields: FieldReader, _: ReadSteps) -> ReviewSpec | None:
    if fields.draft.nesting:
        message = "`parallel` cannot contain a `human_review` yet. Move the step before or after the `parallel`."
        fields.draft.refuse((*fields.path, "type"), "not_supported_yet", message)
    fields.require("message", "message: Please check this answer before it is sent.")
    message_template = fields.template("message")
    under_review = fields.expression("input")
    editable = fields.boolean("editable")
    assignees = read_addresses(fields, "assignees", MAX_ASSIGNEES)
    seconds = fields.integer("timeout_seconds", 1, MAX_SECONDS)
    on_timeout = fields.choice("on_timeout", [option.value for option in ReviewTimeout])
    on_reject = _read_on_reject(fields)
    if message_template is None:
        return None
    return ReviewSpec(
        message=message_template,
        input=under_review,
        editable=bool(editable),
        assignees=assignees,
        wait=timedelta(seconds=DEFAULT_SECONDS if seconds is None else seconds),
        on_timeout=ReviewTimeout(on_timeout or ReviewTimeout.FAIL),
        on_reject=on_reject,
    )


def _read_on_reject(fields: FieldReader) -> Jump | None:
    if not isinstance(fields.raw("on_reject"), dict):
        fields.choice("on_reject", ON_REJECT, offered=(*ON_REJECT, GOTO))
        return None
    inner = fields.inner("on_reject", JUMP_FIELDS)
    if inner is None or not inner.require("goto", "on_reject: {goto: draft}"):
        return None
    return read_jump(inner, "on_reject")


_OUTPUT = record(
    decision={"enum": ["approve", "reject"]},
    comment=OPTIONAL_STRING_FIELD,
    output={},
    reviewer=OPTIONAL_STRING_FIELD,
    decided_at=STRING_FIELD,
)


KIND = StepKind(
    type=StepType.HUMAN_REVIEW,
    fields=frozenset(
        {"message", "input", "editable", "assignees", "timeout_seconds", "on_timeout", "on_reject"}
    ),
    read=_read,
    timeout=None,
    output_fields=frozenset({"decision", "comment", "output", "reviewer", "decided_at"}),
    output=lambda _: _OUTPUT,
    decisive_fields=frozenset({"decision"}),
)
