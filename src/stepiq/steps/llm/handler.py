"""Llm: calls a model, streams its answer and validates JSON output."""

from dataclasses import replace

from stepiq.core.json import Json
from stepiq.execution.calls.requests import CallModel, Message, ModelReply, OperationFailed
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language import offload
from stepiq.language.definitions.step import OutputFormat
from stepiq.language.schemas.validation import Schema
from stepiq.language.schemas.work import ValidationMeter
from stepiq.language.templates import TemplateError
from stepiq.steps.answers import parse_json
from stepiq.steps.llm.spec import LlmSpec

_REPAIR = (
    "Your answer cannot be used: {problem}\n"
    "Answer again with the corrected JSON only: no explanation, no code fence."
)
_SHOWN_CHARACTERS = 200
_ANOTHER_MAY_ANSWER = frozenset(
    {
        FailureCode.PROVIDER_AUTH,
        FailureCode.PROVIDER_RATE_LIMITED,
        FailureCode.PROVIDER_ERROR,
        FailureCode.MODEL_UNKNOWN,
        # A key or a secret of the prompts cannot be used for this model.
        FailureCode.SECRET_MISSING,
        FailureCode.SECRET_HOST_REFUSED,
    }
)
"""Failures that do not depend on the prompt, so another model may succeed."""


async def run(spec: LlmSpec, context: StepContext) -> Outcome:
    """Call the model once. If it cannot be called, call the next one immediately."""
    request = await _request(context, spec)
    if isinstance(request, Failed):
        return request
    reported: OperationFailed | None = None
    *others, last = spec.asked_models
    for index, model in enumerate(others):
        try:
            return await _answer(context, spec, replace(request, model=model))
        except OperationFailed as error:
            if error.failed.code not in _ANOTHER_MAY_ANSWER:
                raise
            reported = _to_report(reported, error)
            following = spec.asked_models[index + 1]
            context.note("warning", f"{error.failed.message} Using model {following} instead.")
    try:
        return await _answer(context, spec, replace(request, model=last))
    except OperationFailed as error:
        raise _to_report(reported, error) from None


def _to_report(earlier: OperationFailed | None, error: OperationFailed) -> OperationFailed:
    """The failure to report: the last one of a call that was made, otherwise the first one."""
    return error if earlier is None or error.was_made else earlier


async def _request(context: StepContext, spec: LlmSpec) -> CallModel | Failed:
    """Render the prompts."""
    name = "prompt"
    system_prompt = None
    try:
        prompt = await offload.render(spec.prompt, context.sending_scope)
        if spec.system_prompt is not None:
            name = "system_prompt"
            system_prompt = await offload.render(spec.system_prompt, context.sending_scope)
    except TemplateError as error:
        return Failed(FailureCode(error.code), error.message, field=name)
    return CallModel(
        model=spec.model,
        messages=(Message.of_text("user", prompt),),
        system_prompt=system_prompt,
        temperature=spec.temperature,
        max_tokens=spec.max_tokens,
        json_schema=spec.output_schema,
        json_object=context.step.output_format is OutputFormat.JSON,
        secret_names=spec.secret_names,
    )


async def _answer(context: StepContext, spec: LlmSpec, request: CallModel) -> Outcome:
    """Call one model. If its answer is not the requested JSON, send one correction prompt.

    Raises:
        OperationFailed: a call failed.
    """
    reply = await context.model(request)
    if not request.json_object and request.json_schema is None:
        return Completed(reply.text)
    value, problem = await _examined(reply, spec)
    if problem is not None:
        context.note(
            "warning", f"The answer is invalid, so the model gets a correction prompt. {problem}"
        )
        reply = await context.model(_repair(request, reply, problem))
        value, problem = await _examined(reply, spec)
    if problem is not None:
        return Failed(
            FailureCode.OUTPUT_INVALID,
            f"Model {reply.model} did not return valid output, even after a correction prompt. {problem} "
            f"Its answer: {_shown(await context.secrets.excerpt(reply.text))}",
        )
    return Completed(value)


def _repair(request: CallModel, reply: ModelReply, problem: str) -> CallModel:
    turns = (
        Message.of_text("assistant", reply.text),
        Message.of_text("user", _REPAIR.format(problem=problem)),
    )
    return replace(request, messages=request.messages + turns)


async def _examined(reply: ModelReply, spec: LlmSpec) -> tuple[Json, str | None]:
    value, problem = await offload.read(parse_json, reply.text)
    if problem is not None:
        return value, reply.cut_off or problem
    if (schema := spec.output_validator) is None:
        return value, None
    return await offload.metered(lambda meter: _checked(schema, value, meter), ValidationMeter)


def _checked(schema: Schema, value: Json, meter: ValidationMeter) -> tuple[Json, str | None]:
    if found := schema.issues(value, meter=meter):
        return value, " ".join(issue.message for issue in found)
    return schema.integers(value), None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
