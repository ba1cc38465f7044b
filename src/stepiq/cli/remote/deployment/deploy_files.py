"""`NAME.deploy.yaml`: what a server keeps beside the definition `NAME.yaml`: tags, a pause and schedules.

A field that the file does not have is not changed on the server. A list replaces the whole list of the server.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from stepiq.cli.remote.deployment.state import PipelineSettings, ScheduleSettings, canonical
from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.core.validation import sentence
from stepiq.language import places
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.documents.issues import Placer
from stepiq.language.documents.source import SourceFormat, read
from stepiq.language.fields.reader import PathProblem
from stepiq.language.schedules import cron
from stepiq.language.schedules.time_zones import TimezoneUnknown
from stepiq.language.words import suggest
from stepiq.store.states import CatchUp, Overlap

_MAX_TAGS = 20


class _DeployModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class ScheduleShape(_DeployModel):
    """A schedule. It is identified by its name."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    """Unique in the file. A schedule with another name is another schedule."""
    cron: Annotated[str, Field(max_length=cron.MAX_LENGTH, examples=["0 9 * * 1-5"])]
    """Five fields: minute, hour, day of month, month, day of week."""
    timezone: Annotated[str, Field(examples=["Europe/Berlin"])] = "UTC"
    """IANA name of the time zone of the expression."""
    input: dict[str, Json] = {}
    """Input of every run. Must match the `input.schema` of the pipeline."""
    enabled: bool = True
    """Whether the schedule starts runs."""
    overlap: Annotated[Overlap, Field(strict=False)] = Overlap.ALLOW
    """`skip`: a tick starts no run while the last run of the schedule is active."""
    catch_up: Annotated[CatchUp, Field(strict=False)] = CatchUp.NONE
    """`last`: after downtime, one run is started for all missed ticks."""

    @property
    def settings(self) -> ScheduleSettings:
        """The schedule as it is compared with that of the server."""
        return ScheduleSettings(
            name=self.name,
            cron=self.cron.strip(),
            timezone=self.timezone,
            input=canonical(self.input),
            enabled=self.enabled,
            overlap=self.overlap.value,
            catch_up=self.catch_up.value,
        )


class DeployShape(_DeployModel):
    """What a server keeps beside the definition of a pipeline. Fields that are not given do not change."""

    tags: (
        Annotated[
            list[
                Annotated[
                    str,
                    StringConstraints(
                        strip_whitespace=True,
                        min_length=1,
                        max_length=50,
                        pattern=r'^[^"\\\x00-\x1f]*$',
                    ),
                ]
            ],
            Field(max_length=_MAX_TAGS),
        ]
        | None
    ) = None
    """All tags of the pipeline."""
    paused: bool | None = None
    """`true`: nothing starts runs of the pipeline."""
    schedules: list[ScheduleShape] | None = None
    """All schedules of the pipeline, except the one in its definition."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    schema = DeployShape.model_json_schema(schema_generator=GenerateJsonSchema)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        **schema,
        "title": "Deploy file of stepIQ",
    }


@cache
def document_text() -> str:
    """The schema as indented JSON."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


def read_settings(
    text: str, source_format: SourceFormat, definition: Definition | None
) -> tuple[PipelineSettings, tuple[Issue, ...]]:
    """Parse a deploy file. Returns its settings, and all errors with their positions.

    Args:
        text: content of the file.
        source_format: its format.
        definition: the pipeline, to check the inputs of schedules. None if it is not valid.
    """
    source = read(text, source_format)
    if source.issues:
        return PipelineSettings(), source.issues
    placer = Placer(source)
    try:
        # An empty file, or one with only comments, changes nothing.
        shape = DeployShape.model_validate({} if source.data is None else source.data)
    except ValidationError as error:
        return PipelineSettings(), placer.sorted([_problem(entry) for entry in error.errors()])
    schedules = shape.schedules
    problems = [
        problem
        for index, schedule in enumerate(schedules or ())
        for problem in _schedule_problems(schedule, ("schedules", index), definition)
    ]
    problems += _repeated(schedules or ())
    settings = PipelineSettings(
        tags=None if shape.tags is None else tuple(dict.fromkeys(shape.tags)),
        paused=shape.paused,
        schedules=None if schedules is None else tuple(each.settings for each in schedules),
    )
    return settings, placer.sorted(problems)


def _schedule_problems(
    schedule: ScheduleShape, path: places.Path, definition: Definition | None
) -> Sequence[PathProblem]:
    found: list[PathProblem] = []
    for error in cron.problems(schedule.cron.strip(), schedule.timezone):
        name = "timezone" if isinstance(error, TimezoneUnknown) else "cron"
        found.append(PathProblem((*path, name), error.code, error.message))
    if definition is not None:
        try:
            definition.input.validate(schedule.input)
        except InputInvalid as error:
            is_given = "input" in schedule.model_fields_set
            at = (*path, "input") if is_given else path
            found += [
                PathProblem(
                    at, "input_invalid", f"The input of the schedule is not valid. {issue.message}"
                )
                for issue in error.issues
            ]
    return found


def _repeated(schedules: Sequence[ScheduleShape]) -> list[PathProblem]:
    names = [schedule.name for schedule in schedules]
    return [
        PathProblem(
            ("schedules", index, "name"),
            "duplicate_name",
            f"Another schedule has the name `{name[:64]}`. Names identify schedules, so they must differ.",
        )
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def _problem(entry: Mapping[str, Any]) -> PathProblem:
    path: places.Path = entry["loc"]
    kind = str(entry["type"])
    if kind == "extra_forbidden":
        name = str(path[-1])[:64]
        message = f"Unknown field `{name}`. {suggest(name, _fields_at(path))}"
        return PathProblem(path, "unknown_field", message, at_key=True)
    if kind == "missing":
        return PathProblem(path, "missing", f"`{path[-1]}` is required.")
    if path[:1] == ("tags",) and kind == "string_pattern_mismatch":
        message = "Must not contain double quotes, backslashes or control characters."
        return PathProblem(path, "invalid_tag", message)
    return PathProblem(path, kind, sentence(entry))


def _fields_at(path: Sequence[str | int]) -> Collection[str]:
    shape = ScheduleShape if len(path) > 1 else DeployShape
    return tuple(shape.model_fields)
