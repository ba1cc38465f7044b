"""The fields that each step type has of its own."""

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
from stepiq.language.json_schema.surroundings import addresses, headers, url
from stepiq.language.jumps import MAX_CASES
from stepiq.language.patterns import MAX_PATTERN_LENGTH, MAX_REPLACEMENT_LENGTH
from stepiq.language.specs import NEXT, BranchError, CodeLanguage, Merge, ReviewTimeout, StepType
from stepiq.language.steps import code, human_review, llm, parallel, transform, wait, webhook

# White space differs between engines: this leaves a little to the reader.
_MODEL = r"[^ \t\r\n]+"
_MERGES = {
    "object": "The outputs by branch id; the default with branches.",
    "array": "The outputs as a list; the default with `for_each`.",
    "text": "The outputs as one text, joined by blank lines.",
}
_BRANCH_ERRORS = {
    "fail": "The first failure stops the other branches and fails the step.",
    "continue": "The branch gives null.",
}
_REVIEW_TIMEOUTS = {
    "fail": "The run fails with `review_timeout`.",
    "approve": "As if a person had approved.",
    "reject": "As if a person had rejected.",
}
_LANGUAGES = {"python": "def main(input): …", "javascript": "function main(input) { … }"}
_METHODS = {
    "GET": "Reads; the default without a body.",
    "POST": "Sends; the default with a body.",
    "PUT": "Puts something there.",
    "PATCH": "Changes a part.",
    "DELETE": "Removes.",
    "HEAD": "Reads the headers.",
}


@dataclass(frozen=True, slots=True)
class Own:
    """What a step type adds to the fields that every step has."""

    title: str
    description: str
    fields: Mapping[str, Node]
    required: Sequence[str] = ()
    rest: Node = field(default_factory=dict[str, Json])
    """Other keywords."""


def set_value() -> Node:
    """A value inside of `set`: its texts are expressions."""
    inner = reference("set_value")
    return {
        **words("Value", "A text is an expression; other values stay as they are."),
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
        "prompt": template("Prompt", "What the model is asked."),
        "system_prompt": template("System prompt", "Who the model is, and how it is to answer."),
        "model": _model("Model", "Such as `gpt-4o-mini` or `ollama/llama3`; default the server's."),
        "fallback_models": array(
            "Fallback models",
            "Asked in this order when the one before cannot answer.",
            _model("Model", "The id of a model."),
            1,
            llm.MAX_FALLBACKS,
        ),
        "temperature": number(
            "Temperature",
            "How freely the model chooses its words; 0 for the likeliest.",
            0,
            llm.MAX_TEMPERATURE,
        ),
        "max_tokens": integer("Most tokens", "Longest answer.", 1, llm.MAX_TOKENS),
        "output_schema": if_object(
            "Output schema",
            "JSON Schema that the answer must fit; the step's output is then data.",
            reference("json_schema"),
        ),
    }
    return Own("llm", "Asks a model.", fields, ["prompt"])


def _transform() -> Own:
    regex: dict[str, Node] = {
        "pattern": text(
            "Pattern",
            "Regular expression, without look-around and back-references.",
            maximum=MAX_PATTERN_LENGTH,
        ),
        "group": {
            **words("Group", "Number or name of a group of the first match; default 0, all of it."),
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": transform.MAX_GROUP,
            "minLength": 1,
            "maxLength": transform.MAX_GROUP_NAME,
        },
        "all": boolean("All", "True gives every match.", default=False),
        "replace": text(
            "Replace",
            r"Text that each match becomes, with `\1` for groups.",
            minimum=0,
            maximum=MAX_REPLACEMENT_LENGTH,
        ),
    }
    inner = reference("set_value")
    fields = {
        "template": template("Template", "Written out, with what the run knows."),
        "prompt": template("Template", "Another name of `template`."),
        "extract": text(
            "Extract",
            "JSONPath (RFC 9535), such as `$.items[0].name`; gives a list of what it finds.",
            maximum=extracting.MAX_LENGTH,
        ),
        "first": boolean(
            "First",
            "With `extract`: true gives the first value, null if there is none.",
            default=False,
        ),
        "regex": mapping("Regex", "What a pattern finds in a text.", regex, ["pattern"]),
        "set": {
            **words("Set", "An object or a list whose texts are expressions."),
            "type": ["object", "array"],
            "additionalProperties": inner,
            "items": inner,
        },
        "input": _seen(
            "With `extract` and `regex`: what is looked into; default the output of the step before."
        ),
    }
    ways: list[Json] = [{"required": [way]} for way in transform.WAYS]
    description = "Makes data of data: a template, a JSONPath, a pattern, or expressions."
    return Own("transform", description, fields, rest={"anyOf": ways})


def _condition() -> Own:
    case = mapping(
        "Case",
        "A way that is taken if an expression is true.",
        {"if": condition("If", "True takes this way."), "goto": goto("Where to go on.")},
        ["if", "goto"],
    )
    fields = {
        "cases": array("Cases", "The first that is true is taken.", case, 1, MAX_CASES),
        "else": goto("Where to go on when no case is true.", default=NEXT),
    }
    return Own("condition", "Chooses which step comes next.", fields, ["cases"])


def _parallel() -> Own:
    step = reference("inner_step")
    fields = {
        # What stands in it depends on `for_each`, and is said below.
        "steps": {
            **words("Steps", "The branches; with `for_each`, what is done for each item."),
            "type": "array",
        },
        "for_each": expression(
            "For each",
            "Gives a list; the steps are done for each `item` of it.",
            LONGEST_EXPRESSION,
        ),
        "step": if_object(
            "Step", "With `for_each`: the one step that is done for each item.", step
        ),
        "max_concurrency": integer(
            "At the same time",
            "How many branches or items run at once.",
            1,
            parallel.MAX_CONCURRENCY,
            default=parallel.DEFAULT_CONCURRENCY,
        ),
        "on_branch_error": choice(
            "On branch error",
            "What a failure does to the other branches.",
            _BRANCH_ERRORS,
            BranchError,
            default=BranchError.FAIL,
        ),
        "merge": choice("Merge", "What becomes of the outputs.", _MERGES, Merge),
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
        "url": url("Where the request goes."),
        "method": choice("Method", "Of the request.", _METHODS, webhook.METHODS),
        "headers": headers(
            "Headers by name; those of the connection and `Idempotency-Key` are set by the server."
        ),
        "body": {
            **words("Body", "A template, or a mapping or list whose texts are templates."),
            "type": ["string", "object", "array"],
            "minLength": 1,
        },
        "expect_status": {
            **words("Expected status", "A status, or a list of them; default any 2xx."),
            "type": ["integer", "array"],
            "minimum": low,
            "maximum": high,
            "items": {"type": "integer", "minimum": low, "maximum": high},
            "minItems": 1,
            "maxItems": webhook.MAX_STATUSES,
        },
    }
    return Own("webhook", "Calls another system over HTTP.", fields, ["url"])


def _human_review() -> Own:
    fields = {
        "message": template("Message", "What the person has to know, as Markdown."),
        "input": _seen("What is under review; default the output of the step before."),
        "editable": boolean("Editable", "True lets the person change it.", default=False),
        "assignees": addresses(
            "Assignees",
            f"Who gets a mail: an address, or a list of up to {human_review.MAX_ASSIGNEES}.",
            human_review.MAX_ASSIGNEES,
        ),
        "timeout_seconds": integer(
            "Time limit",
            "How long to wait for the person, in seconds; up to 30 days.",
            1,
            human_review.MAX_SECONDS,
            default=human_review.DEFAULT_SECONDS,
        ),
        "on_timeout": choice(
            "On timeout",
            "What becomes of a review that nobody decides in time.",
            _REVIEW_TIMEOUTS,
            ReviewTimeout,
            default=ReviewTimeout.FAIL,
        ),
        "on_reject": either(
            "On reject",
            "What a rejection does.",
            choice(
                "On reject",
                "What a rejection does.",
                {"fail": "The run fails with `review_rejected`."},
                human_review.ON_REJECT,
                default="fail",
            ),
            mapping("Jump", "The run goes on with another step.", jump_fields(), ["goto"]),
        ),
    }
    description = "Waits until a person has approved or rejected."
    return Own("human_review", description, fields, ["message"])


def _wait() -> Own:
    fields = {
        "seconds": number(
            "Seconds", "How long to wait; up to 30 days.", 0, wait.MAX_WAIT.total_seconds()
        ),
        "until": template(
            "Until",
            "A moment, ISO 8601 with its zone, such as `2026-03-01T09:00:00+01:00`.",
        ),
    }
    ways: list[Json] = [{"required": [name]} for name in fields]
    return Own("wait", "Waits for so long, or until a moment.", fields, rest={"anyOf": ways})


def _code() -> Own:
    fields: dict[str, Node] = {
        "language": choice("Language", "What the source is written in.", _LANGUAGES, CodeLanguage),
        "source": text(
            "Source",
            "Has a function `main(input)`; what it returns is the step's output.",
            maximum=code.MAX_SOURCE,
        ),
        "input": {
            **words("Input", "Expressions by name; default `{input, vars, steps}`."),
            "type": "object",
            "additionalProperties": or_null(_seen("A field of what `main` is given.")),
            "maxProperties": code.MAX_INPUTS,
        },
    }
    description = "Runs a function of yours in a sandbox."
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
"""Of each type in `steps.registry`."""
