"""Reads a test file, checks it against its pipeline, and reports all errors with their positions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.core.validation import sentence
from stepiq.execution.outcomes import Completed, Failed, FailureCode
from stepiq.execution.stubs import Ends, Given, GivenDecision
from stepiq.language import places
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.inputs import InputSchema
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.step_types import output_issues
from stepiq.language.documents.issues import Placer
from stepiq.language.documents.source import SourceFormat, read
from stepiq.language.expressions import Expression, ExpressionSyntaxError
from stepiq.language.fields.reader import PathProblem
from stepiq.language.words import suggest
from stepiq.steps.human_review.spec import ReviewSpec
from stepiq.steps.parallel.spec import ParallelSpec
from stepiq.store.states import ReviewDecision
from stepiq.trials.shapes import CaseShape, FileShape, GivenEnd, ReviewEnd, fields_at

_ROOTS = frozenset({"input", "steps", "run"})
_KNOWN = "Use `input`, `steps` or `run`, such as `run.output`."
RUN_FIELDS = ("status", "output", "error")
"""What checks can read of a run."""
STEP_FIELDS = ("status", "output", "error", "prompt", "system_prompt")
"""What checks can read of a step."""
_KINDS = frozenset({"output", "outputs", "error"})
_FAILURES = frozenset(FailureCode)


@dataclass(frozen=True, slots=True)
class PipelineCase:
    """One test, ready to run."""

    test: CaseShape
    expects_output: bool
    given: Mapping[str, Ends]
    checks: tuple[Expression, ...]
    schema: InputSchema
    """Checks read its absent fields as null."""


def read_cases(
    text: str, source_format: SourceFormat, definition: Definition
) -> tuple[list[PipelineCase], tuple[Issue, ...]]:
    """Parse a test file. Returns its tests and all errors; run the tests only if there are none."""
    source = read(text, source_format)
    if source.issues:
        return [], source.issues
    placer = Placer(source)
    try:
        content = FileShape.model_validate(source.data)
    except ValidationError as error:
        return [], placer.sorted([_shape_problem(entry) for entry in error.errors()])
    reader = _CaseReader(definition)
    cases = [reader.case(test, ("tests", index)) for index, test in enumerate(content.tests)]
    return cases, placer.sorted(reader.problems)


class _CaseReader:
    """Checks tests against their pipeline, one by one."""

    def __init__(self, definition: Definition) -> None:
        self.problems: list[PathProblem] = []
        self._schema = definition.input
        self._steps = {step.id: step for step in definition.every_step}
        self._items = dict(_items(definition.steps, 0, None))
        self._at: places.Path = ()

    def case(self, test: CaseShape, at: places.Path) -> PipelineCase:
        """Check one test. The result can be run only if there are no problems."""
        self._at = at
        given: dict[str, Ends] = {}
        for step_id, end in test.given.items():
            path: places.Path = ("given", step_id)
            step = self._steps.get(step_id)
            if step is None:
                self._refuse(path, "unknown_step", self._no_step(step_id))
            elif not step.spec.can_be_given:
                self._refuse(
                    path,
                    "not_given",
                    f"Step `{step_id}` is of type {step.type}, which has no external effect and is executed in tests. Remove this entry.",
                )
            else:
                each = tuple(self._ends(step, end, path))
                given[step_id] = Ends(each, self._items.get(step_id))
        expect = test.expect
        for step_id in expect.steps:
            if step_id not in self._steps:
                self._refuse(("expect", "steps", step_id), "unknown_step", self._no_step(step_id))
        if expect.error is not None and expect.error not in _FAILURES:
            message = f"Runs never fail with the code `{expect.error[:64]}`. {suggest(expect.error, _FAILURES)}"
            self._refuse(("expect", "error"), "unknown_code", message)
        says_output = "output" in expect.model_fields_set
        if says_output and expect.error is not None:
            self._refuse(
                ("expect", "output"),
                "conflict",
                "A failed run has no output. Expect either `output` or `error`.",
            )
        return PipelineCase(
            test, says_output, given, tuple(self._checks(expect.check)), self._schema
        )

    def _ends(self, step: Step, end: GivenEnd, path: places.Path) -> Iterator[Given]:
        if isinstance(step.spec, ReviewSpec):
            yield from self._decided(step.spec, end, path)
            return
        said = end.model_fields_set
        nothing = any(getattr(end, name) is None for name in said & {"outputs", "error"})
        if len(said & _KINDS) != 1 or said - _KINDS or nothing:
            self._refuse(
                path,
                "conflict",
                f"Set exactly one of `output`, `outputs` and `error` for step `{step.id}`.",
            )
            return
        if end.error is not None:
            yield Failed(end.error, "The test makes this step fail.")
            return
        outputs = [end.output] if end.outputs is None else end.outputs
        for index, output in enumerate(outputs):
            at = (*path, "output") if end.outputs is None else (*path, "outputs", index)
            self._check_output(step, output, at)
            yield Completed(output)

    def _decided(self, spec: ReviewSpec, end: GivenEnd, path: places.Path) -> Iterator[Given]:
        if end.decision is None or end.model_fields_set & {"outputs", "error"}:
            message = (
                "Set `decision` for a review: `approve`, `reject`, or `timeout` if nobody decides."
            )
            self._refuse(path, "conflict", message)
            return
        edits = "output" in end.model_fields_set
        if end.decision is ReviewEnd.TIMEOUT and (edits or end.comment is not None):
            message = "A review that times out has neither `comment` nor `output`."
            self._refuse(path, "conflict", message)
        if edits and not spec.editable:
            message = "This review is not `editable`, so nobody can change the data."
            self._refuse((*path, "output"), "conflict", message)
        is_decided = end.decision is not ReviewEnd.TIMEOUT
        decision = ReviewDecision(end.decision) if is_decided else None
        yield GivenDecision(decision, end.comment, (end.output,) if edits else None)

    def _check_output(self, step: Step, output: Json, path: places.Path) -> None:
        for issue in output_issues(step, output):
            message = f"Step `{step.id}` cannot have this output. {issue.message}"
            self._refuse(path, "output_invalid", message)

    def _checks(self, texts: list[str]) -> Iterator[Expression]:
        for index, text in enumerate(texts):
            path: places.Path = ("expect", "check", index)
            try:
                expression = Expression.compile(text)
            except ExpressionSyntaxError as error:
                message = error.message
                if error.unknown_name is not None:
                    message = f"`{error.unknown_name}` is unknown. {_KNOWN}"
                inside = (text, error.line, error.column)
                self._refuse(path, "invalid_expression", message, inside)
                continue
            for reference in expression.references:
                root, *rest = reference.parts
                if root not in _ROOTS:
                    message = f"Checks have no name `{root}`. {_KNOWN}"
                    self._refuse(path, "unknown_name", message)
                elif root == "steps" and rest and rest[0] not in self._steps:
                    self._refuse(path, "unknown_step", self._no_step(rest[0]))
                elif root == "steps" and len(rest) > 1 and rest[1] not in STEP_FIELDS:
                    self._refuse(path, "unknown_name", _no_field("Steps", rest[1], STEP_FIELDS))
                elif root == "run" and rest and rest[0] not in RUN_FIELDS:
                    self._refuse(path, "unknown_name", _no_field("Runs", rest[0], RUN_FIELDS))
            yield expression

    def _no_step(self, step_id: str) -> str:
        return f"The pipeline has no step `{step_id[:64]}`. {suggest(step_id, self._steps)}"

    def _refuse(
        self,
        path: places.Path,
        code: str,
        message: str,
        inside: tuple[str, int, int] | None = None,
    ) -> None:
        at_key = code == "unknown_step"
        self.problems.append(PathProblem((*self._at, *path), code, message, at_key, inside))


def _no_field(owner: str, name: str, known: Sequence[str]) -> str:
    return f"{owner} have no `{name[:64]}`. {suggest(name, known)}"


def _items(
    steps: tuple[Step, ...], depth: int, item_at: int | None
) -> Iterator[tuple[str, int | None]]:
    """For each step, the position in its branch path of the index of its item; see `Ends`."""
    for step in steps:
        yield step.id, item_at
        inside = depth if isinstance(step.spec, ParallelSpec) and step.spec.for_each else item_at
        for sequence in step.sequences:
            yield from _items(sequence, depth + 1, inside)


def _shape_problem(entry: Mapping[str, Any]) -> PathProblem:
    path: places.Path = entry["loc"]
    kind = str(entry["type"])
    if kind == "extra_forbidden":
        name = str(path[-1])[:64]
        message = f"Unknown field `{name}`. {suggest(name, fields_at(path))}"
        return PathProblem(path, "unknown_field", message, at_key=True)
    if kind == "missing":
        return PathProblem(path, "missing", f"`{path[-1]}` is required.")
    return PathProblem(path, kind, sentence(entry))
