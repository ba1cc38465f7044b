"""Checks values that a caller provides as the output of a step."""

from stepiq.core.errors import Issue
from stepiq.core.json import Json, MalformedJson, loads
from stepiq.language.data import is_array, is_object
from stepiq.language.definitions.step import OutputFormat, Step
from stepiq.language.definitions.step_types import output_shape
from stepiq.language.places import Path, write_path
from stepiq.language.schemas.work import ValidationMeter


def output_issues(
    step: Step, output: Json, at: Path = (), meter: ValidationMeter | None = None
) -> tuple[Issue, ...]:
    """The problems of a value as the output of a step; empty if the step could have returned it.

    Args:
        step: the step.
        output: the value to use as its output.
        at: path of the value, for the paths of the issues.
        meter: is charged for the work before it is done.
    """
    meter = meter or ValidationMeter()
    issues = output_shape(step).issues(output, at, meter=meter)
    if issues or step.output_format is not OutputFormat.JSON or not isinstance(output, str):
        return issues
    meter.spend_text(len(output))
    if not _is_written_data(output):
        return ()
    name = write_path(at)
    message = f"{f'`{name}`' if name else 'The value'} is a string that contains JSON. Write the JSON without the quotes around it."
    return (Issue(name, "wrong_type", message),)


def _is_written_data(output: str) -> bool:
    try:
        value = loads(output.encode())
    except (MalformedJson, UnicodeEncodeError):
        return False
    return is_object(value) or is_array(value)
