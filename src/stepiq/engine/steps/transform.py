"""Transform: text or JSON made from a template, without leaving the process."""

from stepiq.engine.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.engine.steps.answers import parse_json
from stepiq.engine.work import Work
from stepiq.language.definition import OutputFormat, TransformSpec
from stepiq.language.templates import TemplateError


def evaluate(work: Work, spec: TransformSpec) -> Outcome:
    """Render the template; with `output_format: json`, read the text as JSON."""
    try:
        text = spec.template.render(work.scope)
    except TemplateError as error:
        return Failed(FailureCode(error.code), f"`template` of step `{work.step.id}`: {error}")
    if work.step.output_format is not OutputFormat.JSON:
        return Completed(text)
    value, problem = parse_json(text)
    if problem is not None:
        return Failed(
            FailureCode.OUTPUT_INVALID,
            f"Step `{work.step.id}` has output_format json, but its template gave text that is not: "
            f"{problem} Wrap values in the `json` helper, as in {{{{json input.name}}}}.",
        )
    return Completed(value)
