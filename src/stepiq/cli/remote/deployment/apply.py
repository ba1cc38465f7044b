"""Makes the changes of a plan: pipelines at the same time, the operations of each pipeline one after the other."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stepiq.cli.remote.calling import new_key, pipeline_path
from stepiq.cli.remote.deployment import plan
from stepiq.cli.remote.deployment.plan import (
    Operation,
    PlannedChange,
    plan_one,
    schedule_operations,
)
from stepiq.cli.remote.deployment.state import (
    LocalPipeline,
    ScheduleSettings,
    read_pipeline,
    read_schedules,
)
from stepiq.core.errors import Conflict
from stepiq.store.states import ManagedBy

if TYPE_CHECKING:
    from stepiq.client import AsyncClient

AT_ONCE = 8
"""Requests at the same time."""
_TRIES = 4


class DeploymentOvertaken(Conflict):
    """Another program or person saved another text at the same time."""

    code = "deployment_overtaken"

    def __init__(self, slug: str) -> None:
        super().__init__(
            f"`{slug}` was changed at the same time, to another text. Nothing of it was overwritten."
            " Compare the two with `stepiq diff`, then apply again."
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change."""

    change: PlannedChange
    version: int | None = None
    """The newest version of a pipeline that was created or changed."""
    error: Exception | None = None
    """Why it failed. Operations before the failed one were made."""


class Deployment:
    """Changes a server.

    Args:
        client: the client of the server.
        source: what the pipelines are marked with.
        announce: is called with each outcome, as soon as it is known.
    """

    def __init__(
        self, client: "AsyncClient", source: str, announce: Callable[[Outcome], None]
    ) -> None:
        self._client = client
        self._source = source
        self._announce = announce
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._is_stopped = False

    async def apply(self, changes: tuple[PlannedChange, ...]) -> list[Outcome]:
        """Make all changes. After a failure that concerns all of them, such as a lost server, no other one begins."""
        found = await asyncio.gather(*(self._apply(change) for change in changes))
        return [outcome for outcome in found if outcome is not None]

    async def _apply(self, change: PlannedChange) -> Outcome | None:
        from stepiq.client import ApiError, AuthenticationError, ClientError, RateLimitError

        async with self._turns:
            if self._is_stopped:
                return None
            try:
                outcome = Outcome(change, version=await self._make(change))
            except (ClientError, DeploymentOvertaken) as error:
                concerns_all = isinstance(error, AuthenticationError | RateLimitError)
                if concerns_all or not isinstance(error, ApiError | DeploymentOvertaken):
                    self._is_stopped = True
                outcome = Outcome(change, error=error)
            self._announce(outcome)
            return outcome

    async def _make(self, change: PlannedChange) -> int | None:
        from stepiq.client import ConflictError, NotFoundError, PreconditionFailedError

        for attempt in range(_TRIES):
            try:
                return await self._execute(change)
            except (ConflictError, NotFoundError, PreconditionFailedError):
                if attempt == _TRIES - 1:
                    raise
                if change.local is None:
                    if await read_pipeline(self._client, change.slug, with_schedules=False) is None:
                        return None
                    continue
                change = await self._planned_again(change, change.local)
        return None

    async def _planned_again(self, change: PlannedChange, local: LocalPipeline) -> PlannedChange:
        """What is left to do after a conflict.

        Raises:
            DeploymentOvertaken: the pipeline has a text that is neither that of the file nor the one that was compared.
        """
        with_schedules = local.settings.schedules is not None
        now = await read_pipeline(self._client, change.slug, with_schedules=with_schedules)
        seen = change.remote.digest if change.remote is not None else None
        if now is not None and now.digest not in (seen, local.digest):
            raise DeploymentOvertaken(change.slug)
        return plan_one(local, now, self._source)

    async def _execute(self, change: PlannedChange) -> int | None:
        pipeline_id = change.remote.id if change.remote is not None else ""
        version = change.remote.version if change.remote is not None else None
        for operation in change.operations:
            answer = await self._send(operation, change, pipeline_id)
            if isinstance(operation, plan.Create | plan.SaveVersion):
                pipeline_id, version = str(answer["id"]), int(answer["version"])
        if any(isinstance(each, plan.CreateSchedule) for each in change.operations):
            await self._remove_duplicates(change, pipeline_id)
        return version

    async def _remove_duplicates(self, change: PlannedChange, pipeline_id: str) -> None:
        """Another deployment can have created the same schedules at the same time. Both keep the older ones."""
        local = change.local
        if local is None or local.settings.schedules is None:
            return
        there = await read_schedules(self._client, pipeline_id)
        for operation in schedule_operations(local.settings.schedules, there):
            await self._send(operation, change, pipeline_id)

    async def _send(
        self, operation: Operation, change: PlannedChange, pipeline_id: str
    ) -> Mapping[str, Any]:
        from stepiq.client import NotFoundError

        try:
            return await self._call(_request(operation, change, pipeline_id, self._source))
        except NotFoundError:
            if isinstance(operation, plan.DeleteSchedule):
                return {}
            raise

    async def _call(self, call: "_Call") -> Mapping[str, Any]:
        answer = await self._client.request(
            call.method,
            call.path,
            json=call.body,
            headers=call.headers,
            idempotency_key=new_key() if call.method == "POST" else None,
        )
        return answer.json()


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None


def _request(  # noqa: C901 - one case for each operation
    operation: Operation, change: PlannedChange, pipeline_id: str, source: str
) -> _Call:
    path = pipeline_path(pipeline_id)
    owner = {"managed_by": ManagedBy.GIT, "source": source}
    match operation:
        case plan.Create():
            body = {"slug": change.slug, **_text(change.local), **_tags(change.local), **owner}
            return _Call("POST", "/api/pipelines", body)
        case plan.SaveVersion(after):
            body = {**_text(change.local), **_tags(change.local), **owner}
            return _Call("PUT", path, body, {"If-Match": f'"v{after}"'})
        case plan.UpdateFields():
            return _Call("PATCH", path, {**_tags(change.local), **owner})
        case plan.Restore():
            return _Call("POST", f"{path}/restore")
        case plan.PausePipeline():
            return _Call(
                "POST", f"{path}/pause", {"reason": f"`paused` in {change.slug}.deploy.yaml"}
            )
        case plan.ResumePipeline():
            return _Call("POST", f"{path}/resume")
        case plan.CreateSchedule(settings):
            return _Call("POST", f"{path}/schedules", _schedule(settings))
        case plan.UpdateSchedule(schedule_id, _, settings):
            return _Call(
                "PATCH", f"/api/schedules/{quote(schedule_id, safe='')}", _schedule(settings)
            )
        case plan.DeleteSchedule(schedule_id):
            return _Call("DELETE", f"/api/schedules/{quote(schedule_id, safe='')}")
        case plan.Archive():
            return _Call("DELETE", path)


def _text(local: LocalPipeline | None) -> dict[str, Any]:
    return {} if local is None else {"text": local.text, "format": local.format.value}


def _tags(local: LocalPipeline | None) -> dict[str, Any]:
    tags = None if local is None else local.settings.tags
    return {} if tags is None else {"tags": list(tags)}


def _schedule(settings: ScheduleSettings) -> dict[str, Any]:
    return {
        "name": settings.name,
        "cron_expression": settings.cron,
        "timezone": settings.timezone,
        "input_data": settings.input_data,
        "enabled": settings.enabled,
        "overlap": settings.overlap,
        "catch_up": settings.catch_up,
    }
