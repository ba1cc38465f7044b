"""`parallel`: several sequences of steps that run concurrently, as named branches or one for each item of a list."""

from dataclasses import dataclass
from enum import StrEnum

from stepiq.language.expressions import Expression
from stepiq.language.layout import is_sequence
from stepiq.language.reports import FieldReader
from stepiq.language.schemas import Schema
from stepiq.language.shapes import LIST, OBJECT, TEXT
from stepiq.language.specs import Branch, Step, StepSpec
from stepiq.language.step_types import ReadSteps, StepType

MAX_NESTING = 3
"""Deepest nesting of `parallel` steps."""
MAX_BRANCHES = 50
MAX_STEPS_IN_BRANCH = 50
MAX_CONCURRENCY = 50
DEFAULT_CONCURRENCY = 5
MAX_NAME = 200
SEQUENCE_FIELDS = frozenset({"id", "name", "steps"})


class Merge(StrEnum):
    """How a `parallel` step combines its branches' outputs."""

    OBJECT = "object"
    ARRAY = "array"
    TEXT = "text"


class BranchError(StrEnum):
    """What happens to the other branches when one fails."""

    FAIL = "fail"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class ParallelSpec(StepSpec):
    """Sequences of steps that run concurrently: named branches, or one for each item of a list."""

    branches: tuple[Branch, ...]
    """Empty with `for_each`."""
    for_each: Expression | None
    body: tuple["Step", ...]
    """The steps for each item."""
    max_concurrency: int
    on_branch_error: BranchError
    merge: Merge

    @property
    def sequences(self) -> tuple[tuple["Step", ...], ...]:
        return (*(branch.steps for branch in self.branches), self.body)

    @property
    def named_branches(self) -> tuple[Branch, ...]:
        return self.branches


def _read(fields: FieldReader, read_steps: ReadSteps) -> ParallelSpec | None:
    draft = fields.draft
    if draft.nesting == MAX_NESTING:
        message = f"`parallel` steps can be nested at most {MAX_NESTING} levels deep. Move this one to an outer level."
        draft.refuse(fields.path, "too_deep", message)
        return None
    draft.nesting += 1
    spec = _read_fields(fields, read_steps)
    draft.nesting -= 1
    return spec


def _read_fields(fields: FieldReader, read_steps: ReadSteps) -> ParallelSpec | None:
    # Problems in the branches are reported even if this step is invalid.
    branches = _read_branches(fields, read_steps) if not fields.has("for_each") else ()
    for_each = fields.expression("for_each")
    body = _read_body(fields, read_steps) if fields.has("for_each") else ()
    if not fields.has("for_each"):
        if fields.has("step"):
            fields.refuse(
                "step",
                "conflict",
                "`step` is only allowed with `for_each`. Write branches as `steps: [...]`.",
            )
        elif not fields.has("steps"):
            fields.require("steps", "steps: [{id: a, prompt: ...}, {id: b, prompt: ...}]")
    concurrency = fields.integer("max_concurrency", 1, MAX_CONCURRENCY)
    on_error = fields.choice("on_branch_error", [option.value for option in BranchError])
    merge = fields.choice("merge", [option.value for option in Merge])
    default = Merge.ARRAY if fields.has("for_each") else Merge.OBJECT
    if not branches and (for_each is None or not body):
        return None
    return ParallelSpec(
        branches=branches,
        for_each=for_each,
        body=body,
        max_concurrency=DEFAULT_CONCURRENCY if concurrency is None else concurrency,
        on_branch_error=BranchError(on_error or BranchError.FAIL),
        merge=Merge(merge or default),
    )


def _read_branches(fields: FieldReader, read_steps: ReadSteps) -> tuple[Branch, ...]:
    entries = fields.items("steps", 1, MAX_BRANCHES) or []
    branches: list[Branch] = []
    for index, entry in enumerate(entries):
        path = (*fields.path, "steps", index)
        if is_sequence(entry):
            branch = _read_sequence(
                FieldReader(fields.draft, path, entry, SEQUENCE_FIELDS), read_steps
            )
        else:
            steps = read_steps(fields.draft, [(path, entry)])
            branch = Branch(steps[0].id, steps) if steps else None
        if branch is not None:
            branches.append(branch)
    return tuple(branches) if len(branches) == len(entries) else ()


def _read_sequence(fields: FieldReader, read_steps: ReadSteps) -> Branch | None:
    branch_id = fields.step_id()
    fields.text("name", minimum=1, maximum=MAX_NAME)
    fields.require("steps", "steps: [{id: idea, prompt: ...}]")
    steps = _read_list(fields, read_steps)
    return Branch(branch_id, steps) if branch_id is not None and steps else None


def _read_body(fields: FieldReader, read_steps: ReadSteps) -> tuple[Step, ...]:
    if fields.has("step") and fields.has("steps"):
        fields.refuse("steps", "conflict", "With `for_each`, write `step` or `steps`, not both.")
    if fields.has("step"):
        return read_steps(fields.draft, [((*fields.path, "step"), fields.raw("step"))])
    if not fields.has("steps"):
        fields.require("step", "step: {id: translate, prompt: 'Translate {{item}}'}")
    return _read_list(fields, read_steps)


def _read_list(fields: FieldReader, read_steps: ReadSteps) -> tuple[Step, ...]:
    entries = fields.items("steps", 1, MAX_STEPS_IN_BRANCH) or []
    path = (*fields.path, "steps")
    steps = read_steps(
        fields.draft, [((*path, index), entry) for index, entry in enumerate(entries)]
    )
    return steps if len(steps) == len(entries) else ()


def _output(step: Step) -> Schema:
    match step.spec:
        case ParallelSpec(merge=Merge.TEXT):
            return TEXT
        case ParallelSpec(merge=Merge.ARRAY):
            return LIST
        case _:
            return OBJECT


STEP_TYPE = StepType(
    fields=frozenset({"steps", "for_each", "step", "max_concurrency", "on_branch_error", "merge"}),
    read=_read,
    timeout=None,
    contains_steps=True,
    output=_output,
)
