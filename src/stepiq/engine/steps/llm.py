"""Llm: ask a model, stream its answer, and make sure JSON is JSON."""

from dataclasses import dataclass, field, replace

from stepiq.core import metrics
from stepiq.core.json import Json
from stepiq.engine.masking import masked
from stepiq.engine.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.engine.providers.base import (
    Finished,
    Message,
    Model,
    ModelRequest,
    Progress,
    ProviderError,
)
from stepiq.engine.providers.registry import ModelUnusable
from stepiq.engine.steps.answers import parse_json
from stepiq.engine.work import Work
from stepiq.language.definition import LlmSpec, OutputFormat
from stepiq.language.templates import TemplateError

_REPAIR = (
    "Your answer cannot be used: {problem}\n"
    "Answer again with the corrected JSON only: no explanation, no code fence."
)
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Question:
    """What is about to be sent, secrets included: it is in no record."""

    model: Model
    prompt: str = field(repr=False)
    system_prompt: str | None = field(repr=False)


async def prepare(work: Work, spec: LlmSpec) -> Question | Failed:
    """Render the prompts and choose the model, so that the step's row says what is about to be sent."""
    masker, name = work.secrets.masker, "prompt"
    system_prompt = None
    try:
        prompt = spec.prompt.render(work.scope)
        work.record.prompt = await masked(masker.text, prompt, len(prompt))
        if spec.system_prompt is not None:
            name = "system_prompt"
            system_prompt = spec.system_prompt.render(work.scope)
            work.record.system_prompt = await masked(masker.text, system_prompt, len(system_prompt))
    except TemplateError as error:
        return Failed(FailureCode(error.code), f"`{name}` of step `{work.step.id}`: {error}")
    try:
        model = _model(work, spec)
    except ModelUnusable as error:
        return Failed(FailureCode(error.failure), f"Step `{work.step.id}`: {error.message}")
    work.record.model = model.id
    return Question(model, prompt, system_prompt)


def _model(work: Work, spec: LlmSpec) -> Model:
    if spec.model is None:
        return work.providers.default_model(work.secrets.keys)
    return work.providers.resolve(spec.model, work.secrets.keys)


async def attempt(work: Work, spec: LlmSpec, question: Question) -> Outcome:
    """Ask once; an answer that is not the JSON asked for gets one chance to be put right."""
    model = question.model
    request = ModelRequest(
        messages=(Message("user", question.prompt),),
        system_prompt=question.system_prompt,
        temperature=spec.temperature,
        max_tokens=spec.max_tokens,
        json_schema=spec.output_schema,
        json_object=work.step.output_format is OutputFormat.JSON,
        idempotency_key=work.idempotency_key,
        redact=work.secrets.masker.text,
    )
    try:
        answer = await _ask(work, model, request)
        if not request.json_object and request.json_schema is None:
            return Completed(answer.text)
        value, problem = _read(answer, spec)
        if problem is not None:
            work.note(
                "warning", f"The answer cannot be used, so the model is asked again. {problem}"
            )
            answer = await _ask(work, model, _repair(request, answer, problem))
            value, problem = _read(answer, spec)
    except ProviderError as error:
        return Failed(FailureCode(error.code), error.message, error.retryable, error.retry_after)
    if problem is not None:
        return Failed(
            FailureCode.OUTPUT_INVALID,
            f"Model {model.id} did not answer step `{work.step.id}` as asked, also not when told why. {problem} "
            f"It said: {_shown(work.secrets.masker.text(answer.text))}",
        )
    return Completed(value)


def _repair(request: ModelRequest, answer: Finished, problem: str) -> ModelRequest:
    turns = (Message("assistant", answer.text), Message("user", _REPAIR.format(problem=problem)))
    return replace(request, messages=request.messages + turns)


def _read(answer: Finished, spec: LlmSpec) -> tuple[Json, str | None]:
    value, problem = parse_json(answer.text)
    if problem is not None and answer.finish_reason == "length":
        problem = "The answer was cut off at the token limit; raise `max_tokens`."
    if problem is None and spec.output_validator is not None:
        found = spec.output_validator.issues(value)
        problem = " ".join(issue.message for issue in found) or None
    return value, problem


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


async def _ask(work: Work, model: Model, request: ModelRequest) -> Finished:
    progress = Progress()
    result = "cancelled"
    try:
        async for item in model.stream(request, progress):
            if isinstance(item, Finished):
                result = "ok"
                return item
            work.speak(item.text)
    except ProviderError:
        result = "failed"
        raise
    finally:
        metrics.model_calls.labels(model.provider, result).inc()
        # Also when the call fails or is cancelled: what was used so far is paid for.
        _count(work, model, progress)
    raise RuntimeError(
        f"The stream of {model.id} ended early."
    )  # pragma: no cover - see Model.stream


def _count(work: Work, model: Model, progress: Progress) -> None:
    usage = progress.usage()
    if not usage.input_tokens and not usage.output_tokens:
        return
    metrics.model_tokens.labels(model.provider, "input").inc(usage.input_tokens)
    metrics.model_tokens.labels(model.provider, "output").inc(usage.output_tokens)
    meter = work.record.meter
    meter.input_tokens += usage.input_tokens
    meter.cached_tokens += usage.cached_tokens
    meter.output_tokens += usage.output_tokens
    meter.tokens_estimated |= usage.estimated
    if model.is_paid_by_server:
        meter.credit_tokens += usage.input_tokens + usage.output_tokens
    cost = model.cost(usage)
    meter.add_cost(
        None
        if cost is None
        else {
            "input": cost.input_usd_micros,
            "cached": cost.cached_usd_micros,
            "output": cost.output_usd_micros,
        }
    )
