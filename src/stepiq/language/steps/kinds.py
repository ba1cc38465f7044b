"""What a module of this folder says about its step type."""

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
"""What may be a step, and where it stands."""
ReadSteps = Callable[[Report, Sequence[Entry]], tuple[Step, ...]]
"""Reads steps that stand inside another one."""
Read = Callable[[FieldReader, ReadSteps], StepSpec | None]


@dataclass(frozen=True, slots=True)
class StepKind:
    """A step type that runs."""

    type: StepType
    fields: frozenset[str]
    """Its own fields, beside those every step has."""
    read: Read
    """Reads its own fields; None if any is wrong."""
    later: frozenset[str] = frozenset()
    """Fields of the language that this version does not run yet."""
    timeout: timedelta | None = timedelta(seconds=60)
    """Of one attempt, unless the step says otherwise; None for types that have none of their own."""
    longest_timeout: timedelta = timedelta(hours=1)
    max_attempts: int = 1
    """Unless the step says otherwise."""
    output_fields: frozenset[str] | None = None
    """Fields that its output has; None where that is not known before it runs."""
    output: Callable[[Step], Schema] = lambda _: ANY
    """The shape of its output."""
    decisive_fields: frozenset[str] = frozenset()
    """Fields of its output that decide which step comes next."""
