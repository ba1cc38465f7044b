"""Llm: calls a model, streams its answer and validates JSON output."""

from dataclasses import dataclass, field, replace

import httpx2

from stepiq.core import metrics
from stepiq.core.http import SecretHostRefused
from stepiq.core.json import Json
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language import offload
from stepiq.language.specs import OutputFormat
from stepiq.language.templates import TemplateError
from stepiq.providers.base import Finished, Message, Model, ModelRequest, Progress, ProviderError
from stepiq.providers.registry import ModelUnusable, ResolvedModel, SecretNotForModel
from stepiq.redaction.masking import masked
from stepiq.steps.answers import parse_json
from stepiq.steps.llm import spending
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
    }
)
"""Failures that do not depend on the prompt, so another model may succeed."""


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    cut_off: str | None = None
    """Why it ended at the token limit, and what to do; None if it did not."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request that is ready to send. It contains secrets, so it is not recorded."""

    models: tuple[Model, ...]
    """The model to call, followed by its fallbacks."""
    request: ModelRequest = field(repr=False)


async def run(spec: LlmSpec, context: StepContext) -> Outcome:
    """Call the model once. If it cannot be called, call the next one immediately."""
    question = await _prepare(context, spec)
    if isinstance(question, Failed):
        return question
    await context.begin()
    return await _ask_models(context, spec, question)


async def _prepare(context: StepContext, spec: LlmSpec) -> Question | Failed:
    """Render the prompts, choose the models, and record both in the step's row before the call."""
    masker, name = context.secrets.masker, "prompt"
    system_prompt = None
    try:
        prompt = await offload.render(spec.prompt, context.sending_scope)
        context.record.prompt = await masked(masker.text, prompt, apart=masker.is_slow(len(prompt)))
        if spec.system_prompt is not None:
            name = "system_prompt"
            system_prompt = await offload.render(spec.system_prompt, context.sending_scope)
            context.record.system_prompt = await masked(
                masker.text, system_prompt, apart=masker.is_slow(len(system_prompt))
            )
    except TemplateError as error:
        return Failed(FailureCode(error.code), error.message, field=name)
    request = ModelRequest(
        messages=(Message("user", prompt),),
        system_prompt=system_prompt,
        temperature=spec.temperature,
        max_tokens=spec.max_tokens,
        json_schema=spec.output_schema,
        json_object=context.step.output_format is OutputFormat.JSON,
        idempotency_key=context.idempotency_key,
        redact=masker.excerpt,
    )
    if context.dependencies.stubs is not None:
        # No model is called, so no key is needed.
        context.record.model = spec.model
        return Question((), request)
    models = _models(context, spec)
    if isinstance(models, Failed):
        return models
    _use(context, models[0])
    spending.ask(context.record, models[0], request)
    return Question(models, request)


def _models(context: StepContext, spec: LlmSpec) -> tuple[Model, ...] | Failed:
    """The step's models that can be used on this server, in the order written."""
    found: list[Model] = []
    problem: ModelUnusable | None = None
    for model_id in (spec.model, *spec.fallback_models):
        try:
            found.append(_permitted(context, spec, _model(context, model_id)))
        except ModelUnusable as error:
            problem = problem or error
    if not found and problem is not None:
        return Failed(FailureCode(problem.failure), problem.message, field="model")
    if problem is not None:
        context.note("warning", f"{problem.message} Using model {found[0].id} instead.")
    return tuple(found)


def _model(context: StepContext, model_id: str | None) -> ResolvedModel:
    keys, accepted_with = context.secrets.keys, context.run.own_keys
    if model_id is None:
        return context.dependencies.providers.default_model(keys, accepted_with)
    return context.dependencies.providers.resolve(model_id, keys, accepted_with)


def _permitted(context: StepContext, spec: LlmSpec, model: ResolvedModel) -> ResolvedModel:
    """The model, if every secret of the prompts and the account's own key may be sent to it.

    Raises:
        SecretNotForModel: a secret may not be sent to it.
    """
    names = set(spec.secret_names)
    if model.key is not None and model.source.key_name is not None:
        names.add(model.source.key_name)
    if model.source.base_url is not None:
        try:
            context.secrets.permit(names)(httpx2.URL(model.source.base_url))
        except SecretHostRefused as error:
            raise SecretNotForModel(model.id, error.message) from None
    return model


def _use(context: StepContext, model: Model) -> None:
    context.record.model, context.record.paid_by = model.id, model.paid_by


async def _ask_models(context: StepContext, spec: LlmSpec, question: Question) -> Outcome:
    *others, last = question.models
    for index, model in enumerate(others, start=1):
        outcome = await _answer(context, spec, question.request, model)
        if not (isinstance(outcome, Failed) and outcome.code in _ANOTHER_MAY_ANSWER):
            return outcome
        following = question.models[index]
        context.note("warning", f"{outcome.message} Using model {following.id} instead.")
        # Saved before the switch, so that usage so far counts for the model that failed.
        spending.ask(context.record, following, question.request)
        await context.save()
        _use(context, following)
    return await _answer(context, spec, question.request, last)


async def _answer(
    context: StepContext, spec: LlmSpec, request: ModelRequest, model: Model
) -> Outcome:
    """Call one model. If its answer is not the requested JSON, send one correction prompt."""
    try:
        answer = await _ask(context, model, request)
        if not request.json_object and request.json_schema is None:
            return Completed(answer.text)
        value, problem = await _examined(answer, spec)
        if problem is not None:
            context.note(
                "warning",
                f"The answer is invalid, so the model gets a correction prompt. {problem}",
            )
            answer = await _ask(context, model, _repair(request, answer, problem))
            value, problem = await _examined(answer, spec)
    except ProviderError as error:
        return Failed(FailureCode(error.code), error.message, error.retryable, error.retry_after)
    except spending.CreditsExhausted as error:
        return Failed(FailureCode.PLAN_CREDITS_EXHAUSTED, error.message)
    if problem is not None:
        return Failed(
            FailureCode.OUTPUT_INVALID,
            f"Model {model.id} did not return valid output, even after a correction prompt. {problem} "
            f"Its answer: {_shown(context.secrets.masker.excerpt(answer.text))}",
        )
    return Completed(value)


def _repair(request: ModelRequest, answer: _Answer, problem: str) -> ModelRequest:
    turns = (Message("assistant", answer.text), Message("user", _REPAIR.format(problem=problem)))
    return replace(request, messages=request.messages + turns)


async def _examined(answer: _Answer, spec: LlmSpec) -> tuple[Json, str | None]:
    return await offload.read(_read, answer.text, spec, answer.cut_off)


def _read(text: str, spec: LlmSpec, cut_off: str | None) -> tuple[Json, str | None]:
    value, problem = parse_json(text)
    if problem is not None and cut_off is not None:
        problem = cut_off
    if problem is None and spec.output_validator is not None:
        found = spec.output_validator.issues(value)
        problem = " ".join(issue.message for issue in found) or None
        value = spec.output_validator.integers(value)
    return value, problem


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


async def _ask(context: StepContext, model: Model, request: ModelRequest) -> _Answer:
    sent = await spending.secure(context, model, spending.capped(model, request))
    progress = Progress()
    result = "cancelled"
    try:
        async for item in model.stream(sent, progress):
            if isinstance(item, Finished):
                result = "ok"
                if item.finish_reason != "length":
                    return _Answer(item.text)
                cut_off = spending.cut_off(model, request, sent)
                if sent is not request:
                    context.note("warning", cut_off)
                return _Answer(item.text, cut_off)
            context.speak(item.text)
    except ProviderError:
        result = "failed"
        raise
    finally:
        metrics.model_calls.labels(model.provider, result).inc()
        # Tokens used so far are paid for, even if the call fails or is cancelled.
        _count(context, model, progress)
        context.record.reservation.is_used = False
    raise RuntimeError(
        f"The stream of {model.id} ended early."
    )  # pragma: no cover - see Model.stream


def _count(context: StepContext, model: Model, progress: Progress) -> None:
    usage = progress.usage()
    if not usage.input_tokens and not usage.output_tokens:
        return
    metrics.model_tokens.labels(model.provider, "input").inc(usage.input_tokens)
    metrics.model_tokens.labels(model.provider, "output").inc(usage.output_tokens)
    meter = context.record.meter
    meter.input_tokens += usage.input_tokens
    meter.cached_tokens += usage.cached_tokens
    meter.output_tokens += usage.output_tokens
    meter.tokens_estimated |= usage.estimated
    if model.is_paid_by_server:
        meter.credit_tokens += spending.charged(
            context.record, usage.input_tokens + usage.output_tokens
        )
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
