"""Whatever a test of this folder has loaded, and was accepted, the JSON Schema of documents accepts too."""

from collections.abc import AsyncIterator, Callable
from functools import cache

import jsonschema_rs
import pytest

from stepiq.language.definitions import loading
from stepiq.language.definitions.json_schema import document
from stepiq.language.definitions.loading import Loaded
from stepiq.language.definitions.step_types import step_types
from stepiq.language.documents.source import Source
from tests.support.computations import Held


@cache
def _validator(_: frozenset[str]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(document())


_load = loading._load


def _load_and_compare(source: Source) -> Loaded:
    loaded = _load(source)
    if loaded.definition is not None:
        marks = [
            f"{mark.instance_path}: {mark.message}"
            for mark in _validator(frozenset(step_types())).iter_errors(source.data)
        ]
        assert marks == [], "The schema refuses what the loader accepts."
    return loaded


@pytest.fixture(autouse=True)
def compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Editors mark nothing that is right."""
    monkeypatch.setattr(loading, "_load", _load_and_compare)


@pytest.fixture
async def held() -> AsyncIterator[Callable[[], Held]]:
    holds: list[Held] = []

    def make() -> Held:
        holds.append(Held())
        return holds[-1]

    yield make
    for each in holds:
        each.done.set()
