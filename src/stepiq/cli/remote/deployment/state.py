"""What files say and what a server has, as the plan of a deployment compares them. Reads the latter from the server."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from stepiq.cli.remote.calling import everything, pipeline_path
from stepiq.language.documents.source import SourceFormat
from stepiq.store.states import PipelineStatus

if TYPE_CHECKING:
    from stepiq.client import AsyncClient


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """What a schedule has, apart from its id."""

    name: str
    cron: str
    timezone: str = "UTC"
    input: str = "{}"
    """JSON, as `canonical` writes it: equal inputs are equal texts."""
    enabled: bool = True
    overlap: str = "allow"
    catch_up: str = "none"

    @property
    def input_data(self) -> dict[str, Any]:
        """The input as an object."""
        return json.loads(self.input)


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What is managed beside the definition. None: not managed, so it does not change."""

    tags: tuple[str, ...] | None = None
    paused: bool | None = None
    schedules: tuple[ScheduleSettings, ...] | None = None


@dataclass(frozen=True, slots=True)
class LocalPipeline:
    """A pipeline in a folder."""

    slug: str
    file: str
    """Name of the file of the definition."""
    text: str = field(repr=False)
    format: SourceFormat = SourceFormat.YAML
    settings: PipelineSettings = PipelineSettings()

    @property
    def digest(self) -> str:
        """The SHA-256 of the text, as the server reports that of its text."""
        return digest_of(self.text)


@dataclass(frozen=True, slots=True)
class RemoteSchedule:
    """A schedule of the server that does not come from a definition."""

    id: str
    """Ids sort by the time of creation."""
    settings: ScheduleSettings


@dataclass(frozen=True, slots=True)
class RemotePipeline:
    """A pipeline of the server."""

    id: str
    slug: str
    version: int
    digest: str
    """The SHA-256 of the text of the newest version."""
    format: SourceFormat = SourceFormat.YAML
    status: PipelineStatus = PipelineStatus.ACTIVE
    tags: tuple[str, ...] = ()
    managed_by: str | None = None
    source: str | None = None
    schedules: tuple[RemoteSchedule, ...] = ()


def canonical(value: Any) -> str:
    """A JSON value as text that does not depend on the order of names, or on `1.0` instead of `1`."""
    return json.dumps(_normal(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _normal(each) for name, each in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_normal(each) for each in cast(list[Any], value)]
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def digest_of(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal."""
    return sha256(text.encode()).hexdigest()


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
