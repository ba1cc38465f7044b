"""The JSON Schema of `parallel` steps, for editors."""

from stepiq.language.json_schema.common import LONGEST_EXPRESSION, step_id
from stepiq.language.json_schema.nodes import (
    Node,
    TypeSchema,
    array,
    choice,
    expression,
    if_object,
    integer,
    mapping,
    reference,
    text,
    words,
)
from stepiq.steps.parallel.spec import (
    DEFAULT_CONCURRENCY,
    MAX_BRANCHES,
    MAX_CONCURRENCY,
    MAX_NAME,
    MAX_STEPS_IN_BRANCH,
    BranchError,
    Merge,
)

_MERGES = {
    "object": "The outputs by branch id. The default with branches.",
    "array": "The outputs as a list. The default with `for_each`.",
    "text": "The outputs as one text, joined by blank lines.",
}

_BRANCH_ERRORS = {
    "fail": "The first failure stops the other branches and fails the step.",
    "continue": "The output of the branch is null, and the other branches continue.",
}

_SNIPPET: Node = {
    "id": "${1:both}",
    "type": "parallel",
    "steps": [
        {"id": "${2:left}", "prompt": "${3:What are the arguments for it?}"},
        {"id": "${4:right}", "prompt": "${5:What are the arguments against it?}"},
    ],
}


def schema() -> TypeSchema:
    """The fields of the type."""
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
            MAX_CONCURRENCY,
            default=DEFAULT_CONCURRENCY,
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
    bodies: Node = {"items": step, "minItems": 1, "maxItems": MAX_STEPS_IN_BRANCH}
    branches: Node = {
        "items": reference("branch"),
        "minItems": 1,
        "maxItems": MAX_BRANCHES,
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
    return TypeSchema(
        description,
        fields,
        rest=rest,
        definitions={"branch": _branch(), "sequence": _sequence()},
        snippet=_SNIPPET,
    )


def _branch() -> Node:
    """An entry of `steps` in a `parallel`: a step or a sequence, by the rule of `parallel.is_sequence`."""
    several: Node = {"required": ["steps"], "not": {"required": ["type"]}}
    return {
        **words("Branch", "A step, or several steps as `{id, steps: [...]}`."),
        "type": "object",
        "if": several,
        "then": reference("sequence"),
        "else": reference("inner_step"),
    }


def _sequence() -> Node:
    fields: dict[str, Node] = {
        "id": step_id(),
        "name": text("Name", "A description of the field.", maximum=MAX_NAME),
        "steps": array(
            "Steps",
            "The steps of the branch. They run one after the other.",
            reference("inner_step"),
            1,
            MAX_STEPS_IN_BRANCH,
        ),
    }
    return mapping("Branch", "Several steps that run one after the other.", fields, ["id", "steps"])
