"""`code`: a function written by the author, run in a sandbox."""

from dataclasses import dataclass
from datetime import timedelta

from stepiq.language.code_source import CodeLanguage, check_javascript, check_python
from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import StepType
from stepiq.language.expressions import Expression
from stepiq.language.fields import schema as nodes
from stepiq.language.fields.description import choice, described, input_value, text
from stepiq.language.fields.reader import FieldReader, PathProblem

MAX_SOURCE = 65_536
MAX_INPUTS = 50
_CHECKS = {"python": check_python, "javascript": check_javascript}
_INPUT = input_value("A field of the input of `main`.")


def _check_source(fields: FieldReader, name: str, source: str) -> None:
    check = _CHECKS.get(str(fields.raw("language")))
    if check is None or (found := check(source)) is None:
        return
    line, column, message = found
    path = (*fields.path, name)
    fields.draft.problems.append(
        PathProblem(path, "code_syntax", message, inside=(source, line, column))
    )


def _read_inputs(fields: FieldReader, name: str) -> tuple[tuple[str, Expression], ...] | None:
    data = fields.mapping(name) or {}
    if len(data) > MAX_INPUTS:
        message = f"`input` must have at most {MAX_INPUTS} fields; it has {len(data)}."
        fields.refuse(name, "too_long", message)
        return None
    inner = FieldReader(fields.draft, (*fields.path, name), data, data)
    read = [(each, _INPUT.read(inner, each)) for each in data]
    return tuple((each, expression) for each, expression in read if expression is not None)


@dataclass(frozen=True, slots=True)
class CodeSpec(StepSpec):
    """A function written by the author."""

    limits_itself = True

    language: CodeLanguage = choice(
        "Language",
        "The programming language of the source.",
        {
            CodeLanguage.PYTHON: "def main(input): …",
            CodeLanguage.JAVASCRIPT: "function main(input) { … }",
        },
    ).required("language: python")
    source: str = (
        text(
            "Source",
            "Code with a function `main(input)`. Its result is the step's output.",
            maximum=MAX_SOURCE,
        )
        .checked(_check_source)
        .required("source: 'def main(input): return input'")
    )
    input: tuple[tuple[str, Expression], ...] | None = described(
        "Input",
        "Expressions by name. Default: `{input, vars, steps}`.",
        {
            "type": "object",
            "additionalProperties": nodes.or_null(_INPUT.node),
            "maxProperties": MAX_INPUTS,
        },
        _read_inputs,
    ).optional()
    """None: `{input, vars, steps}`."""

    @property
    def can_be_given(self) -> bool:
        return True


STEP_TYPE = StepType(
    CodeSpec,
    "Runs your function in a sandbox.",
    snippet={
        "id": "${1:compute}",
        "type": "code",
        "language": "javascript",
        "source": "function main(input) { return input }",
    },
    timeout=timedelta(seconds=10),
    longest_timeout=timedelta(seconds=30),
)
