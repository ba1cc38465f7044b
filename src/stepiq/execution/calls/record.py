"""Records a call as an operation: its row is written before the call, and completed with the next write after it."""

import asyncio
from dataclasses import replace
from typing import Any

from stepiq.core import clock
from stepiq.core.json import SerializedJson
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.replay import recorded_failure, request_hash
from stepiq.execution.calls.requests import OperationFailed
from stepiq.redaction.masking import masked
from stepiq.store.states import OperationStatus


async def record(call: Call, following: Following) -> Any:
    """Write the operation and, at the first call of an attempt, the start of the attempt."""
    operation = call.operation
    for earlier in call.earlier:
        await _record_reply(earlier)
    call.earlier.clear()
    operation.begin(clock.now(), counts=not call.request.waits_for_person)
    if call.model is not None:
        operation.model, operation.paid_by = call.model.id, call.model.paid_by
    if operation not in call.record.operations:
        call.record.operations.append(operation)
    await call.begin(call)
    try:
        reply = await following(call)
    except OperationFailed as error:
        message = call.secrets.masker.text(error.failed.message)
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


async def _record_reply(call: Call) -> None:
    """Record what `replay` needs of an earlier call of the attempt.

    Done when the next call begins, because the reply to the last one is in the step's output or its error.
    """
    operation = call.operation
    operation.request_hash = request_hash(call)
    if operation.status is OperationStatus.COMPLETED:
        response, masker = call.request.to_json(call.reply), call.secrets.masker
        apart = not masker.is_empty and masker.is_slow(SerializedJson.of(response).size_bytes)
        operation.response = await masked(masker.value, response, apart=apart)
    operation.is_changed = True
