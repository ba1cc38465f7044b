"""The example pipelines of the package, and the route that lists them."""

import asyncio
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import stepiq
from stepiq.accounts.actor import Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import needs
from stepiq.core import json
from stepiq.core.json import Json
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.web.bodies import View
from stepiq.web.bodies import router as new_router
from stepiq.web.pages import Page
from stepiq.web.problems import problems

router = new_router("Pipelines")


@dataclass(frozen=True, slots=True)
class Example:
    """One of the example pipelines."""

    name: str
    """The file name without its extension."""
    path: Path
    source: str
    input_data: dict[str, Json]


class ExampleView(View):
    """An example pipeline."""

    id: str
    name: str
    description: str
    source: str
    """The definition as YAML."""
    input_data: dict[str, Any]
    """An input for a run."""


@router.get(
    "/examples",
    responses=problems(ScopeMissing),
    dependencies=[needs(Scope.PIPELINES_READ)],
)
async def list_examples() -> Page[ExampleView]:
    """The example pipelines of this server, each with an input."""
    return Page(data=await asyncio.to_thread(_views), next_cursor=None)


@cache
def read_examples() -> tuple[Example, ...]:
    """The example pipelines, from the package, or from `examples` in a checkout."""
    package = Path(stepiq.__file__).parent
    folders = (package / "examples", package.parents[1] / "examples")
    folder = next(each for each in folders if each.is_dir())
    return tuple(
        Example(
            name=path.stem,
            path=path,
            source=path.read_text(encoding="utf-8"),
            input_data=json.as_object(
                json.read_trusted((folder / "inputs" / f"{path.stem}.json").read_text("utf-8"))
            ),
        )
        for path in sorted(folder.glob("*.yaml"))
        if not path.stem.endswith(".test")
    )


@cache
def _views() -> list[ExampleView]:
    return [_view(example) for example in read_examples()]


def _view(example: Example) -> ExampleView:
    definition = load(example.source, SourceFormat.YAML).definition
    if definition is None:
        raise RuntimeError(f"The example {example.path} has errors.")
    return ExampleView(
        id=example.name,
        name=definition.name,
        description=definition.description,
        source=example.source,
        input_data=example.input_data,
    )
