"""Both judges of a document: the loader, and the schema that editors have."""

from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import pytest

from stepiq.language.definitions.json_schema import document
from stepiq.language.definitions.loading import load_document

SCHEMA = document()
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)


@dataclass(frozen=True)
class Judged:
    """What the two say of a document: nothing if they take it."""

    by_loader: list[str]
    by_schema: list[str]

    @property
    def is_accepted(self) -> bool:
        return not self.by_loader

    @property
    def is_contested(self) -> bool:
        """The loader takes what an editor would mark as wrong."""
        return not self.by_loader and bool(self.by_schema)


def judge(candidate: Any) -> Judged:
    """Ask both."""
    errors = load_document(candidate).errors
    marks = VALIDATOR.iter_errors(candidate)
    return Judged(
        [f"{issue.path} {issue.code}: {issue.message}" for issue in errors],
        [f"{mark.instance_path}: {mark.message}" for mark in marks],
    )


def definition(name: str) -> dict[str, Any]:
    """A part of the schema."""
    return SCHEMA["$defs"][name]


@pytest.fixture
def schema() -> dict[str, Any]:
    return SCHEMA
