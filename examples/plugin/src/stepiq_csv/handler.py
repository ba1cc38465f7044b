"""Executes a `csv` step."""

import csv

from stepiq.core.json import Json
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language import offload
from stepiq.language.data import kind_of
from stepiq.language.expressions import ExpressionError
from stepiq_csv.spec import CsvSpec


class InvalidCsv(Exception):
    """The text is not CSV. The message is for the author of the pipeline."""


async def run(spec: CsvSpec, context: StepContext) -> Outcome:
    """Read the text. A long one is read in a thread, so that other runs do not wait."""
    try:
        source = context.previous
        if spec.input is not None:
            source = await offload.evaluate(spec.input, context.scope)
        if not isinstance(source, str):
            message = f"`input` must be a string with CSV; it is {kind_of(source)}."
            return Failed(FailureCode.INPUT_INVALID, message, field="input")
        return Completed(
            await offload.read(parse, source, spec.delimiter, has_header=spec.has_header)
        )
    except ExpressionError as error:
        return Failed(FailureCode(error.code), error.message, field="input")
    except InvalidCsv as error:
        return Failed(FailureCode.INPUT_INVALID, str(error), field="input")


def parse(text: str, delimiter: str, *, has_header: bool) -> list[Json]:
    """The lines as objects, or as lists without a header.

    Raises:
        InvalidCsv: the text is not CSV, or its lines have different numbers of values.
    """
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        lines.extend((reader.line_num, values) for values in reader if values)
    except csv.Error as error:
        raise InvalidCsv(f"Line {reader.line_num} is not valid CSV: {error}.") from error
    if not lines:
        return []
    first = lines[0][1]
    for number, values in lines:
        if len(values) != len(first):
            raise InvalidCsv(
                f"Line {number} has {len(values)} values, but the first line has {len(first)}."
            )
    if not has_header:
        return [list[Json](values) for _, values in lines]
    if len(set(first)) != len(first):
        raise InvalidCsv("The header has a name twice. Rename a column, or set `header: false`.")
    return [dict[str, Json](zip(first, values, strict=True)) for _, values in lines[1:]]
