"""The description of a step type, which each module of this package provides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from stepiq.core.json import Json
from stepiq.language.places import Path
from stepiq.language.reports import FieldReader, Report
from stepiq.language.schemas import Schema
from stepiq.language.specs import Step, StepSpec, StepType
from stepiq.language.steps.shapes import ANY

Entry = tuple[Path, Json]
"""The data of a step, not yet validated, and its path."""
ReadSteps = Callable[[Report, Sequence[Entry]], tuple[Step, ...]]
"""Reads steps inside another one."""
Read = Callable[[FieldReader, ReadSteps], StepSpec | None]


@dataclass(frozen=True, slots=True)
class StepKind:
    """A step type that can run."""

    type: StepType
    fields: frozenset[str]
    """Its own fields, in addition to the common ones."""
    read: Read
    """Reads its own fields; returns None if the step cannot be built."""
    later: frozenset[str] = frozenset()
    """Fields of the language that this version does not support yet."""
    timeout: timedelta | None = timedelta(seconds=60)
    """Default limit of one attempt; None for types without one."""
    longest_timeout: timedelta = timedelta(hours=1)
    max_attempts: int = 1
    """Default number of attempts."""
    output_fields: frozenset[str] | None = None
    """Fields of its output; None if they are not known before it runs."""
    output: Callable[[Step], Schema] = lambda _: ANY
    """The shape of its output."""
    decisive_fields: frozenset[str] = frozenset()
    """Fields of its output that determine the next step."""
