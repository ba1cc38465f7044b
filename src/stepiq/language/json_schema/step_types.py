"""The schema of the fields that are specific to each step type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stepiq.core.json import Json
from stepiq.language import extracting
from stepiq.language.json_schema.common import LONGEST_EXPRESSION, condition, goto, jump_fields
from stepiq.language.json_schema.nodes import (
    Node,
    array,
    boolean,
    choice,
    either,
    expression,
    if_object,
    integer,
    mapping,
    number,
    or_null,
    reference,
    template,
    text,
    words,
)
from stepiq.language.json_schema.schema_context import addresses, headers, url
from stepiq.language.jumps import MAX_CASES
from stepiq.language.patterns import MAX_PATTERN_LENGTH, MAX_REPLACEMENT_LENGTH
from stepiq.language.specs import NEXT, BranchError, CodeLanguage, Merge, ReviewTimeout, StepType
from stepiq.language.steps import code, human_review, llm, parallel, transform, wait, webhook

# White space differs between engines; the reader checks the rest.
_MODEL = r"[^ \t\r\n]+"
_MERGES = {
    "object": "The outputs by branch id. The default with branches.",
    "array": "The outputs as a list. The default with `for_each`.",
    "text": "The outputs as one text, joined by blank lines.",
}
_BRANCH_ERRORS = {
    "fail": "The first failure stops the other branches and fails the step.",
    "continue": "The output of the branch is null, and the other branches continue.",
}
_REVIEW_TIMEOUTS = {
    "fail": "The run fails with `review_timeout`.",
    "approve": "The review counts as approved.",
    "reject": "The review counts as rejected.",
}
_LANGUAGES = {"python": "def main(input): …", "javascript": "function main(input) { … }"}
_METHODS = {
    "GET": "Reads data. The default without a body.",
    "POST": "Sends data. The default with a body.",
    "PUT": "Creates or replaces something.",
    "PATCH": "Changes a part of something.",
    "DELETE": "Removes.",
    "HEAD": "Reads the headers.",
}


@dataclass(frozen=True, slots=True)
class Own:
    """The fields of a step type in addition to the common fields."""

    title: str
    description: str
    fields: Mapping[str, Node]
    required: Sequence[str] = ()
    rest: Node = field(default_factory=dict[str, Json])
    """Other keywords."""


def set_value() -> Node:
    """A value inside `set`: its texts are expressions."""
    inner = reference("set_value")
    return {
        **words("Value", "A text is an expression. Other values are used as they are."),
        "minLength": 1,
        "maxLength": LONGEST_EXPRESSION,
        "additionalProperties": inner,
        "items": inner,
    }


def _model(title: str, description: str) -> Node:
    return text(title, description, maximum=llm.MAX_MODEL, pattern=_MODEL, rule=llm.MODEL_RULE)


def _seen(description: str) -> Node:
    return expression("Input", description, LONGEST_EXPRESSION)


def _llm() -> Own:
    fields = {
        "prompt": template("Prompt", "The question or task for the model."),
        "system_prompt": template(
            "System prompt", "The role of the model, and how it must answer."
        ),
        "model": _model(
            "Model",
            "A model such as `gpt-4o-mini` or `ollama/llama3`. Default: the server's default model.",
        ),
        "fallback_models": array(
            "Fallback models",
            "Models to use, in this order, if the model before fails.",
            _model("Model", "The id of a model."),
            1,
            llm.MAX_FALLBACKS,
        ),
        "temperature": number(
            "Temperature",
            "How much the answers vary. With 0, the model chooses the most likely words.",
            0,
            llm.MAX_TEMPERATURE,
        ),
        "max_tokens": integer(
            "Most tokens", "Maximum length of the answer, in tokens.", 1, llm.MAX_TOKENS
        ),
        "output_schema": if_object(
            "Output schema",
            "JSON Schema for the answer. The step's output is then data.",
            reference("json_schema"),
        ),
    }
    return Own("llm", "Calls a model.", fields, ["prompt"])


def _transform() -> Own:
    regex: dict[str, Node] = {
        "pattern": text(
            "Pattern",
            "Regular expression, without look-around and back-references.",
            maximum=MAX_PATTERN_LENGTH,
        ),
        "group": {
            **words(
                "Group",
                "Number or name of a group in the first match. Default: 0, the whole match.",
            ),
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": transform.MAX_GROUP,
            "minLength": 1,
            "maxLength": transform.MAX_GROUP_NAME,
        },
        "all": boolean("All", "If true, all matches.", default=False),
        "replace": text(
            "Replace",
            r"Text that replaces each match. `\1` is the first group.",
            minimum=0,
            maximum=MAX_REPLACEMENT_LENGTH,
        ),
    }
    inner = reference("set_value")
    fields = {
        "template": template("Template", "The text of the output."),
        "prompt": template("Template", "Another name for `template`."),
        "extract": text(
            "Extract",
            "JSONPath (RFC 9535), such as `$.items[0].name`. Gives a list of all matches.",
            maximum=extracting.MAX_LENGTH,
        ),
        "first": boolean(
            "First",
            "With `extract`: if true, the first match, or null if there is none.",
            default=False,
        ),
        "regex": mapping("Regex", "Matches of a pattern in text.", regex, ["pattern"]),
        "set": {
            **words("Set", "An object or a list. Its strings are expressions."),
            "type": ["object", "array"],
            "additionalProperties": inner,
            "items": inner,
        },
        "input": _seen(
            "With `extract` and `regex`: the value to search. Default: the output of the step before."
        ),
    }
    ways: list[Json] = [{"required": [way]} for way in transform.WAYS]
    description = (
        "Makes new data with a template, a JSONPath, a pattern or expressions, without a model."
    )
    return Own("transform", description, fields, rest={"anyOf": ways})


def _condition() -> Own:
    case = mapping(
        "Case",
        "A jump for an expression that is true.",
        {
            "if": condition("If", "If true, the run continues at `goto`."),
            "goto": goto("The next step."),
        },
        ["if", "goto"],
    )
    fields = {
        "cases": array("Cases", "The first case that is true is used.", case, 1, MAX_CASES),
        "else": goto("The next step if no case is true.", default=NEXT),
    }
    return Own("condition", "Chooses the next step.", fields, ["cases"])


def _parallel() -> Own:
    step = reference("inner_step")
    fields = {
        # Its content depends on `for_each`, and is described below.
        "steps": {
            **words("Steps", "The branches. With `for_each`, the steps for each item."),
            "type": "array",
        },
        "for_each": expression(
            "For each",
            "Gives a list. The steps run for each `item` of it.",
            LONGEST_EXPRESSION,
        ),
        "step": if_object("Step", "With `for_each`: the step for each item.", step),
        "max_concurrency": integer(
            "At the same time",
            "How many branches or items run at the same time.",
            1,
            parallel.MAX_CONCURRENCY,
            default=parallel.DEFAULT_CONCURRENCY,
        ),
        "on_branch_error": choice(
            "On branch error",
            "What happens to the other branches when one fails.",
            _BRANCH_ERRORS,
            BranchError,
            default=BranchError.FAIL,
        ),
        "merge": choice("Merge", "How the outputs are combined.", _MERGES, Merge),
    }
    bodies: Node = {"items": step, "minItems": 1, "maxItems": parallel.MAX_STEPS_IN_BRANCH}
    branches: Node = {
        "items": reference("branch"),
        "minItems": 1,
        "maxItems": parallel.MAX_BRANCHES,
    }
    rest: Node = {
        "if": {
            "properties": {"for_each": {"type": ["string", "boolean"], "doNotSuggest": True}},
            "required": ["for_each"],
        },
        "then": {
            "properties": {"steps": {**bodies, "doNotSuggest": True}},
            "anyOf": [{"required": ["step"]}, {"required": ["steps"]}],
        },
        "else": {
            "properties": {"steps": {**branches, "type": "array", "doNotSuggest": True}},
            "required": ["steps"],
        },
    }
    description = "Runs branches at the same time, or steps for each item of a list."
    return Own("parallel", description, fields, rest=rest)


def _webhook() -> Own:
    low, high = webhook.STATUSES
    fields: dict[str, Node] = {
        "url": url("The address of the request."),
        "method": choice("Method", "The HTTP method.", _METHODS, webhook.METHODS),
        "headers": headers(
            "Headers by name. The server sets `Idempotency-Key` and the headers of the connection."
        ),
        "body": {
            **words("Body", "A template, or an object or list whose strings are templates."),
            "type": ["string", "object", "array"],
            "minLength": 1,
        },
        "expect_status": {
            **words("Expected status", "A status, or a list of them. Default: any 2xx."),
            "type": ["integer", "array"],
            "minimum": low,
            "maximum": high,
            "items": {"type": "integer", "minimum": low, "maximum": high},
            "minItems": 1,
            "maxItems": webhook.MAX_STATUSES,
        },
    }
    return Own("webhook", "Sends an HTTP request to another system.", fields, ["url"])


def _human_review() -> Own:
    fields = {
        "message": template("Message", "What the reviewer must know, as Markdown."),
        "input": _seen("The value to review. Default: the output of the step before."),
        "editable": boolean(
            "Editable", "If true, the reviewer can change the value.", default=False
        ),
        "assignees": addresses(
            "Assignees",
            f"The email addresses of the reviewers: one address, or a list of up to {human_review.MAX_ASSIGNEES}.",
            human_review.MAX_ASSIGNEES,
        ),
        "timeout_seconds": integer(
            "Time limit",
            "How long to wait for a decision, in seconds. At most 30 days.",
            1,
            human_review.MAX_SECONDS,
            default=human_review.DEFAULT_SECONDS,
        ),
        "on_timeout": choice(
            "On timeout",
            "What happens if there is no decision in time.",
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
                human_review.ON_REJECT,
                default="fail",
            ),
            mapping("Jump", "The run continues with another step.", jump_fields(), ["goto"]),
        ),
    }
    description = "Waits until a person approves or rejects."
    return Own("human_review", description, fields, ["message"])


def _wait() -> Own:
    fields = {
        "seconds": number(
            "Seconds", "How long to wait. At most 30 days.", 0, wait.MAX_WAIT.total_seconds()
        ),
        "until": template(
            "Until",
            "An ISO 8601 time with a time zone, such as `2026-03-01T09:00:00+01:00`.",
        ),
    }
    ways: list[Json] = [{"required": [name]} for name in fields]
    return Own(
        "wait", "Waits for a number of seconds, or until a time.", fields, rest={"anyOf": ways}
    )


def _code() -> Own:
    fields: dict[str, Node] = {
        "language": choice(
            "Language", "The programming language of the source.", _LANGUAGES, CodeLanguage
        ),
        "source": text(
            "Source",
            "Code with a function `main(input)`. Its result is the step's output.",
            maximum=code.MAX_SOURCE,
        ),
        "input": {
            **words("Input", "Expressions by name. Default: `{input, vars, steps}`."),
            "type": "object",
            "additionalProperties": or_null(_seen("A field of the input of `main`.")),
            "maxProperties": code.MAX_INPUTS,
        },
    }
    description = "Runs your function in a sandbox."
    return Own("code", description, fields, ["language", "source"])


OWN: Mapping[StepType, Callable[[], Own]] = {
    StepType.LLM: _llm,
    StepType.TRANSFORM: _transform,
    StepType.CONDITION: _condition,
    StepType.PARALLEL: _parallel,
    StepType.WEBHOOK: _webhook,
    StepType.HUMAN_REVIEW: _human_review,
    StepType.WAIT: _wait,
    StepType.CODE: _code,
}
"""The fields of each type in `steps.registry`."""
