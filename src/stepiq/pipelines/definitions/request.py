"""Parses a request's body into a draft: wrapped JSON, a bare definition as JSON, or YAML."""

from dataclasses import replace
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from pydantic import ValidationError

from stepiq.core import json
from stepiq.core.errors import Issue
from stepiq.language import offload
from stepiq.language.definitions.loading import QUICK_BYTES, Loaded, load, load_document
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.errors import DefinitionMalformed
from stepiq.pipelines.records import Draft, Management
from stepiq.pipelines.schemas import PipelineBody
from stepiq.web import validation
from stepiq.web.bodies import YAML_TYPES, Body, read_body
from stepiq.web.errors import InvalidBody

_WRAPPING = frozenset(PipelineBody.model_fields)


async def _draft(request: Request) -> Draft:
    body = await read_body(request)
    if len(body.data) <= QUICK_BYTES:
        return _read(body)
    return await offload.compute(_read, body)


def _read(body: Body) -> Draft:
    if body.media_type == YAML_TYPES[0]:
        text = _text(body.data)
        return Draft(load(text, SourceFormat.YAML), text, SourceFormat.YAML)
    try:
        value = json.loads(body.data)
    except json.MalformedJson as error:
        if body.data.lstrip()[:1] in (b"{", b"["):
            raise
        advice = "To send YAML, use Content-Type: application/yaml."
        raise json.MalformedJson(f"{error.message} {advice}") from None
    if not _is_wrapped(value):
        text = body.data.decode()
        return Draft(load(text, SourceFormat.JSON), text, SourceFormat.JSON)
    return _unwrap(value)


DraftBody = Annotated[Draft, Depends(_draft)]
"""The pipeline in a body. Declare it after the caller and before a transaction, which parsing would hold open."""


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        message = f"The text is not UTF-8: byte {error.start + 1} cannot be read. Save it as UTF-8."
        raise DefinitionMalformed([Issue("", "not_utf8", message)]) from None


def _is_wrapped(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    keys = set(cast(dict[str, Any], value))
    if "steps" in keys:
        return "definition" in keys
    return "definition" in keys or "text" in keys or keys <= _WRAPPING


def _unwrap(value: Any) -> Draft:
    try:
        body = PipelineBody.model_validate(value)
    except ValidationError as error:
        entries = error.errors(include_url=False, include_input=False)
        found = [{**entry, "loc": ("body", *entry["loc"])} for entry in entries]
        raise InvalidBody(validation.issues(found, PipelineBody)) from None
    if body.text is None:
        loaded = _prefixed(load_document(body.definition))
        text, source_format = json.dumps(body.definition), SourceFormat.JSON
    else:
        loaded = load(body.text, body.format)
        text, source_format = body.text, body.format
    return Draft(
        loaded,
        text,
        source_format,
        name=body.name,
        description=body.description,
        tags=body.tags,
        slug=body.slug,
        management=None if body.managed_by is None else Management(body.managed_by, body.source),
    )


def _prefixed(loaded: Loaded) -> Loaded:
    return replace(
        loaded,
        errors=type(loaded.errors)(_inside(issue) for issue in loaded.errors),
        warnings=type(loaded.warnings)(_inside(issue) for issue in loaded.warnings),
        secrets=tuple((name, _inside(issue)) for name, issue in loaded.secrets),
        models=tuple((name, _inside(issue)) for name, issue in loaded.models),
    )


def _inside(issue: Issue) -> Issue:
    separator = "." if issue.path and not issue.path.startswith("[") else ""
    return replace(issue, path=f"definition{separator}{issue.path}")
