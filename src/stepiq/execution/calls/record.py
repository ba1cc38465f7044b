"""Records a call as an operation: its row is written before the call, and completed with the next write after it."""

import asyncio
from dataclasses import replace
from typing import Any

from stepiq.core import clock
from stepiq.execution.calls import mask
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.replay import omitted, recorded_failure
from stepiq.execution.calls.requests import OperationFailed
from stepiq.store.states import OperationStatus


async def record(call: Call, following: Following) -> Any:
    """Write the operation and, at the first call of an attempt, the start of the attempt."""
    operation = call.operation
    await record_replies(call.earlier)
    if call.request.waits_for_person and (number := call.record.omitted_reply) is not None:
        # After the wait, the handler is called again, and the answer of the person would be lost.
        raise OperationFailed(omitted(number), was_made=False)
    operation.begin(clock.now(), counts=not call.request.waits_for_person)
    if call.model is not None:
        operation.model, operation.paid_by = call.model.id, call.model.paid_by
    if operation not in call.record.operations:
        call.record.operations.append(operation)
    try:
        await call.begin(call)
        reply = await following(call)
    except OperationFailed as error:
        message = await call.secrets.as_recorded(error.failed.message)
        failed = recorded_failure(replace(error.failed, message=message))
        operation.end(OperationStatus.FAILED, clock.now(), error=failed)
        call.earlier.append(call)
        raise
    except asyncio.CancelledError:
        operation.end(OperationStatus.CANCELLED, clock.now())
        raise
    operation.end(OperationStatus.COMPLETED, clock.now())
    call.reply = reply
    call.earlier.append(call)
    return reply


async def record_replies(calls: list[Call]) -> None:
    """Record the replies to earlier calls of an attempt, and empty the list.

    Done when the attempt goes on after them, waits or fails: else, the output of the step has the reply to the last one.
    """
    for call in calls:
        await _record_reply(call)
    calls.clear()


async def _record_reply(call: Call) -> None:
    operation = call.operation
    response = None
    if operation.status is OperationStatus.COMPLETED:
        response = await mask.of_reply(call.request, call.reply, call.secrets.masker)
    operation.reply(response, call.request_hash, call.record.fits)
