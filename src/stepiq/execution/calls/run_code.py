"""Runs code in the sandbox."""

from stepiq.core.json import Json
from stepiq.execution.calls.call import Call
from stepiq.execution.calls.requests import OperationFailed, RunCode
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.sandbox.outcomes import CodeFailed


async def run_code(call: Call, request: RunCode) -> Json:
    """Call the function once."""
    ran = await call.dependencies.sandbox.run(
        request.language,
        request.source,
        request.arguments,
        timeout=request.timeout,
        log=lambda line: call.note("info", line),
    )
    if isinstance(ran, CodeFailed):
        raise OperationFailed(Failed(FailureCode(ran.code), ran.message))
    return ran.output
