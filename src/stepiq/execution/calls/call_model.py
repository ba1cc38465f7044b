"""Calls a model, streams its answer, and counts its tokens."""

import time
from dataclasses import replace

from stepiq.core import clock
from stepiq.core.observability import metrics
from stepiq.execution.calls import budget
from stepiq.execution.calls.call import Call
from stepiq.execution.calls.requests import CallModel, ModelReply, OperationFailed
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.providers.base import (
    CallProgress,
    Finished,
    Model,
    ModelRequest,
    ProviderError,
    ReasoningDelta,
)

_REPORTED_CHARACTERS = 200
"""Longest name of a model that is recorded. The provider can send any text."""


async def call_model(call: Call, request: CallModel) -> ModelReply:
    """Call the model once."""
    model = call.model
    assert model is not None  # noqa: S101 - `policy` has chosen it
    is_limited = model.is_paid_by_server and not call.record.reservation.is_unlimited
    max_tokens = budget.max_tokens(model, request.max_tokens, is_limited=is_limited)
    sent = replace(
        request.sent(),
        max_tokens=max_tokens,
        idempotency_key=call.key,
        redact=call.secrets.masker.excerpt,
    )
    answer = await _stream(call, model, sent)
    if answer.finish_reason == "request_limit":
        call.note("warning", budget.CUT_OFF_BY_PROVIDER)
        return ModelReply(answer.text, model.id, budget.CUT_OFF_BY_PROVIDER)
    if answer.finish_reason != "length":
        return ModelReply(answer.text, model.id)
    cut_off = budget.cut_off(model, request.max_tokens, max_tokens)
    if max_tokens != request.max_tokens:
        call.note("warning", cut_off)
    return ModelReply(answer.text, model.id, cut_off)


async def _stream(call: Call, model: Model, request: ModelRequest) -> Finished:
    progress = CallProgress()
    result, error_type = "cancelled", "cancelled"
    started = time.perf_counter()
    try:
        async for item in model.stream(request, progress):
            if isinstance(item, ReasoningDelta):
                continue
            call.operation.first_piece_at = call.operation.first_piece_at or clock.now()
            if isinstance(item, Finished):
                result, error_type = "ok", ""
                call.operation.outcome = item.finish_reason
                reported = call.secrets.recorded(item.model[:_REPORTED_CHARACTERS])
                call.operation.reported_model = reported
                return item
            call.stream_text(item.text)
    except ProviderError as error:
        result, error_type = "failed", str(error.code)
        failed = Failed(FailureCode(error.code), error.message, error.retryable, error.retry_after)
        raise OperationFailed(failed) from error
    finally:
        metrics.model_calls.labels(model.provider, result).inc()
        label = metrics.model_label(model.name)
        seconds = time.perf_counter() - started
        metrics.gen_ai_duration.labels(model.provider, label, error_type).observe(seconds)
        # Tokens used so far are paid for, even if the call fails or is cancelled.
        _count(call, model, progress)
    raise RuntimeError(
        f"The stream of {model.id} ended early."
    )  # pragma: no cover - see Model.stream


def _count(call: Call, model: Model, progress: CallProgress) -> None:
    usage = progress.usage()
    if not usage.input_tokens and not usage.output_tokens:
        return
    label = metrics.model_label(model.name)
    for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
        metrics.model_tokens.labels(model.provider, kind).inc(tokens)
        metrics.gen_ai_token_usage.labels(model.provider, label, kind).observe(tokens)
    credit_tokens = 0
    if model.is_paid_by_server:
        credit_tokens = budget.charged(call.record, usage.input_tokens + usage.output_tokens)
    parts = budget.cost_parts(model, usage)
    for meter in (call.operation.meter, call.record.meter):
        meter.add(usage, credit_tokens, parts)
