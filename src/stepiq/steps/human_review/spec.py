"""`human_review`: a person approves or rejects, and may edit the reviewed value."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from stepiq.core.json import Json, as_object
from stepiq.language.definitions.step import GOTO, Jump, StepSpec
from stepiq.language.definitions.step_types import StepType
from stepiq.language.expressions import Expression
from stepiq.language.fields import http as http_fields
from stepiq.language.fields.description import (
    boolean,
    choice,
    either,
    input_value,
    object_of,
    seconds,
    template,
)
from stepiq.language.fields.reader import ROADMAP, FieldReader
from stepiq.language.schemas.validation import OPTIONAL_STRING_FIELD, STRING_FIELD, record
from stepiq.language.templates import Template

MAX_ASSIGNEES = 20
DEFAULT_SECONDS = 3 * 86_400
MAX_SECONDS = 30 * 86_400


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

    message: Template = template("Message", "What the reviewer must know, as Markdown.").required(
        "message: Please check this answer before it is sent."
    )
    input: Expression | None = input_value(
        "The value to review. Default: the output of the step before."
    ).optional()
    """The value to review; None for the output of the step before."""
    editable: bool = boolean("Editable", "If true, the reviewer can change the value.").default(
        False
    )
    assignees: tuple[str, ...] = http_fields.addresses(
        "Assignees",
        f"The email addresses of the reviewers: one address, or a list of up to {MAX_ASSIGNEES}.",
        MAX_ASSIGNEES,
    ).default(())
    """Email addresses to notify."""
    wait: timedelta = seconds(
        "Time limit",
        "How long to wait for a decision, in seconds. At most 30 days.",
        1,
        MAX_SECONDS,
    ).default(timedelta(seconds=DEFAULT_SECONDS), name="timeout_seconds", shown=DEFAULT_SECONDS)
    on_timeout: ReviewTimeout = choice(
        "On timeout",
        "What happens if nobody decides in time.",
        {
            ReviewTimeout.FAIL: "The run fails with `review_timeout`.",
            ReviewTimeout.APPROVE: "The review counts as approved.",
            ReviewTimeout.REJECT: "The review counts as rejected.",
        },
    ).default(ReviewTimeout.FAIL)
    on_reject: Jump | None = (
        either(
            "On reject",
            "What happens after a rejection.",
            choice(
                "On reject",
                "What happens after a rejection.",
                {"fail": "The run fails with `review_rejected`."},
                others=[GOTO],
            ),
            object_of(Jump, example="on_reject: {goto: draft}"),
        )
        .converted(lambda written: written if isinstance(written, Jump) else None)
        .default(None, shown="fail")
    )
    """None: the run fails."""

    @classmethod
    def check(cls, fields: FieldReader) -> None:
        if fields.draft.nesting:
            message = f"`parallel` cannot contain a `human_review` yet. Move the step before or after the `parallel`. {ROADMAP}"
            fields.draft.refuse((*fields.path, "type"), "not_supported_yet", message)

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


_OUTPUT = record(
    decision={"enum": ["approve", "reject"]},
    comment=OPTIONAL_STRING_FIELD,
    output={},
    reviewer=OPTIONAL_STRING_FIELD,
    decided_at=STRING_FIELD,
)


STEP_TYPE = StepType(
    ReviewSpec,
    "Waits until a person approves or rejects.",
    snippet={
        "id": "${1:approve}",
        "type": "human_review",
        "message": "${2:Please check this before it is sent.}",
    },
    timeout=None,
    can_be_nested=False,
    output_fields=frozenset({"decision", "comment", "output", "reviewer", "decided_at"}),
    output=lambda _: _OUTPUT,
    decisive_fields=frozenset({"decision"}),
)
