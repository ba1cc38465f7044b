"""Reads from a server what a plan compares."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from stepiq.cli.remote.calling import everything, pipeline_path
from stepiq.cli.remote.deployment.state import (
    RemotePipeline,
    RemoteSchedule,
    ScheduleSettings,
    canonical,
)
from stepiq.language.documents.source import SourceFormat
from stepiq.store.states import PipelineStatus

if TYPE_CHECKING:
    from stepiq.client import AsyncClient

_PIPELINES = "/api/pipelines"


async def read_pipelines(
    client: "AsyncClient", slugs: Iterable[str], *, with_schedules: bool
) -> list[RemotePipeline]:
    """All pipelines of the workspace. Archived ones only if one of these slugs is not among the others."""
    wanted = set(slugs)
    listed, schedules = await asyncio.gather(
        everything(client, _PIPELINES, include_definition=False),
        everything(client, "/api/schedules") if with_schedules else _nothing(),
    )
    if wanted - {each["slug"] for each in listed}:
        archived = await everything(
            client, _PIPELINES, include_definition=False, status=PipelineStatus.ARCHIVED.value
        )
        # A pipeline that was archived between the two requests is in both lists.
        known = {each["id"] for each in archived}
        listed = [each for each in listed if each["id"] not in known] + archived
    by_pipeline: dict[str, list[Mapping[str, Any]]] = {}
    for schedule in schedules:
        by_pipeline.setdefault(schedule["pipeline_id"], []).append(schedule)
    return [_pipeline(each, by_pipeline.get(each["id"], ())) for each in listed]


async def read_pipeline(
    client: "AsyncClient", slug: str, *, with_schedules: bool
) -> RemotePipeline | None:
    """One pipeline; None if there is none of this slug."""
    from stepiq.client import NotFoundError

    path = pipeline_path(slug)
    try:
        found = (await client.request("GET", path)).json()
    except NotFoundError:
        return None
    schedules = await everything(client, f"{path}/schedules") if with_schedules else []
    return _pipeline(found, schedules)


async def read_schedules(client: "AsyncClient", pipeline_id: str) -> tuple[RemoteSchedule, ...]:
    """The schedules of a pipeline, except the one in its definition."""
    return _schedules(await everything(client, f"{pipeline_path(pipeline_id)}/schedules"))


async def read_text(client: "AsyncClient", pipeline: RemotePipeline) -> str:
    """The text of the version of a pipeline that was listed."""
    path = f"{pipeline_path(pipeline.id)}/versions/{pipeline.version}"
    return str((await client.request("GET", path)).json()["text"])


async def _nothing() -> list[dict[str, Any]]:
    return []


def _pipeline(found: Mapping[str, Any], schedules: Iterable[Mapping[str, Any]]) -> RemotePipeline:
    return RemotePipeline(
        id=found["id"],
        slug=found["slug"],
        version=found["version"],
        digest=found["text_sha256"],
        format=SourceFormat(found["source_format"]),
        status=PipelineStatus(found["status"]),
        tags=tuple(found["tags"]),
        managed_by=found["managed_by"],
        source=found["source"],
        schedules=_schedules(schedules),
    )


def _schedules(found: Iterable[Mapping[str, Any]]) -> tuple[RemoteSchedule, ...]:
    return tuple(
        RemoteSchedule(
            each["id"],
            ScheduleSettings(
                name=each["name"],
                cron=each["cron_expression"],
                timezone=each["timezone"],
                input=canonical(each["input_data"]),
                enabled=each["enabled"],
                overlap=each["overlap"],
                catch_up=each["catch_up"],
            ),
        )
        for each in found
        if not each["from_definition"]
    )
