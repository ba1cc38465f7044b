"""`parallel`: several sequences of steps that run concurrently, as named branches or one for each item of a list."""

from dataclasses import dataclass
from enum import StrEnum

from stepiq.core.json import Json
from stepiq.language.definitions.layout import is_sequence
from stepiq.language.definitions.step import Branch, Step, StepSpec, step_id
from stepiq.language.definitions.step_fields import read_entries
from stepiq.language.definitions.step_types import StepType
from stepiq.language.expressions import Expression
from stepiq.language.fields import description as fields
from stepiq.language.fields import schema as nodes
from stepiq.language.fields.description import FieldObject, computed
from stepiq.language.fields.reader import FieldReader
from stepiq.language.fields.schema import Node, reference, words
from stepiq.language.places import Path
from stepiq.language.schemas.validation import LIST, OBJECT, TEXT, Schema

MAX_NESTING = 3
"""Deepest nesting of `parallel` steps."""
MAX_BRANCHES = 50
MAX_STEPS_IN_BRANCH = 50
MAX_CONCURRENCY = 50


class Merge(StrEnum):
    """How a `parallel` step combines its branches' outputs."""

    OBJECT = "object"
    ARRAY = "array"
    TEXT = "text"


class BranchError(StrEnum):
    """What happens to the other branches when one fails."""

    FAIL = "fail"
    CONTINUE = "continue"


_STEP = reference("inner_step")


def _read_list(reader: FieldReader, name: str) -> tuple[Step, ...]:
    entries = reader.items(name, 1, MAX_STEPS_IN_BRANCH) or []
    path = (*reader.path, name)
    steps = read_entries(
        reader.draft, [((*path, index), entry) for index, entry in enumerate(entries)]
    )
    return steps if len(steps) == len(entries) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sequence(FieldObject):
    """A branch of several steps."""

    words = ("Branch", "Several steps that run one after the other.")

    id: str = step_id().required("id: summary")
    name: str | None = fields.text("Name", "A description of the field.", maximum=200).optional()
    steps: tuple[Step, ...] = fields.Field(
        nodes.array(
            "Steps",
            "The steps of the branch. They run one after the other.",
            _STEP,
            1,
            MAX_STEPS_IN_BRANCH,
        ),
        _read_list,
    ).required("steps: [{id: idea, prompt: ...}]")


def _read_branches(reader: FieldReader) -> tuple[Branch, ...]:
    if reader.has("for_each"):
        return ()
    entries = reader.items("steps", 1, MAX_BRANCHES) or []
    found = [
        _read_branch(reader, (*reader.path, "steps", index), entry)
        for index, entry in enumerate(entries)
    ]
    branches = tuple(branch for branch in found if branch is not None)
    return branches if len(branches) == len(entries) else ()


def _read_branch(reader: FieldReader, path: Path, entry: Json) -> Branch | None:
    if not is_sequence(entry):
        steps = read_entries(reader.draft, [(path, entry)])
        return Branch(steps[0].id, steps) if steps else None
    written = {name: value for name, value in entry.items() if name != "type"}
    inner = FieldReader(reader.draft, path, written, fields.nodes_of(_Sequence))
    sequence = fields.read(_Sequence, inner)
    return Branch(sequence.id, sequence.steps) if sequence and sequence.steps else None


def _read_body(reader: FieldReader) -> tuple[Step, ...]:
    if not reader.has("for_each"):
        if reader.has("step"):
            message = "`step` is only allowed with `for_each`. Write branches as `steps: [...]`."
            reader.refuse("step", "conflict", message)
        else:
            reader.require("steps", "steps: [{id: a, prompt: ...}, {id: b, prompt: ...}]")
        return ()
    if reader.has("step") and reader.has("steps"):
        message = "With `for_each`, write `step` or `steps`, not both."
        reader.refuse("steps", "conflict", message)
    if reader.has("step"):
        return read_entries(reader.draft, [((*reader.path, "step"), reader.raw("step"))])
    if not reader.has("steps"):
        reader.require("step", "step: {id: translate, prompt: 'Translate {{item}}'}")
    return _read_list(reader, "steps")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelSpec(StepSpec):
    """Sequences of steps that run concurrently: named branches, or one for each item of a list."""

    branches: tuple[Branch, ...] = computed(
        _read_branches,
        # What `steps` contains depends on `for_each`: see `_CONTENT`.
        {"steps": {**words("Steps", "The branches. With `for_each`, the steps for each item."), "type": "array"}},
    )  # fmt: skip
    """Empty with `for_each`."""
    for_each: Expression | None = fields.expression(
        "For each", "Gives a list. The steps run for each `item` of it."
    ).optional()
    body: tuple["Step", ...] = computed(
        _read_body,
        {"step": nodes.if_object("Step", "With `for_each`: the step for each item.", _STEP)},
    )
    """The steps for each item."""
    max_concurrency: int = fields.integer(
        "At the same time", "How many branches or items run at the same time.", 1, MAX_CONCURRENCY
    ).default(5)
    on_branch_error: BranchError = fields.choice(
        "On branch error",
        "What happens to the other branches when one fails.",
        {
            BranchError.FAIL: "The first failure stops the other branches and fails the step.",
            BranchError.CONTINUE: "The output of the branch is null, and the other branches continue.",
        },
    ).default(BranchError.FAIL)
    written_merge: Merge | None = fields.choice(
        "Merge",
        "How the outputs are combined.",
        {
            Merge.OBJECT: "The outputs by branch id. The default with branches.",
            Merge.ARRAY: "The outputs as a list. The default with `for_each`.",
            Merge.TEXT: "The outputs as one text, joined by blank lines.",
        },
    ).optional(name="merge")

    @classmethod
    def read(cls, reader: FieldReader) -> "ParallelSpec | None":
        draft = reader.draft
        if draft.nesting == MAX_NESTING:
            message = f"`parallel` steps can be nested at most {MAX_NESTING} levels deep. Move this one to an outer level."
            draft.refuse(reader.path, "too_deep", message)
            return None
        draft.nesting += 1
        spec = fields.read(cls, reader)
        draft.nesting -= 1
        # Problems in the branches are reported even if this step is invalid.
        is_usable = spec is not None and (spec.branches or (spec.for_each and spec.body))
        return spec if is_usable else None

    @property
    def merge(self) -> Merge:
        """How the outputs are combined."""
        return self.written_merge or (Merge.OBJECT if self.for_each is None else Merge.ARRAY)

    @property
    def sequences(self) -> tuple[tuple["Step", ...], ...]:
        return (*(branch.steps for branch in self.branches), self.body)

    @property
    def named_branches(self) -> tuple[Branch, ...]:
        return self.branches


def _output(step: Step) -> Schema:
    match step.spec:
        case ParallelSpec(merge=Merge.TEXT):
            return TEXT
        case ParallelSpec(merge=Merge.ARRAY):
            return LIST
        case _:
            return OBJECT


_CONTENT: Node = {
    "if": {
        "properties": {"for_each": {"type": ["string", "boolean"], "doNotSuggest": True}},
        "required": ["for_each"],
    },
    "then": {
        "properties": {
            "steps": {
                "items": _STEP,
                "minItems": 1,
                "maxItems": MAX_STEPS_IN_BRANCH,
                "doNotSuggest": True,
            }
        },
        "anyOf": [{"required": ["step"]}, {"required": ["steps"]}],
    },
    "else": {
        "properties": {
            "steps": {
                "items": reference("branch"),
                "minItems": 1,
                "maxItems": MAX_BRANCHES,
                "type": "array",
                "doNotSuggest": True,
            }
        },
        "required": ["steps"],
    },
}
_BRANCH: Node = {
    **words("Branch", "A step, or several steps as `{id, steps: [...]}`."),
    "type": "object",
    # The rule of `is_sequence`.
    "if": {"required": ["steps"], "properties": {"type": {"type": "null", "doNotSuggest": True}}},
    "then": reference("sequence"),
    "else": _STEP,
}
_SEQUENCE = fields.node_of(_Sequence)
_SEQUENCE["properties"]["type"] = nodes.nothing("A branch of several steps has no type.")
STEP_TYPE = StepType(
    ParallelSpec,
    "Runs branches at the same time, or steps for each item of a list.",
    snippet={
        "id": "${1:both}",
        "type": "parallel",
        "steps": [
            {"id": "${2:left}", "prompt": "${3:What are the arguments for it?}"},
            {"id": "${4:right}", "prompt": "${5:What are the arguments against it?}"},
        ],
    },
    schema=_CONTENT,
    definitions={"branch": _BRANCH, "sequence": _SEQUENCE},
    timeout=None,
    contains_steps=True,
    output=_output,
)
