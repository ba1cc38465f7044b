"""Reserves credits for a model call before it is made, and limits the call to the credits left this month."""

import asyncio
from dataclasses import replace

from stepiq.core import clock, json, logging
from stepiq.execution.context import StepContext
from stepiq.execution.limits import how_to_raise, next_month
from stepiq.execution.records import Shortage, StepRecord
from stepiq.execution.usage import TOKENS_PER_CREDIT
from stepiq.providers.base import Model, ModelRequest

log = logging.get(__name__)

ANSWER_TOKENS = 8_192
"""Longest answer, thinking included, of a call without `max_tokens` whose credits are limited."""
_CALL_TOKENS = 512
"""Allowance for text that providers add to a request, such as instructions about JSON."""
_MESSAGE_TOKENS = 16
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0


class CreditsExhausted(Exception):
    """A call may need more than the credits left this month."""

    def __init__(self, shortage: Shortage, tokens: int) -> None:
        self.message = (
            f"The call may need up to {_credits(tokens)} credits, but {_credits(shortage.used)} of the "
            f"{shortage.limit // TOKENS_PER_CREDIT:,} credits per month of plan `{shortage.plan}` are used. Set a lower "
            f"`max_tokens`, or wait for new credits at {clock.iso(next_month(clock.now()))}. "
            + how_to_raise(shortage.plan, "credits_per_month = …")
        )
        super().__init__(self.message)


def bound(request: ModelRequest) -> int:
    """The most tokens that a call can use. A tokenizer makes at most one token per byte."""
    texts = [request.system_prompt or "", *(message.text for message in request.messages)]
    if request.json_schema is not None:
        # Sent in the prompt, or in a field that the provider adds to the prompt.
        texts.append(json.dumps(request.json_schema))
    input_bytes = sum(len(text.encode(errors="replace")) for text in texts)
    overhead = _CALL_TOKENS + _MESSAGE_TOKENS * len(texts)
    return input_bytes + overhead + (request.max_tokens or ANSWER_TOKENS)


def ask(record: StepRecord, model: Model, request: ModelRequest) -> None:
    """Request a reservation of the most tokens that a call can cost. It is made when the record is next saved."""
    record.reservation.ask(bound(request) if model.is_paid_by_server else 0)


def capped(model: Model, request: ModelRequest) -> ModelRequest:
    """The request, with `max_tokens` at most the model's limit if there is one."""
    most = model.max_answer_tokens
    if most is None or (request.max_tokens or most + 1) <= most:
        return request
    return replace(request, max_tokens=most)


def cut_off(model: Model, wanted: ModelRequest, sent: ModelRequest) -> str:
    """Why an answer ended at the token limit, and what to do.

    Args:
        model: The model that answered.
        wanted: The request as the step describes it.
        sent: The request as it was sent.
    """
    if sent.max_tokens is not None and sent.max_tokens == model.max_answer_tokens:
        return (
            f"The answer was cut off at {sent.max_tokens:,} tokens, which is the limit of `{model.id}`. Ask for a shorter "
            "answer, or use another `model`."
        )
    if sent.max_tokens == wanted.max_tokens:
        return "The answer was cut off at the token limit. Raise `max_tokens`."
    return (
        f"The answer was cut off at {ANSWER_TOKENS:,} tokens, which is the limit of calls that use credits. To get a longer "
        "answer, set `max_tokens`."
    )


async def secure(context: StepContext, model: Model, request: ModelRequest) -> ModelRequest:
    """Ensure that the call's tokens are reserved, if they cost credits of a limited plan.

    Waits while only the reservations of other calls prevent it.

    Returns:
        The request to send, which has `max_tokens` set if credits are limited.

    Raises:
        CreditsExhausted: the call may need more than the credits left this month.
    """
    reservation = context.record.reservation
    if not model.is_paid_by_server or reservation.is_unlimited:
        return request
    if not reservation.is_used and reservation.shortage is None:
        ask(context.record, model, request)
        await context.save()
    if reservation.shortage is not None:
        await _wait(context, model, request, reservation.shortage)
    if reservation.is_unlimited:
        return request
    return request if request.max_tokens else replace(request, max_tokens=ANSWER_TOKENS)


async def _wait(
    context: StepContext, model: Model, request: ModelRequest, shortage: Shortage
) -> None:
    tokens = bound(request)
    if shortage.passes(tokens):
        context.note(
            "info", "The call waits, because other calls have reserved the credits that are left."
        )
    pause = _FIRST_PAUSE_SECONDS
    # One waiting call per workspace polls at a time, which limits the load on the store.
    async with context.dependencies.credit_turns.of(context.run.workspace_id):
        while True:
            if not shortage.passes(tokens):
                raise CreditsExhausted(shortage, tokens)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            ask(context.record, model, request)
            await context.save()
            if (left := context.record.reservation.shortage) is None:
                return
            shortage = left


def charged(record: StepRecord, tokens: int) -> int:
    """The tokens of a call that cost credits: at most those reserved for it."""
    reservation = record.reservation
    if not reservation.is_used or tokens <= reservation.held:
        return tokens
    log.warning(
        "call_exceeded_reservation", step_id=record.step_id, model=record.model, tokens=tokens
    )
    return reservation.held


def _credits(tokens: int) -> str:
    # Rounded up, so that needed and used credits never appear to fit into the limit.
    tenths = -(-tokens * 10 // TOKENS_PER_CREDIT)
    return f"{tenths / 10:,.1f}".removesuffix(".0")
