"""The JSON Schema of `csv` steps, for editors."""

from stepiq.language.json_schema.common import input_value
from stepiq.language.json_schema.nodes import TypeSchema, boolean, text
from stepiq_csv.spec import DEFAULT_DELIMITER


def schema() -> TypeSchema:
    """The fields of the type."""
    fields = {
        "input": input_value("The CSV text. Default: the output of the step before."),
        "delimiter": text(
            "Delimiter", "The character between values.", maximum=1, default=DEFAULT_DELIMITER
        ),
        "header": boolean(
            "Header", "Whether the first line has the names of the columns.", default=True
        ),
    }
    snippet = {"id": "${1:rows}", "type": "csv", "input": "${2:input.file}"}
    return TypeSchema("Reads CSV text.", fields, snippet=snippet)
