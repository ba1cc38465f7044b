"""Converts validation errors of bodies, parameters and paths to readable issues."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel

from stepiq.core.errors import Issue, NotFound
from stepiq.core.validation import sentence, unknown

_EXAMPLE_ID = "0192f0c5-1d39-7a01-9d2c-3b5e7f901a08"
_LISTED_BY = {
    "pipeline_id": ("pipeline", "GET /api/pipelines"),
    "run_id": ("run", "GET /api/runs"),
    "schedule_id": ("schedule", "GET /api/pipelines/ID/schedules"),
    "delivery_id": ("delivery", "GET /api/runs/ID/deliveries"),
    "key_id": ("API key", "GET /api/user/api-keys"),
}
_VERSIONS = ("number", "other")
_MOST = 100


def issues(entries: Iterable[Mapping[str, Any]], model: type[BaseModel] | None) -> list[Issue]:
    """Convert the first 100 error entries of pydantic to issues. Locations must begin with `body`, `query` or `header`.

    `model` is the model of the body. An issue about an unknown field lists the fields of the model.
    """
    return [_issue(entry, model) for entry in islice(entries, _MOST)]


def malformed_id(entries: Sequence[Mapping[str, Any]] = ()) -> NotFound:
    """The error for a path with a part that is not an id, with an example of an id and the route that lists ids.

    Without entries, the message does not name the part.
    """
    entry = next((entry for entry in entries if entry["loc"][0] == "path"), None)
    if entry is None:
        return NotFound(f"A part of this path is not an id. An id looks like {_EXAMPLE_ID}.")
    name, given = str(entry["loc"][1]), str(entry.get("input"))[:100]
    if name in _VERSIONS:
        return NotFound(f"Version `{given}` does not exist. Versions are numbers, from 1 upwards.")
    what, listed_by = _LISTED_BY.get(name, ("object", ""))
    where = f" To list ids, use {listed_by}." if listed_by else ""
    kind = what[0].upper() + what[1:]
    return NotFound(f"{kind} `{given}` does not exist. An id looks like {_EXAMPLE_ID}.{where}")


def _issue(entry: Mapping[str, Any], model: type[BaseModel] | None) -> Issue:
    location: tuple[str | int, ...] = entry["loc"][1:]
    kind = str(entry["type"])
    if kind == "missing":
        return Issue(_path(location), "missing", sentence(entry))
    if kind != "extra_forbidden":
        return Issue(_path(location), kind, sentence(entry))
    # `model` describes only the outermost object; bodies of the API have no nested models.
    known = [] if model is None or len(location) != 1 else list(model.model_fields)
    message = unknown("field", str(location[-1]), known) if known else "Unknown field."
    return Issue(_path(location), "unknown_field", message)


def _path(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{str(part)[:100]}"
    return text.removeprefix(".")
