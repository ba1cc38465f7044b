"""The schema of the fields that every step has, and of jumps."""

from collections import Counter
from collections.abc import Mapping

from stepiq.language.expressions import source
from stepiq.language.json_schema.nodes import (
    Node,
    array,
    boolean,
    choice,
    either,
    expression,
    integer,
    mapping,
    nothing,
    number,
    or_null,
    reference,
    text,
)
from stepiq.language.jumps import DEFAULT_LOOPS, MAX_CASES, MAX_LOOPS
from stepiq.language.reports import ID_PATTERN, ID_RULE
from stepiq.language.specs import END, NEXT, LimitAction, OutputFormat
from stepiq.language.step_fields import (
    COMMON,
    DEFAULT_BACKOFF_MS,
    DEFAULT_FACTOR,
    DEFAULT_MAX_BACKOFF_MS,
    MAX_ATTEMPTS,
    MAX_BACKOFF_MS,
    MAX_FACTOR,
    MAX_NAME,
    ON_ERROR,
)
from stepiq.language.step_types import StepType

LONGEST_EXPRESSION = source.MAX_LENGTH

_FORMATS = {
    "text": "The text is the output.",
    "json": "The text is read as JSON. If it is not JSON, the step fails.",
    "markdown": "The text is the output, and is shown as Markdown.",
}
_LIMIT_ACTIONS = {
    "fail": "The run fails with `loop_limit`.",
    "next": "The run continues with the step after this one.",
}
_ON_ERROR = {
    "fail": "The run fails.",
    "continue": "The output is null, and the run continues. `steps.ID.error` contains the error.",
}


def definitions(types: Mapping[str, StepType]) -> dict[str, Node]:
    """The definitions that several step types refer to."""
    return {
        "step_id": step_id(),
        "step_name": or_null(text("Name", "A name to show. Default: the id.", maximum=MAX_NAME)),
        "step_if": or_null(
            condition("Only if", "If false, the step is skipped, and its output is null.")
        ),
        "retry": or_null(_retry(types)),
        "on_error": or_null(_on_error()),
        "on_condition": or_null(_on_condition()),
        "output_format": or_null(
            choice(
                "Output format",
                "How the text of the step becomes its output.",
                _FORMATS,
                OutputFormat,
                default=OutputFormat.TEXT,
            )
        ),
    }


def step_fields(step_type: StepType) -> dict[str, Node]:
    """The common fields of a step of one type."""
    found: dict[str, Node] = {
        "id": reference("step_id"),
        "name": reference("step_name"),
        # The schema of the step lists the types.
        "type": {},
        "if": reference("step_if"),
        "timeout_seconds": or_null(_timeout(step_type)),
        "retry": reference("retry"),
        "on_error": reference("on_error"),
        "on_condition": reference("on_condition"),
        "output_format": reference("output_format"),
    }
    return {name: node for name, node in found.items() if name in COMMON}


def step_id() -> Node:
    """The id of a step or of a branch."""
    return text(
        "Id",
        "Unique in the document. `steps.ID.output` is the output of the step.",
        pattern=ID_PATTERN,
        rule=ID_RULE,
    )


def condition(title: str, description: str) -> Node:
    """An expression that is true or false."""
    return expression(title, description, LONGEST_EXPRESSION)


def input_value(description: str) -> Node:
    """The value that a step works with."""
    return expression("Input", description, LONGEST_EXPRESSION)


def jump_fields() -> dict[str, Node]:
    """`goto`, and the limit of backward jumps."""
    return {
        "goto": goto("The next step."),
        "max_loops": integer(
            "Most loops",
            "How often this jump can go back in one run.",
            1,
            MAX_LOOPS,
            default=DEFAULT_LOOPS,
        ),
        "on_limit": choice(
            "At the limit",
            "What happens when the limit is reached.",
            _LIMIT_ACTIONS,
            LimitAction,
            default=LimitAction.FAIL,
        ),
    }


def goto(description: str, *, default: str | None = None) -> Node:
    """The step to continue with."""
    return text(
        "Go to",
        f"{description} The id of a step of the same sequence, `{NEXT}` or `{END}`.",
        pattern=ID_PATTERN,
        rule=f"the id of a step, {NEXT} or {END}",
        default=default,
        examples=[NEXT, END],
    )


def _timeout(step_type: StepType) -> Node:
    if step_type.timeout is None:
        return nothing(
            "This type does not have a time limit. Its inner steps and the pipeline have one."
        )
    return integer(
        "Time limit",
        "Maximum time of one attempt, in seconds.",
        1,
        int(step_type.longest_timeout.total_seconds()),
        default=int(step_type.timeout.total_seconds()),
    )


def _retry(types: Mapping[str, StepType]) -> Node:
    fields = {
        "max_attempts": integer("Attempts", f"Default {_attempts(types)}.", 1, MAX_ATTEMPTS),
        "backoff_ms": integer(
            "First pause",
            "Milliseconds before the second attempt.",
            0,
            MAX_BACKOFF_MS,
            default=DEFAULT_BACKOFF_MS,
        ),
        "factor": number(
            "Factor",
            "Factor by which each next pause is longer.",
            1,
            MAX_FACTOR,
            default=DEFAULT_FACTOR,
        ),
        "max_backoff_ms": integer(
            "Longest pause",
            "In milliseconds.",
            0,
            MAX_BACKOFF_MS,
            default=DEFAULT_MAX_BACKOFF_MS,
        ),
        "on_timeout": boolean(
            "After a timeout",
            "Whether to try again after a timeout.",
            default=False,
        ),
    }
    description = (
        "Maximum number of attempts. Only temporary failures are tried again: network errors "
        "and the statuses 408, 429 and 5xx."
    )
    return mapping("Retry", description, fields)


def _attempts(types: Mapping[str, StepType]) -> str:
    attempts = {name: each.max_attempts for name, each in types.items()}
    usual = Counter(attempts.values()).most_common(1)[0][0]
    others = {name: each for name, each in attempts.items() if each != usual}
    shown = [f"{each} for `{name}`" for name, each in others.items()]
    return ", ".join([*shown, f"else {usual}" if shown else f"{usual}"])


def _on_error() -> Node:
    return either(
        "On error",
        "What happens when the step fails.",
        choice(
            "On error", "What happens when the step fails.", _ON_ERROR, ON_ERROR, default="fail"
        ),
        mapping("Jump", "The run continues with another step.", jump_fields(), ["goto"]),
    )


def _on_condition() -> Node:
    case = mapping(
        "Case",
        "A jump for an expression that is true.",
        {
            "if": condition("If", "It can read the output of this step."),
            **jump_fields(),
        },
        ["if", "goto"],
    )
    description = "Jumps after the step. The first one that is true is used."
    return array("After the step", description, case, 1, MAX_CASES)
