"""What may be written in a `csv` step."""

from dataclasses import dataclass

from stepiq.language.expressions import Expression
from stepiq.language.reports import FieldReader
from stepiq.language.shapes import LIST
from stepiq.language.specs import StepSpec
from stepiq.language.step_types import ReadSteps, StepType

DEFAULT_DELIMITER = ","


@dataclass(frozen=True, slots=True)
class CsvSpec(StepSpec):
    """Reads CSV text."""

    is_pure = True

    input: Expression | None
    """None for the output of the step before."""
    delimiter: str
    has_header: bool


def _read(fields: FieldReader, _: ReadSteps) -> CsvSpec | None:
    source = fields.expression("input")
    delimiter = fields.text("delimiter", minimum=1, maximum=1)
    if delimiter is not None and delimiter in '"\r\n':
        fields.refuse("delimiter", "not_allowed", "`delimiter` cannot be a quote or a line break.")
        return None
    has_header = fields.boolean("header")
    return CsvSpec(source, delimiter or DEFAULT_DELIMITER, has_header is not False)


STEP_TYPE = StepType(
    fields=frozenset({"input", "delimiter", "header"}),
    read=_read,
    output=lambda _: LIST,
)
