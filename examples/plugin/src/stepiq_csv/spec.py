"""What may be written in a `csv` step."""

from dataclasses import dataclass

from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import StepType
from stepiq.language.expressions import Expression
from stepiq.language.fields.description import boolean, input_value, text
from stepiq.language.fields.reader import FieldReader
from stepiq.language.schemas.validation import LIST


def _check_delimiter(fields: FieldReader, name: str, delimiter: str) -> None:
    if delimiter in '"\r\n':
        fields.refuse(name, "not_allowed", "`delimiter` cannot be a quote or a line break.")


@dataclass(frozen=True, slots=True)
class CsvSpec(StepSpec):
    """Reads CSV text."""

    is_pure = True

    input: Expression | None = input_value(
        "The CSV text. Default: the output of the step before."
    ).optional()
    delimiter: str = (
        text("Delimiter", "The character between values.", maximum=1)
        .checked(_check_delimiter)
        .default(",")
    )
    has_header: bool = boolean(
        "Header", "Whether the first line has the names of the columns."
    ).default(True, name="header")


STEP_TYPE = StepType(
    CsvSpec,
    "Reads CSV text.",
    snippet={"id": "${1:rows}", "type": "csv", "input": "${2:input.file}"},
    output=lambda _: LIST,
)
