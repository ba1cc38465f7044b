"""What the language needs to know of a step type, and the types that are installed.

A type is a package that an entry point of the group `stepiq.steps` names. Its module `spec` contains the constant
`STEP_TYPE`, `schema` describes the fields for editors (`json_schema.steps`), and `handler` executes steps
(`execution.handlers`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pkgutil import iter_modules

from stepiq.core.errors import Invalid
from stepiq.core.json import Json
from stepiq.language.places import Path
from stepiq.language.reports import FieldReader, Report
from stepiq.language.schemas import Schema
from stepiq.language.shapes import ANY
from stepiq.language.specs import Step, StepSpec

GROUP = "stepiq.steps"
"""The group of entry points."""
_BUILT_IN = "stepiq.steps"
DEFAULT = "llm"
"""The type of a step without `type`."""
LATER = frozenset({"pipeline"})
"""Types that this version does not support yet."""
_ORDER = (
    "llm",
    "transform",
    "condition",
    "parallel",
    "webhook",
    "human_review",
    "wait",
    "code",
)
"""The order in messages and editors. Other types follow by name."""

Entry = tuple[Path, Json]
"""The data of a step, not yet validated, and its path."""
ReadSteps = Callable[[Report, Sequence[Entry]], tuple[Step, ...]]
"""Reads steps inside another one."""
Read = Callable[[FieldReader, ReadSteps], StepSpec | None]


class InstallationIncomplete(Invalid):
    """The installed package does not register all step types of its source code."""

    code = "installation_incomplete"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"stepIQ is not installed completely: it cannot execute steps of type {', '.join(missing)}. Install it again. In"
            " a checkout of the source, run `make serve`.",
            missing=list(missing),
        )


@dataclass(frozen=True, slots=True)
class StepType:
    """What may be written for a step type. Its name is that of its entry point."""

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
    contains_steps: bool = False
    """Whether other steps are written inside it."""
    can_be_nested: bool = True
    """Whether it is allowed inside another step."""
    output_fields: frozenset[str] | None = None
    """Fields of its output; None if they are not known before it runs."""
    output: Callable[[Step], Schema] = lambda _: ANY
    """The shape of its output."""
    decisive_fields: frozenset[str] = frozenset()
    """Fields of its output that determine the next step."""


@cache
def packages() -> Mapping[str, str]:
    """The package of each installed type, by the name of the type.

    Raises:
        InstallationIncomplete: a type of the source code is not registered, for example after the source code was updated
            without an installation.
    """
    found = {entry.name: entry.value for entry in entry_points(group=GROUP)}
    if missing := sorted(_built_in() - found.keys()):
        raise InstallationIncomplete(missing)
    order = {name: index for index, name in enumerate(_ORDER)}
    names = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    return {name: found[name] for name in names}


def _built_in() -> set[str]:
    place = find_spec(_BUILT_IN)
    folders = place.submodule_search_locations if place else None
    return {module.name for module in iter_modules(folders or []) if module.ispkg}


@cache
def step_types() -> Mapping[str, StepType]:
    """The installed types by name. The first call imports them, which takes a few milliseconds.

    Raises:
        InstallationIncomplete: as for `packages`.
    """
    found = packages().items()
    return {name: import_module(f"{package}.spec").STEP_TYPE for name, package in found}
