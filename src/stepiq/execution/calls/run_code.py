"""Runs code in the sandbox."""

import asyncio
from contextlib import suppress

from stepiq.core.json import Json
from stepiq.execution.calls.call import Call
from stepiq.execution.calls.requests import OperationFailed, RunCode
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.redaction.masking import masked
from stepiq.sandbox.conversation import CodeFailed

_STOPPING_SECONDS = 0.3
_LINES_TOGETHER = 500


async def run_code(call: Call, request: RunCode) -> Json:
    """Call the function once."""
    printed = _Printed(call)
    try:
        ran = await call.dependencies.sandbox.run(
            request.language,
            request.source,
            request.arguments,
            timeout=request.timeout,
            log=printed.add,
        )
    except BaseException:
        # The lines show how far the code came. Masking all of them could delay the end of the run.
        await printed.finish(_STOPPING_SECONDS)
        raise
    await printed.finish()
    if isinstance(ran, CodeFailed):
        raise OperationFailed(Failed(FailureCode(ran.code), ran.message))
    return ran.output


class _Printed:
    """Adds printed lines to the log of the step, in order.

    Up to 500 lines that arrive together are masked together: the first on the event loop, and then in threads if masking
    all lines so far is slow.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._waiting: list[str] = []
        self._masking: asyncio.Task[None] | None = None
        self._size = 0
        """Characters of all lines so far."""

    def add(self, line: str) -> None:
        self._waiting.append(line)
        self._size += len(line)
        if self._masking is None:
            self._masking = asyncio.create_task(self._mask())

    async def finish(self, seconds: float | None = None) -> None:
        """Wait until all lines are added, at most so long. No line is added afterwards."""
        if self._masking is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._masking, seconds)

    async def _mask(self) -> None:
        while self._waiting:
            lines = self._waiting[:_LINES_TOGETHER]
            del self._waiting[:_LINES_TOGETHER]
            is_slow = self._call.secrets.masker.is_slow(self._size)
            for line in await masked(self._recorded, lines, apart=is_slow):
                self._call.note("info", line, is_masked=True)
        self._masking = None

    def _recorded(self, lines: list[str]) -> list[str]:
        return [self._call.secrets.recorded(line) for line in lines]
