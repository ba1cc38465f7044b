"""The chain of interceptors that every call goes through, in this order."""

from typing import Any

from stepiq.core import clock
from stepiq.execution.calls import budget
from stepiq.execution.calls.ask_person import ask_person
from stepiq.execution.calls.call import Call, chained
from stepiq.execution.calls.call_http import call_http
from stepiq.execution.calls.call_model import call_model
from stepiq.execution.calls.mask import mask
from stepiq.execution.calls.policy import policy
from stepiq.execution.calls.record import record
from stepiq.execution.calls.replay import replay
from stepiq.execution.calls.requests import AskPerson, CallHttp, CallModel, RunCode
from stepiq.execution.calls.run_code import run_code
from stepiq.execution.calls.stub import stub


async def perform(call: Call) -> Any:
    """Perform the call, and return its reply.

    Raises:
        OperationFailed: it failed.
        Suspended: the run has to wait for a person.
    """
    call.operation.started_at = call.operation.started_at or clock.now()
    match call.request:
        case CallModel() as request:
            return await call_model(call, request)
        case CallHttp() as request:
            return await call_http(call, request)
        case RunCode() as request:
            return await run_code(call, request)
        case AskPerson() as request:
            return await ask_person(call, request)
        case _:
            raise TypeError(f"unknown request: {type(call.request)}")


CHAIN = chained((mask, replay, stub, policy, budget.ask, record, budget.secure), perform)
