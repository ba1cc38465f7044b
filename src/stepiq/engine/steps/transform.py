"""Transform: data made from data, without leaving the process."""

from functools import partial

from stepiq.core.json import Json
from stepiq.engine import aside
from stepiq.engine.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.engine.steps.answers import parse_json
from stepiq.engine.work import Work
from stepiq.language.data import kind_of
from stepiq.language.expressions import ExpressionError, Meter
from stepiq.language.extracting import MAX_OPERATIONS, ExtractError
from stepiq.language.patterns import PatternLimit
from stepiq.language.setting import MAX_WORK, Setting
from stepiq.language.specs import Extract, Match, OutputFormat, TransformSpec
from stepiq.language.templates import Template, TemplateError


async def evaluate(work: Work, spec: TransformSpec) -> Outcome:
    """Do what the step says; with `output_format: json`, read the text of a template as JSON."""
    name = _field(spec)
    try:
        return await _make(work, spec)
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


async def _make(work: Work, spec: TransformSpec) -> Outcome:
    make = spec.make
    match make:
        case Template():
            return await _read(work, await aside.render(make, work.scope))
        case Setting():
            meter = partial(Meter, MAX_WORK)
            return Completed(
                await aside.metered(lambda at: make.evaluate(work.scope, meter=at), meter)
            )
        case Extract():
            find = make.query.first if make.first else make.query.all
            source = await _source(work, spec)
            meter = partial(Meter, MAX_OPERATIONS)
            return Completed(await aside.metered(lambda at: find(source, meter=at), meter))
        case Match():
            return await _match(work, spec, make)


async def _source(work: Work, spec: TransformSpec) -> Json:
    if spec.input is None:
        return work.previous
    return await aside.evaluate(spec.input, work.scope)


async def _match(work: Work, spec: TransformSpec, match: Match) -> Outcome:
    text = await _source(work, spec)
    if not isinstance(text, str):
        return Failed(
            FailureCode.INPUT_INVALID,
            f"The value to search is {kind_of(text)}. Set `input` to an expression that returns a string.",
            field="regex",
        )
    if match.replace is not None:
        return Completed(await aside.compute(match.pattern.replace, text, match.replace))
    if match.all:
        return Completed(await aside.compute(match.pattern.all, text))
    return Completed(await aside.compute(match.pattern.group, text, match.group))


async def _read(work: Work, text: str) -> Outcome:
    if work.step.output_format is not OutputFormat.JSON:
        return Completed(text)
    value, problem = await aside.read(parse_json, text)
    if problem is not None:
        return Failed(
            FailureCode.OUTPUT_INVALID,
            f"{problem} The step needs JSON, because it has `output_format: json`. Write values with the `json` helper: "
            "`{{json input.name}}`.",
            field="template",
        )
    return Completed(value)
