"""`human_review`: a person approves or rejects, and may edit the reviewed value."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from stepiq.core.json import Json, as_object
from stepiq.language.expressions import Expression
from stepiq.language.http_fields import read_addresses
from stepiq.language.jumps import GOTO, JUMP_FIELDS, read_jump
from stepiq.language.reports import FieldReader
from stepiq.language.shapes import OPTIONAL_STRING_FIELD, STRING_FIELD, record
from stepiq.language.specs import Jump, StepSpec
from stepiq.language.step_types import ReadSteps, StepType
from stepiq.language.templates import Template

MAX_ASSIGNEES = 20
DEFAULT_SECONDS = 3 * 86_400
MAX_SECONDS = 30 * 86_400
ON_REJECT = ("fail",)


class ReviewTimeout(StrEnum):
    """What happens to a review without a decision in time."""

    FAIL = "fail"
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class ReviewSpec(StepSpec):
    """A decision by a person."""

    can_wait = True
    external_action = "ask a person"

    message: Template
    input: Expression | None
    """The value to review; None for the output of the step before."""
    editable: bool
    assignees: tuple[str, ...]
    """Email addresses to notify."""
    wait: timedelta
    on_timeout: ReviewTimeout
    on_reject: Jump | None
    """None: the run fails."""

    @property
    def own_jumps(self) -> tuple[Jump, ...]:
        return () if self.on_reject is None else (self.on_reject,)

    def leads_to(self, output: Json) -> Jump | None:
        return self.on_reject if as_object(output)["decision"] == "reject" else None

    @property
    def longest_wait(self) -> timedelta:
        return self.wait

    @property
    def sends_mail(self) -> bool:
        return bool(self.assignees)


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


STEP_TYPE = StepType(
    fields=frozenset(
        {"message", "input", "editable", "assignees", "timeout_seconds", "on_timeout", "on_reject"}
    ),
    read=_read,
    timeout=None,
    can_be_nested=False,
    output_fields=frozenset({"decision", "comment", "output", "reviewer", "decided_at"}),
    output=lambda _: _OUTPUT,
    decisive_fields=frozenset({"decision"}),
)
