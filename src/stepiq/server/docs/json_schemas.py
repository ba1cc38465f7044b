"""The routes of the JSON Schemas of pipelines and of test files. Editors fetch them without a credential."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Final

from fastapi import Header, Response

from stepiq.core import json
from stepiq.core.json import Json
from stepiq.web.bodies import router as new_router

MEDIA_TYPE = "application/schema+json"

# A schema changes only with the server's version, and revalidation is cheap.
_CACHING = "public, max-age=300"
_HEADERS: dict[str, Any] = {
    "ETag": {
        "description": "Version of this text. Send it as `If-None-Match` with the next request.",
        "schema": {"type": "string"},
    },
    "Cache-Control": {"$ref": "#/components/headers/Cache-Control"},
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}, "headers": _HEADERS},
    304: {"description": "Not modified.", "headers": _HEADERS},
}
"""The responses of a route that serves a `SchemaFile`, for OpenAPI."""

IfNoneMatch = Annotated[
    str,
    Header(
        alias="If-None-Match",
        description="The `ETag` of your copy. If it is current, the response is 304.",
    ),
]


class SchemaFile:
    """A schema, made on the first request."""

    def __init__(self, make: Callable[[], Mapping[str, Json]]) -> None:
        self._make = make

    def answer(self, if_none_match: str) -> Response:
        """The schema, or 304 if the client has it."""
        text, tag = self._text_and_tag
        headers = {"ETag": tag, "Cache-Control": _CACHING}
        if _is_among(tag, if_none_match):
            return Response(status_code=304, headers=headers)
        return Response(text, media_type=MEDIA_TYPE, headers=headers)

    @cached_property
    def _text_and_tag(self) -> tuple[bytes, str]:
        text = json.dumps(dict(self._make())).encode()
        return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


def _is_among(tag: str, if_none_match: str) -> bool:
    # A proxy that compresses responses makes the tag weak.
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return tag in tags or "*" in tags


def _pipelines() -> Mapping[str, Json]:
    from stepiq.language.definitions.json_schema import document  # noqa: PLC0415 - rarely requested

    return document()


def _tests() -> Mapping[str, Json]:
    from stepiq.trials.json_schema import document  # noqa: PLC0415 - rarely requested

    return document()


_PIPELINES: Final = SchemaFile(_pipelines)
_TESTS: Final = SchemaFile(_tests)

public = new_router("Pipelines")


@public.get("/schema/pipeline.json", response_class=Response, responses=RESPONSES)
async def get_pipeline_schema(if_none_match: IfNoneMatch = "") -> Response:
    """The JSON Schema (2020-12) of pipeline documents, for editors.

    It contains no `$id`, so you can also use a copy in a file.
    """
    return _PIPELINES.answer(if_none_match)


@public.get("/schema/tests.json", response_class=Response, responses=RESPONSES)
async def get_tests_schema(if_none_match: IfNoneMatch = "") -> Response:
    """The JSON Schema (2020-12) of test files, for editors."""
    return _TESTS.answer(if_none_match)
