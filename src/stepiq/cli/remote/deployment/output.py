"""Prints plans and differences."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepiq.cli.output.console import print_text
from stepiq.cli.remote.deployment import plan
from stepiq.cli.remote.deployment.plan import DeploymentPlan, Operation, PlanAction, PlannedChange
from stepiq.cli.remote.deployment.state import PipelineSettings, RemotePipeline, ScheduleSettings
from stepiq.store.states import ManagedBy, PipelineStatus

_MARKS = {
    PlanAction.CREATE: ("+", "green"),
    PlanAction.CHANGE: ("~", "yellow"),
    PlanAction.ARCHIVE: ("-", "red"),
    PlanAction.UNCHANGED: ("=", None),
}
_DONE = {PlanAction.CREATE: "created", PlanAction.CHANGE: "changed", PlanAction.ARCHIVE: "archived"}


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line for a terminal."""

    text: str
    color: str | None = None


def show(lines: Iterator[ShownLine]) -> None:
    """Print lines."""
    for line in lines:
        print_text(line.text, color=line.color)


def plan_lines(planned: DeploymentPlan) -> Iterator[ShownLine]:
    """A plan, with one block for each pipeline that changes."""
    for change in planned.changes:
        mark, color = _MARKS[change.action]
        file = f"  ({change.local.file})" if change.local is not None else ""
        yield ShownLine(f"{mark} {change.slug}{file}", color)
        for text in change_details(change):
            yield ShownLine(f"    {text}")
    if planned.changes:
        yield ShownLine("")
    yield ShownLine(f"Plan: {_counts(planned)}.")
    if planned.without_file:
        names = ", ".join(planned.without_file)
        yield ShownLine(f"Only on the server: {names}. To archive what has no file, use --prune.")


def change_details(change: PlannedChange) -> Iterator[str]:
    """What happens to one pipeline, apart from its creation or its end."""
    remote = change.remote
    if change.has_new_text and remote is not None:
        yield f"definition: new version after v{remote.version}"
    if change.local is not None:
        yield from _field_details(change, change.local.settings)
    for operation in change.operations:
        if detail := _detail(operation):
            yield detail


def counts_done(changes: Sequence[PlannedChange]) -> str:
    """Such as `1 created, 2 changed`."""
    numbers = {
        word: sum(change.action is action for change in changes) for action, word in _DONE.items()
    }
    return ", ".join(f"{count} {word}" for word, count in numbers.items() if count) or "nothing"


def done_word(action: PlanAction) -> str:
    """Such as `created`."""
    return _DONE[action]


def plan_data(planned: DeploymentPlan, source: str) -> dict[str, Any]:
    """A plan as JSON."""
    return {
        "source": source,
        "changes": [
            {
                "slug": change.slug,
                "action": change.action.value,
                "file": None if change.local is None else change.local.file,
                "details": list(change_details(change)),
            }
            for change in planned.changes
        ],
        "unchanged": list(planned.unchanged),
        "without_file": list(planned.without_file),
    }


def unified(before: str, after: str, before_name: str, after_name: str) -> Iterator[ShownLine]:
    """The differences of two texts in the format of `diff -u`; nothing if they are equal."""
    old, new = _lines(before), _lines(after)
    for line in difflib.unified_diff(old, new, before_name, after_name):
        ended = line.endswith("\n")
        yield ShownLine(line.rstrip("\r\n"), _diff_color(line))
        if not ended:
            yield ShownLine("\\ No newline at end of file")


def _lines(text: str) -> list[str]:
    """The lines with their ends. Unlike `str.splitlines`, it divides the text only at line feeds, as `diff` does."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def settings_document(settings: PipelineSettings) -> dict[str, Any]:
    """The content of a deploy file with these settings."""
    document: dict[str, Any] = {}
    if settings.tags is not None:
        document["tags"] = sorted(settings.tags)
    if settings.paused is not None:
        document["paused"] = settings.paused
    if settings.schedules is not None:
        document["schedules"] = [_schedule_document(each) for each in settings.schedules]
    return document


def settings_of(remote: RemotePipeline, like: PipelineSettings | None = None) -> PipelineSettings:
    """The settings of a pipeline of the server: all of them, or only those that another one manages.

    Schedules have the order of `like`, then that of their creation.
    """
    wanted = like or PipelineSettings((), paused=False, schedules=())
    order = {each.name: index for index, each in enumerate(wanted.schedules or ())}
    schedules = sorted(
        remote.schedules, key=lambda each: (order.get(each.settings.name, len(order)), each.id)
    )
    return PipelineSettings(
        tags=None if wanted.tags is None else remote.tags,
        paused=None if wanted.paused is None else remote.status is PipelineStatus.PAUSED,
        schedules=None if wanted.schedules is None else tuple(each.settings for each in schedules),
    )


def _schedule_document(settings: ScheduleSettings) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": settings.name, "cron": settings.cron}
    usual = ScheduleSettings("", "")
    values: Mapping[str, tuple[Any, Any]] = {
        "timezone": (settings.timezone, usual.timezone),
        "input": (settings.input_data, usual.input_data),
        "enabled": (settings.enabled, usual.enabled),
        "overlap": (settings.overlap, usual.overlap),
        "catch_up": (settings.catch_up, usual.catch_up),
    }
    return fields | {name: value for name, (value, default) in values.items() if value != default}


def _counts(planned: DeploymentPlan) -> str:
    numbers = {
        f"to {action.value}": sum(change.action is action for change in planned.changes)
        for action in (PlanAction.CREATE, PlanAction.CHANGE, PlanAction.ARCHIVE)
    }
    shown = [f"{count} {word}" for word, count in numbers.items() if count]
    return ", ".join([*shown, f"{len(planned.unchanged)} unchanged"])


def _field_details(change: PlannedChange, settings: PipelineSettings) -> Iterator[str]:
    if not any(
        isinstance(each, plan.Create | plan.SaveVersion | plan.UpdateFields)
        for each in change.operations
    ):
        return
    before = change.remote.tags if change.remote is not None else ()
    if settings.tags is not None and set(settings.tags) != set(before):
        yield f"tags: {_list(before)} → {_list(settings.tags)}"
    if change.remote is None:
        return
    if change.remote.managed_by != ManagedBy.GIT:
        yield "managed by git from now on; the server's editor will not change it"
    elif change.remote.source != change.source:
        yield f"source: {change.remote.source or '(none)'} → {change.source}"


def _detail(operation: Operation) -> str | None:
    match operation:
        case plan.Restore():
            return "restore it from the archive"
        case plan.PausePipeline():
            return "pause it"
        case plan.ResumePipeline():
            return "resume it"
        case plan.CreateSchedule(settings):
            return f'schedule "{settings.name}": create, {_timing(settings)}'
        case plan.UpdateSchedule():
            return f'schedule "{operation.settings.name}": {_changed(operation)}'
        case plan.DeleteSchedule(_, settings):
            return f'schedule "{settings.name}": delete, {_timing(settings)}'
        case _:
            return None


def _timing(settings: ScheduleSettings) -> str:
    off = "" if settings.enabled else ", disabled"
    return f"{settings.cron} {settings.timezone}{off}"


def _changed(operation: plan.UpdateSchedule) -> str:
    return ", ".join(
        f"{name} {_value(before)} → {_value(after)}"
        for name, (before, after) in operation.changed.items()
    )


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(sorted(names))}]"


def _diff_color(line: str) -> str | None:
    if line.startswith(("+++", "---", "@@")):
        return "cyan"
    return {"+": "green", "-": "red"}.get(line[:1])
