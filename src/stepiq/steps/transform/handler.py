"""Transform: computes data from data, without external calls."""

from functools import partial

from stepiq.core.json import Json
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language import offload
from stepiq.language.data import kind_of
from stepiq.language.definitions.step import OutputFormat
from stepiq.language.expressions import EvaluationMeter, ExpressionError
from stepiq.language.patterns import PatternLimit
from stepiq.language.templates import Template, TemplateError
from stepiq.steps.answers import parse_json
from stepiq.steps.transform.jsonpath import MAX_OPERATIONS, ExtractError
from stepiq.steps.transform.set_values import MAX_WORK, Setting
from stepiq.steps.transform.spec import Extract, Match, TransformSpec


async def run(spec: TransformSpec, context: StepContext) -> Outcome:
    """Compute the output. With `output_format: json`, parse the text of a template as JSON."""
    name = _field(spec)
    try:
        return await _make(context, spec)
    except (TemplateError, ExpressionError, ExtractError, PatternLimit) as error:
        field = error.field if isinstance(error, ExpressionError) else None
        return Failed(FailureCode(error.code), error.message, field=field or name)


def _field(spec: TransformSpec) -> str:
    match spec.make:
        case Template():
            return "template"
        case Extract():
            return "extract"
        case Match():
            return "regex"
        case Setting():
            return "set"


async def _make(context: StepContext, spec: TransformSpec) -> Outcome:
    make = spec.make
    match make:
        case Template():
            return await _read(context, await offload.render(make, context.scope))
        case Setting():
            meter = partial(EvaluationMeter, MAX_WORK)
            return Completed(
                await offload.metered(lambda at: make.evaluate(context.scope, meter=at), meter)
            )
        case Extract():
            find = make.query.first if make.first else make.query.all
            source = await _source(context, spec)
            meter = partial(EvaluationMeter, MAX_OPERATIONS)
            return Completed(await offload.metered(lambda at: find(source, meter=at), meter))
        case Match():
            return await _match(context, spec, make)


async def _source(context: StepContext, spec: TransformSpec) -> Json:
    if spec.input is None:
        return context.previous
    return await offload.evaluate(spec.input, context.scope)


async def _match(context: StepContext, spec: TransformSpec, match: Match) -> Outcome:
    text = await _source(context, spec)
    if not isinstance(text, str):
        return Failed(
            FailureCode.INPUT_INVALID,
            f"The value to search is {kind_of(text)}. Set `input` to an expression that returns a string.",
            field="regex",
        )
    if match.replace is not None:
        return Completed(await offload.compute(match.pattern.replace, text, match.replace))
    if match.all:
        return Completed(await offload.compute(match.pattern.all, text))
    return Completed(await offload.compute(match.pattern.group, text, match.group))


async def _read(context: StepContext, text: str) -> Outcome:
    if context.step.output_format is not OutputFormat.JSON:
        return Completed(text)
    value, problem = await offload.read(parse_json, text)
    if problem is not None:
        return Failed(
            FailureCode.OUTPUT_INVALID,
            f"{problem} The step needs JSON, because it has `output_format: json`. Write values with the `json` helper: "
            "`{{json input.name}}`.",
            field="template",
        )
    return Completed(value)
