"""The schema of `steps`, by step type."""

from stepiq.core.json import Json
from stepiq.language.json_schema import snippets
from stepiq.language.json_schema.common import step_fields, step_id
from stepiq.language.json_schema.nodes import (
    Node,
    array,
    by_type,
    choice,
    mapping,
    or_null,
    reference,
    text,
    words,
)
from stepiq.language.json_schema.step_types import OWN, Own, set_value
from stepiq.language.specs import StepType
from stepiq.language.step_fields import MAX_STEPS
from stepiq.language.steps.kinds import StepKind
from stepiq.language.steps.parallel import MAX_NAME, MAX_STEPS_IN_BRANCH
from stepiq.language.steps.registry import KINDS

_NOT_INSIDE = frozenset({StepType.HUMAN_REVIEW})
"""Types that are not allowed inside `parallel`."""


def definitions() -> dict[str, Node]:
    """The definitions that steps refer to."""
    own = {name: OWN[name]() for name in KINDS}
    inside = {name: part for name, part in own.items() if name not in _NOT_INSIDE}
    return {
        "step": _step(own),
        "inner_step": _step(inside),
        "branch": _branch(),
        "sequence": _sequence(),
        **{_name(name): _of_type(KINDS[name], part) for name, part in own.items()},
        "set_value": set_value(),
    }


def steps() -> Node:
    """`steps` of a document."""
    description = "The steps of the pipeline. They run in this order, except for jumps."
    return array("Steps", description, reference("step"), 1, MAX_STEPS)


def _name(step_type: StepType) -> str:
    return f"{step_type}_step"


def _step(own: dict[StepType, Own]) -> Node:
    meanings: dict[str, str] = {name: part.description for name, part in own.items()}
    kind = choice("Type", "The type of the step.", meanings, list(own), default=StepType.LLM)
    ways = {str(name): reference(_name(name)) for name in own}
    return {
        **words("Step", "One step of the pipeline."),
        "type": "object",
        "properties": {"id": reference("step_id"), "type": or_null(kind)},
        "required": ["id"],
        **by_type(ways, default=StepType.LLM),
        "defaultSnippets": snippets.steps({name: part.description for name, part in own.items()}),
    }


def _of_type(kind: StepKind, own: Own) -> Node:
    fields = step_fields(kind) | {
        name: node if name in own.required else or_null(node) for name, node in own.fields.items()
    }
    return mapping(own.title, own.description, fields, own.required) | own.rest


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
    fields: dict[str, Json] = {
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
