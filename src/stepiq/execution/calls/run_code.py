"""Runs code in the sandbox."""

from stepiq.core.json import Json
from stepiq.execution.calls.call import Call
from stepiq.execution.calls.mask import text_of
from stepiq.execution.calls.requests import OperationFailed, RunCode
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.sandbox.outcomes import CodeFailed


async def run_code(call: Call, request: RunCode) -> Json:
    """Call the function once."""
    masker = call.secrets.masker
    # Masking a long line with many secrets takes seconds. Such lines, and those after them, are masked in a thread.
    later: list[str] = []

    def log(line: str) -> None:
        if later or masker.is_slow(len(line)):
            later.append(line)
        else:
            call.note("info", line)

    ran = await call.dependencies.sandbox.run(
        request.language, request.source, request.arguments, timeout=request.timeout, log=log
    )
    for line in later:
        call.note("info", await text_of(call, line), is_masked=True)
    if isinstance(ran, CodeFailed):
        raise OperationFailed(Failed(FailureCode(ran.code), ran.message))
    return ran.output
