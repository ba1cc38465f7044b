"""What the language needs to know of a step type, and the types that are installed.

A type is a package that an entry point of the group `stepiq.steps` names. Its module `spec` contains the constant
`STEP_TYPE`, and `handler` executes steps (`execution.handlers`).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any

from stepiq.core.errors import Invalid, Issue
from stepiq.core.json import Json, MalformedJson, loads
from stepiq.core.observability import logging
from stepiq.language.data import is_array, is_object
from stepiq.language.definitions.step import OutputFormat, Step, StepSpec
from stepiq.language.fields.description import nodes_of
from stepiq.language.fields.schema import Node
from stepiq.language.places import Path, write_path
from stepiq.language.schemas.validation import ANY, Schema
from stepiq.language.schemas.work import ValidationMeter

log = logging.get(__name__)

GROUP = "stepiq.steps"
"""The group of entry points."""
_BUILT_IN = "stepiq.steps"
DEFAULT = "llm"
"""The type of a step without `type`."""
INSTEAD_OF_AGENT = (
    "Use steps instead: an `llm` step with `output_schema` decides, `if` and `condition` choose, and `webhook` or `code`"
    " steps act."
)
LATER = {
    "agent": INSTEAD_OF_AGENT,
    "pipeline": "Copy the steps of the other pipeline, or start it with a `webhook` step that calls the API.",
}
"""Types that this version does not support yet, and what to use instead."""
_ORDER = ("llm", "transform", "condition", "parallel", "webhook", "human_review", "wait", "code")
"""The order in messages and editors. Other types follow by name."""


class InstallationIncomplete(Invalid):
    """The installed package does not register all step types of its source code."""

    code = "installation_incomplete"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            f"stepIQ is not installed completely: it cannot execute steps of type {', '.join(missing)}. Install it again. In"
            " a checkout of the source, run `make serve`.",
            missing=list(missing),
        )


class StepTypeConflict(Invalid):
    """Two installed packages have a step type of the same name."""

    code = "step_type_conflict"

    def __init__(self, name: str, one: "TypePackage", other: "TypePackage") -> None:
        first, second = sorted(
            f"{each.distribution} (module {each.module})" for each in (one, other)
        )
        super().__init__(
            f"Two packages have a step type `{name}`: {first} and {second}. Uninstall one of them.",
            step_type=name,
        )


@dataclass(frozen=True, slots=True, eq=False)
class StepType:
    """What may be written for a step type. Its name is that of its entry point."""

    spec: type[StepSpec]
    """Describes its own fields, in addition to the common ones."""
    description: str
    """What a step of this type does, in a sentence."""
    snippet: Mapping[str, Json] | None = None
    """A step that editors insert. `${1:word}` is a placeholder."""
    schema: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Other keywords of the JSON Schema of a step."""
    definitions: Mapping[str, Node] = field(default_factory=dict[str, Node])
    """JSON Schemas that the fields refer to."""
    later: Mapping[str, str] = field(default_factory=dict[str, str])
    """Fields of the language that this version does not support yet, and what to use instead."""
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

    def __post_init__(self) -> None:
        """Refuse what could not be written into the JSON Schema.

        Raises:
            TypeError: a part of the description is not JSON data.
        """
        parts = (nodes_of(self.spec), self.snippet or {}, self.schema, self.definitions)
        json.dumps([self.description, *parts])

    @property
    def fields(self) -> frozenset[str]:
        """The names of its own fields."""
        return frozenset(nodes_of(self.spec))


@dataclass(frozen=True, slots=True)
class TypePackage:
    """The package of a step type."""

    module: str
    """The name to import."""
    distribution: str
    """The name under which it is installed."""
    version: str
    """Its installed version; empty if it is unknown."""
    is_built_in: bool

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Imported:
    """A module of each package, as far as it could be imported."""

    found: Mapping[str, Any]
    """By the name of the type."""
    failed: Mapping[str, str]
    """Why a module could not be imported, by the name of the type."""


@cache
def packages() -> Mapping[str, TypePackage]:
    """The package of each installed type, by the name of the type.

    Raises:
        InstallationIncomplete: a type of the source code is not registered, for example after the source code was updated
            without an installation.
        StepTypeConflict: two packages have a type of the same name.
    """
    built_in = _built_in()
    found: dict[str, TypePackage] = {}
    for entry in entry_points(group=GROUP):
        dist = entry.dist
        distribution, version = (dist.name, dist.version) if dist else (entry.module, "")
        package = TypePackage(entry.module, distribution, version, entry.module in built_in)
        if (other := found.setdefault(entry.name, package)) != package:
            raise StepTypeConflict(entry.name, other, package)
    known = {package.module for package in found.values()}
    if missing := sorted(name for module, name in built_in.items() if module not in known):
        raise InstallationIncomplete(missing)
    order = {name: index for index, name in enumerate(_ORDER)}
    names = sorted(found, key=lambda name: (order.get(name, len(order)), name))
    return {name: found[name] for name in names}


def _built_in() -> dict[str, str]:
    place = find_spec(_BUILT_IN)
    folders = place.submodule_search_locations if place else None
    return {
        f"{_BUILT_IN}.{each.name}": each.name for each in iter_modules(folders or []) if each.ispkg
    }


@cache
def imported(module: str, name: str, kind: type = object) -> Imported:
    """Import a module of each package, and return the object of this name and kind in it.

    A package that cannot be imported must not prevent the use of the others.

    Raises:
        InstallationIncomplete, StepTypeConflict: as for `packages`.
    """
    found: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for type_name, package in packages().items():
        try:
            value = getattr(import_module(f"{package.module}.{module}"), name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} is not a {kind.__name__}.")
            found[type_name] = value
        except Exception as error:
            if package.is_built_in:
                raise
            failed[type_name] = f"{type(error).__name__}: {error}"
    return Imported(found, failed)


def step_types() -> Mapping[str, StepType]:
    """The usable types by name. The first call imports them, which takes a few milliseconds.

    Raises:
        InstallationIncomplete, StepTypeConflict: as for `packages`.
    """
    return imported("spec", "STEP_TYPE", StepType).found


def unusable_types() -> Mapping[str, str]:
    """Why the other installed types cannot be used, by name."""
    return imported("spec", "STEP_TYPE", StepType).failed


def added_packages(types: Iterable[str]) -> dict[str, str]:
    """The package, with its version, of each of these installed types that is not built in."""
    found = {name: packages()[name] for name in sorted(set(types))}
    return {name: str(package) for name, package in found.items() if not package.is_built_in}


def output_shape(step: Step) -> Schema:
    """The shape of a step's output; any, if a package raises an exception instead."""
    try:
        return step_types()[step.type].output(step)
    except Exception:
        report_failure(step.type, "output")
        return ANY


def output_issues(
    step: Step, output: Json, at: Path = (), meter: ValidationMeter | None = None
) -> tuple[Issue, ...]:
    """The problems of a value as the output of a step; empty if the step could have returned it.

    Args:
        step: the step.
        output: the value to use as its output.
        at: path of the value, for the paths of the issues.
        meter: is charged for the work before it is done.
    """
    meter = meter or ValidationMeter()
    issues = output_shape(step).issues(output, at, meter=meter)
    if issues or step.output_format is not OutputFormat.JSON or not isinstance(output, str):
        return issues
    meter.spend_text(len(output))
    if not _is_written_data(output):
        return ()
    name = write_path(at)
    message = f"{f'`{name}`' if name else 'The value'} is a string that contains JSON. Write the JSON without the quotes around it."
    return (Issue(name, "wrong_type", message),)


def _is_written_data(output: str) -> bool:
    try:
        value = loads(output.encode())
    except (MalformedJson, UnicodeEncodeError):
        return False
    return is_object(value) or is_array(value)


def report_failure(step_type: str, function: str) -> None:
    """Log an exception of a function of a package, so that its other types stay usable. Call it in an `except` block.

    An exception of a built-in type is raised again.
    """
    package = packages()[step_type]
    if package.is_built_in:
        raise
    log.exception("step_type_failed", step_type=step_type, package=str(package), function=function)
