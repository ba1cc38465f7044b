"""`code`: a function written by the author, run in a sandbox."""

from dataclasses import dataclass
from datetime import timedelta

from stepiq.language.code_source import CodeLanguage, check_javascript, check_python
from stepiq.language.expressions import Expression
from stepiq.language.reports import FieldReader, PathProblem
from stepiq.language.specs import StepSpec
from stepiq.language.step_types import ReadSteps, StepType

MAX_SOURCE = 65_536
MAX_INPUTS = 50


@dataclass(frozen=True, slots=True)
class CodeSpec(StepSpec):
    """A function written by the author."""

    limits_itself = True

    language: CodeLanguage
    source: str
    input: tuple[tuple[str, Expression], ...] | None
    """None: `{input, vars, steps}`."""

    @property
    def can_be_given(self) -> bool:
        return True


def _read(fields: FieldReader, _: ReadSteps) -> CodeSpec | None:
    language = None
    if fields.require("language", "language: python"):
        language = fields.choice("language", [option.value for option in CodeLanguage])
    fields.require("source", "source: 'def main(input): return input'")
    source = fields.text("source", minimum=1, maximum=MAX_SOURCE)
    inputs = _read_inputs(fields)
    if language is None or source is None:
        return None
    _check_source(fields, CodeLanguage(language), source)
    return CodeSpec(CodeLanguage(language), source, inputs)


def _check_source(fields: FieldReader, language: CodeLanguage, source: str) -> None:
    check = check_python if language is CodeLanguage.PYTHON else check_javascript
    if (found := check(source)) is None:
        return
    line, column, message = found
    path = (*fields.path, "source")
    fields.draft.problems.append(
        PathProblem(path, "code_syntax", message, inside=(source, line, column))
    )


def _read_inputs(fields: FieldReader) -> tuple[tuple[str, Expression], ...] | None:
    data = fields.mapping("input")
    if data is None:
        return None
    if len(data) > MAX_INPUTS:
        fields.refuse(
            "input",
            "too_long",
            f"`input` must have at most {MAX_INPUTS} fields; it has {len(data)}.",
        )
        return None
    inner = FieldReader(fields.draft, (*fields.path, "input"), data, data)
    found: list[tuple[str, Expression]] = []
    for name in data:
        expression = inner.expression(name)
        if expression is not None:
            found.append((name, expression))
    return tuple(found)


STEP_TYPE = StepType(
    fields=frozenset({"language", "source", "input"}),
    read=_read,
    timeout=timedelta(seconds=10),
    longest_timeout=timedelta(seconds=30),
)
