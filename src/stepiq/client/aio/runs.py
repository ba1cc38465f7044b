"""Runs: the operations of the API, and waiting for the end of a run."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from stepiq.client.aio.operations import AsyncRunsOperations
from stepiq.client.aio.streams import ENDED, follow_run
from stepiq.client.models import RunDetail
from stepiq.client.requests import OMITTED, ApiRequest, Id, Omitted, path

_FIRST_WAIT = 25
"""Seconds for which the request that starts a run stays open, so that short runs need no other one."""


class AsyncRuns(AsyncRunsOperations):
    """Runs, their steps and their events."""

    async def wait(self, run_id: Id, *, timeout: float | None = None) -> RunDetail:
        """Wait until a run ends, and return it, whatever its status.

        Args:
            run_id: the run.
            timeout: seconds, with a precision of 15 seconds. Default: no limit.

        Raises:
            RunTimeoutError: the run has not ended in time. It continues.
        """
        deadline = None if timeout is None else monotonic() + timeout
        request = ApiRequest("GET", path("/api/runs/{run_id}/stream", run_id=run_id))
        async for _ in follow_run(self._transport, request, deadline=deadline):
            pass
        return await self.get(run_id)

    async def start_and_wait(
        self,
        pipeline_id: Id,
        *,
        input_data: Mapping[str, Any] | Omitted | None = OMITTED,
        version: int | Omitted | None = OMITTED,
        timeout: float | None = None,
        idempotency_key: str | None = None,
    ) -> RunDetail:
        """Start a run, wait until it ends, and return it, whatever its status.

        Args:
            pipeline_id: the pipeline.
            input_data: the input of the run. Default: an empty object.
            version: default: the newest version.
            timeout: seconds, with a precision of 15 seconds. Default: no limit.
            idempotency_key: a name for this call, to repeat it in another process. Default: a random one.

        Raises:
            RunTimeoutError: the run has not ended in time. It continues.
        """
        begin = monotonic()
        wait = _FIRST_WAIT if timeout is None else max(0, min(_FIRST_WAIT, int(timeout)))
        run = await self.start(
            pipeline_id,
            input_data=input_data,
            version=version,
            wait=wait,
            idempotency_key=idempotency_key,
        )
        if isinstance(run, RunDetail) and run.status in ENDED:
            return run
        left = None if timeout is None else max(0.0, timeout - (monotonic() - begin))
        return await self.wait(run.id, timeout=left)
