"""What files say and what a server has, as the plan of a deployment compares them."""

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

from stepiq.language.documents.source import SourceFormat
from stepiq.store.states import PipelineStatus


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
