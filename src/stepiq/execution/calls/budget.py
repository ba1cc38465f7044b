"""Reserves credits for a model call before it is made, and limits the call to the credits left this month."""

import asyncio
from typing import Any

from stepiq.core import clock
from stepiq.core.observability import logging
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import CallModel, OperationFailed
from stepiq.execution.limits.runs import how_to_raise, next_month
from stepiq.execution.limits.usage import TOKENS_PER_CREDIT, Meter
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.execution.records.run import Shortage, StepRecord
from stepiq.providers import questions
from stepiq.providers.base import Model, Usage

log = logging.get(__name__)

ANSWER_TOKENS = 8_192
"""Longest answer, thinking included, of a call without `max_tokens` whose credits are limited."""
CUT_OFF_BY_PROVIDER = "The answer was cut off at the provider's limit for one request. Ask for a shorter answer, or use another `model`."
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0


def bound(request: CallModel) -> int:
    """The most tokens that a call can use."""
    return questions.most_tokens(request.sent()) + _answer_tokens(request)


def _answer_tokens(request: CallModel) -> int:
    return request.max_tokens or ANSWER_TOKENS


async def ask(call: Call, following: Following) -> Any:
    """Request a reservation of the most tokens that a model call can cost. It is made when the call is recorded."""
    if isinstance(call.request, CallModel):
        _ask(call, call.request)
    return await following(call)


def _ask(call: Call, request: CallModel) -> None:
    if call.model is None or not call.model.is_paid_by_server:
        call.record.reservation.ask(0)
        return
    tokens = bound(request)
    call.record.reservation.ask(tokens)
    sent = Usage(tokens - _answer_tokens(request), 0, 0, estimated=True)
    call.operation.sent = Meter()
    call.operation.sent.add(sent, 0, cost_parts(call.model, sent))


async def secure(call: Call, following: Following) -> Any:
    """Ensure that the tokens of a model call are reserved, if they cost credits of a limited plan.

    Waits while only the reservations of other calls prevent it. Ends the reservation after the call.
    """
    if not isinstance(call.request, CallModel):
        return await following(call)
    try:
        await _reserved(call, call.request)
        return await following(call)
    finally:
        call.record.reservation.is_used = False


async def _reserved(call: Call, request: CallModel) -> None:
    reservation = call.record.reservation
    if call.model is None or not call.model.is_paid_by_server or reservation.is_unlimited:
        return
    if reservation.shortage is not None:
        await _wait(call, request, reservation.shortage)


async def _wait(call: Call, request: CallModel, shortage: Shortage) -> None:
    tokens = bound(request)
    if shortage.passes(tokens):
        call.note(
            "info", "The call waits, because other calls have reserved the credits that are left."
        )
    pause = _FIRST_PAUSE_SECONDS
    # One waiting call per workspace polls at a time, which limits the load on the store.
    async with call.dependencies.credit_turns.of(call.workspace_id):
        while True:
            if not shortage.passes(tokens):
                failed = Failed(FailureCode.PLAN_CREDITS_EXHAUSTED, _exhausted(shortage, tokens))
                raise OperationFailed(failed)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            _ask(call, request)
            await call.save()
            if (left := call.record.reservation.shortage) is None:
                return
            shortage = left


def _exhausted(shortage: Shortage, tokens: int) -> str:
    return (
        f"The call may need up to {_credits(tokens)} credits, but {_credits(shortage.used)} of the "
        f"{shortage.limit // TOKENS_PER_CREDIT:,} credits per month of plan `{shortage.plan}` are used. Set a lower "
        f"`max_tokens`, or wait for new credits at {clock.iso(next_month(clock.now()))}. "
        + how_to_raise(shortage.plan, "credits_per_month = …")
    )


def max_tokens(model: Model, wanted: int | None, *, is_limited: bool) -> int | None:
    """The limit of the answer to send to a model.

    Args:
        model: the model to call.
        wanted: the step's own `max_tokens`.
        is_limited: whether the call costs credits of a limited plan.
    """
    most = model.max_answer_tokens
    if most is not None and (wanted is None or wanted > most):
        return most
    return ANSWER_TOKENS if wanted is None and is_limited else wanted


def cut_off(model: Model, wanted: int | None, sent: int | None) -> str:
    """Why an answer ended at the token limit, and what to do.

    Args:
        model: the model that answered.
        wanted: the step's own `max_tokens`.
        sent: the limit that was sent.
    """
    if sent is not None and sent == model.max_answer_tokens:
        return (
            f"The answer was cut off at {sent:,} tokens, which is the limit of `{model.id}`. Ask for a shorter answer, or "
            "use another `model`."
        )
    if sent == wanted:
        return "The answer was cut off at the token limit. Raise `max_tokens`."
    return (
        f"The answer was cut off at {ANSWER_TOKENS:,} tokens, which is the limit of calls that use credits. To get a longer "
        "answer, set `max_tokens`."
    )


def charged(record: StepRecord, tokens: int) -> int:
    """The tokens of a call that cost credits: at most those reserved for it."""
    reservation = record.reservation
    if not reservation.is_used or tokens <= reservation.held:
        return tokens
    log.warning(
        "call_exceeded_reservation", step_id=record.step_id, model=record.model, tokens=tokens
    )
    return reservation.held


def cost_parts(model: Model, used: Usage) -> dict[str, int] | None:
    """The cost of tokens in micro-dollars, by part; None if the price of the model is unknown."""
    cost = model.cost(used)
    return None if cost is None else cost.parts()


def _credits(tokens: int) -> str:
    # Rounded up, so that needed and used credits never appear to fit into the limit.
    tenths = -(-tokens * 10 // TOKENS_PER_CREDIT)
    return f"{tenths / 10:,.1f}".removesuffix(".0")
