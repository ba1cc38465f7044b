"""The JSON Schema of `human_review` steps, for editors."""

from stepiq.language.json_schema.common import (
    input_value,
    jump_fields,
)
from stepiq.language.json_schema.nodes import (
    Node,
    TypeSchema,
    boolean,
    choice,
    either,
    integer,
    mapping,
    template,
)
from stepiq.language.json_schema.schema_context import addresses
from stepiq.steps.human_review.spec import (
    DEFAULT_SECONDS,
    MAX_ASSIGNEES,
    MAX_SECONDS,
    ON_REJECT,
    ReviewTimeout,
)

_REVIEW_TIMEOUTS = {
    "fail": "The run fails with `review_timeout`.",
    "approve": "The review counts as approved.",
    "reject": "The review counts as rejected.",
}

_SNIPPET: Node = {
    "id": "${1:approve}",
    "type": "human_review",
    "message": "${2:Please check this before it is sent.}",
}


def schema() -> TypeSchema:
    """The fields of the type."""
    fields = {
        "message": template("Message", "What the reviewer must know, as Markdown."),
        "input": input_value("The value to review. Default: the output of the step before."),
        "editable": boolean(
            "Editable", "If true, the reviewer can change the value.", default=False
        ),
        "assignees": addresses(
            "Assignees",
            f"The email addresses of the reviewers: one address, or a list of up to {MAX_ASSIGNEES}.",
            MAX_ASSIGNEES,
        ),
        "timeout_seconds": integer(
            "Time limit",
            "How long to wait for a decision, in seconds. At most 30 days.",
            1,
            MAX_SECONDS,
            default=DEFAULT_SECONDS,
        ),
        "on_timeout": choice(
            "On timeout",
            "What happens if nobody decides in time.",
            _REVIEW_TIMEOUTS,
            ReviewTimeout,
            default=ReviewTimeout.FAIL,
        ),
        "on_reject": either(
            "On reject",
            "What happens after a rejection.",
            choice(
                "On reject",
                "What happens after a rejection.",
                {"fail": "The run fails with `review_rejected`."},
                ON_REJECT,
                default="fail",
            ),
            mapping("Jump", "The run continues with another step.", jump_fields(), ["goto"]),
        ),
    }
    description = "Waits until a person approves or rejects."
    return TypeSchema(description, fields, ["message"], snippet=_SNIPPET)
