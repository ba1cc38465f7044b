"""The changes that make a server like a folder. Nothing here reads a file or calls a server.

A plan is computed from both states. Applying it and planning again gives no changes; applying a part of it and planning
again gives the rest. So an interrupted deployment continues when it is repeated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from stepiq.cli.remote.deployment.state import (
    LocalPipeline,
    RemotePipeline,
    RemoteSchedule,
    ScheduleSettings,
)
from stepiq.store.states import ManagedBy, PipelineStatus


class PlanAction(StrEnum):
    """What happens to a pipeline."""

    CREATE = "create"
    CHANGE = "change"
    ARCHIVE = "archive"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Create:
    """Create the pipeline with its text, tags and source."""


@dataclass(frozen=True, slots=True)
class Restore:
    """Restore the archived pipeline."""


@dataclass(frozen=True, slots=True)
class SaveVersion:
    """Save the text as a new version, with tags and source."""

    after: int
    """The version that it replaces. If there is a newer one, nothing is saved."""


@dataclass(frozen=True, slots=True)
class UpdateFields:
    """Change tags or source without a new version."""


@dataclass(frozen=True, slots=True)
class PausePipeline:
    """Pause the pipeline."""


@dataclass(frozen=True, slots=True)
class ResumePipeline:
    """Resume the pipeline."""


@dataclass(frozen=True, slots=True)
class CreateSchedule:
    """Create a schedule."""

    settings: ScheduleSettings


@dataclass(frozen=True, slots=True)
class UpdateSchedule:
    """Change a schedule."""

    id: str
    before: ScheduleSettings
    settings: ScheduleSettings

    @property
    def changed(self) -> Mapping[str, tuple[Any, Any]]:
        """The fields that differ, with the values before and after."""
        pairs = {
            each.name: (getattr(self.before, each.name), getattr(self.settings, each.name))
            for each in fields(ScheduleSettings)
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True)
class DeleteSchedule:
    """Delete a schedule."""

    id: str
    settings: ScheduleSettings


@dataclass(frozen=True, slots=True)
class Archive:
    """Archive the pipeline."""


Operation = (
    Create
    | Restore
    | SaveVersion
    | UpdateFields
    | PausePipeline
    | ResumePipeline
    | CreateSchedule
    | UpdateSchedule
    | DeleteSchedule
    | Archive
)


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What happens to one pipeline: operations in their order, each one request."""

    slug: str
    action: PlanAction
    operations: tuple[Operation, ...]
    local: LocalPipeline | None
    remote: RemotePipeline | None
    source: str
    """Where the folder comes from."""

    @property
    def has_new_text(self) -> bool:
        """Whether the definition changes."""
        return any(isinstance(each, Create | SaveVersion) for each in self.operations)


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What happens to all pipelines of a folder."""

    changes: tuple[PlannedChange, ...]
    """Sorted by slug, without unchanged pipelines."""
    unchanged: tuple[str, ...]
    """Slugs of pipelines that are as in their files."""
    without_file: tuple[str, ...]
    """Slugs of pipelines of this source that have no file, and that are not archived because of this plan."""
    elsewhere: tuple[RemotePipeline, ...]
    """Pipelines that another source manages. They must not change without a decision."""


def plan_changes(
    local: Iterable[LocalPipeline],
    remote: Iterable[RemotePipeline],
    source: str,
    *,
    prune: bool = False,
) -> DeploymentPlan:
    """Compare a folder with a server.

    Args:
        local: the pipelines of the folder, each slug once.
        remote: the pipelines of the server, also archived ones.
        source: where the folder comes from.
        prune: archive the pipelines of this source that have no file.
    """
    files = {each.slug: each for each in local}
    there = {each.slug: each for each in remote}
    orphans = [
        each
        for slug, each in there.items()
        if slug not in files
        and each.managed_by == ManagedBy.GIT
        and each.source == source
        and each.status is not PipelineStatus.ARCHIVED
    ]
    changes = [plan_one(each, there.get(slug), source) for slug, each in files.items()]
    if prune:
        changes += [
            PlannedChange(each.slug, PlanAction.ARCHIVE, (Archive(),), None, each, source)
            for each in orphans
        ]
    changes.sort(key=lambda change: change.slug)
    return DeploymentPlan(
        changes=tuple(each for each in changes if each.operations),
        unchanged=tuple(each.slug for each in changes if not each.operations),
        without_file=() if prune else tuple(sorted(each.slug for each in orphans)),
        elsewhere=tuple(
            there[slug] for slug in sorted(files) if _is_elsewhere(there.get(slug), source)
        ),
    )


def plan_one(local: LocalPipeline, remote: RemotePipeline | None, source: str) -> PlannedChange:
    """Compare one file with the pipeline of its slug, if there is one."""
    operations = tuple(_operations(local, remote, source))
    action = PlanAction.UNCHANGED
    if operations:
        action = PlanAction.CREATE if remote is None else PlanAction.CHANGE
    return PlannedChange(local.slug, action, operations, local, remote, source)


def _operations(
    local: LocalPipeline, remote: RemotePipeline | None, source: str
) -> Iterator[Operation]:
    paused = local.settings.paused
    if remote is None:
        yield Create()
        is_paused = False
    else:
        is_paused = remote.status is PipelineStatus.PAUSED
        if remote.status is PipelineStatus.ARCHIVED:
            yield Restore()
        yield from _definition(local, remote, source)
    # A pause comes before new schedules and its end after them, so that no tick of an intermediate state starts a run.
    if paused and not is_paused:
        yield PausePipeline()
    if local.settings.schedules is not None:
        there = remote.schedules if remote else ()
        yield from schedule_operations(local.settings.schedules, there)
    if paused is False and is_paused:
        yield ResumePipeline()


def _definition(
    local: LocalPipeline, remote: RemotePipeline, source: str
) -> Iterator[SaveVersion | UpdateFields]:
    tags = local.settings.tags
    is_same = remote.digest == local.digest and remote.format == local.format
    if not is_same:
        yield SaveVersion(remote.version)
        return
    is_ours = (remote.managed_by, remote.source) == (ManagedBy.GIT, source)
    if not is_ours or (tags is not None and set(tags) != set(remote.tags)):
        yield UpdateFields()


def schedule_operations(
    wanted: Sequence[ScheduleSettings], there: Sequence[RemoteSchedule]
) -> Iterator[CreateSchedule | UpdateSchedule | DeleteSchedule]:
    """What makes the schedules of a pipeline those of its file."""
    kept: dict[str, RemoteSchedule] = {}
    names = {each.name for each in wanted}
    for each in sorted(there, key=lambda schedule: schedule.id):
        # Of several with one name, the first one is kept, so that two deployments at once keep the same.
        if each.settings.name in names and each.settings.name not in kept:
            kept[each.settings.name] = each
        else:
            yield DeleteSchedule(each.id, each.settings)
    for settings in wanted:
        found = kept.get(settings.name)
        if found is None:
            yield CreateSchedule(settings)
        elif found.settings != settings:
            yield UpdateSchedule(found.id, found.settings, settings)


def _is_elsewhere(remote: RemotePipeline | None, source: str) -> bool:
    return (
        remote is not None
        and remote.managed_by == ManagedBy.GIT
        and remote.source is not None
        and remote.source != source
        and remote.status is not PipelineStatus.ARCHIVED
    )
