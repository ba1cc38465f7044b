"""Returns the recorded reply of a call that was completed before a crash or a wait."""

import hashlib
from datetime import timedelta
from typing import Any

from stepiq.core import json
from stepiq.core.ids import uuid7
from stepiq.core.json import Json
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import OperationFailed
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.execution.records import Operation
from stepiq.store.states import OperationStatus


async def replay(call: Call, following: Following) -> Any:
    """Return or raise what is recorded for this call in the current attempt; otherwise, go on.

    Raises:
        OperationFailed: the recorded call failed, or it was another call.
    """
    found = call.record.operation(call.attempt, call.number)
    if found is None:
        call.operation = Operation(
            id=uuid7(),
            kind=str(call.request.kind),
            attempt=call.attempt,
            number=call.number,
            key=call.key,
            request=call.described,
        )
        return await following(call)
    call.operation = found
    if found.kind != call.request.kind or found.request_hash not in (None, request_hash(call)):
        raise OperationFailed(_mismatch(call))
    match found.status:
        case OperationStatus.COMPLETED if found.can_be_replayed:
            return call.request.from_json(found.response)
        case OperationStatus.FAILED:
            raise OperationFailed(_recorded(found))
        case _:
            # Its effect or its reply is unknown. It is performed again with the same idempotency key.
            return await following(call)


def request_hash(call: Call) -> str | None:
    """SHA-256 of the masked request as canonical JSON; None if the request is not recorded.

    Masked, because a secret can be changed while a run waits, and because a hash helps to guess a short secret.
    """
    if call.described is None:
        return None
    content: Json = [call.described, *call.prompts]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


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
