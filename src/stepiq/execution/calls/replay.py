"""Returns the recorded reply of a call that was completed before a crash or a wait."""

from datetime import timedelta
from typing import Any

from stepiq.core import json
from stepiq.core.ids import uuid7
from stepiq.core.json import Json
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import OperationFailed
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.execution.records.run import MAX_RECORDED_BYTES, Operation
from stepiq.language import offload
from stepiq.store.states import OperationStatus


async def replay(call: Call, following: Following) -> Any:
    """Return or raise what is recorded for this call in the current attempt; otherwise, go on.

    Raises:
        OperationFailed: the recorded call failed, it was another call, or its reply was too large to be recorded.
    """
    found = call.record.operation(call.attempt, call.number)
    if found is None:
        call.operation = Operation(
            id=uuid7(),
            kind=str(call.request.kind),
            attempt=call.attempt,
            number=call.number,
            key=call.key,
        )
        if call.described is not None:
            call.operation.keep_request(call.described, call.record.fits)
        return await following(call)
    call.operation = found
    if found.kind != call.request.kind or found.request_hash not in (None, call.request_hash):
        raise OperationFailed(_mismatch(call))
    match found.status:
        case OperationStatus.COMPLETED if found.response_is_omitted:
            raise OperationFailed(omitted(call.number))
        case OperationStatus.COMPLETED if found.can_be_replayed:
            text = found.response
            reply = None if text is None else await offload.read(json.read_trusted, text)
            return call.request.from_json(reply)
        case OperationStatus.FAILED:
            raise OperationFailed(_recorded(found))
        case _:
            # Its effect or its reply is unknown. It is performed again with the same idempotency key.
            return await following(call)


def recorded_failure(failed: Failed) -> dict[str, Json]:
    """A failure as the row of an operation has it."""
    return {
        "code": str(failed.code),
        "message": failed.message,
        "is_retryable": failed.is_retryable,
        "retry_after_seconds": None
        if failed.retry_after is None
        else failed.retry_after.total_seconds(),
        "field": failed.field,
    }


def omitted(number: int) -> Failed:
    """Why a step cannot continue: the reply of a call is needed again, but was too large to be recorded."""
    return Failed(
        FailureCode.STEP_LIMIT,
        f"After an interruption or a wait, the step needs the reply of call {number} again, but it is not recorded, because "
        f"the calls of the step exceed {MAX_RECORDED_BYTES:,} bytes. Request less data, or divide the work into several "
        "steps.",
    )


def _recorded(operation: Operation) -> Failed:
    error = operation.error or {}
    seconds, field = error["retry_after_seconds"], error["field"]
    return Failed(
        FailureCode(error["code"]),
        str(error["message"]),
        bool(error["is_retryable"]),
        timedelta(seconds=seconds) if isinstance(seconds, int | float) else None,
        field if isinstance(field, str) else None,
    )


def _mismatch(call: Call) -> Failed:
    return Failed(
        FailureCode.REPLAY_MISMATCH,
        f"After an interruption, call {call.number} of the step has another request than before, so its recorded reply "
        "does not apply. Start the run again from this step.",
    )
