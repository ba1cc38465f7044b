"""What a module of this folder says about its step type."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from stepiq.language.definition import StepSpec, StepType
from stepiq.language.drafts import Fields

Read = Callable[[Fields], StepSpec | None]


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
    timeout: timedelta = timedelta(seconds=60)
    """Of one attempt, unless the step says otherwise."""
    max_attempts: int = 1
    """Unless the step says otherwise."""
