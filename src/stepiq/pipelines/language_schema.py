"""The route of the language's JSON Schema. Editors fetch it without a credential."""

import hashlib
from functools import cache
from typing import Annotated, Any

from fastapi import Header, Response

from stepiq.core import json
from stepiq.language.json_schema.document import document
from stepiq.web.bodies import router as new_router

MEDIA_TYPE = "application/schema+json"
PATH = "/schema/pipeline.json"

# It changes only with the server's version, and revalidation is cheap.
_CACHING = "public, max-age=300"
_HEADERS: dict[str, Any] = {
    "ETag": {
        "description": "Version of this text. Send it as `If-None-Match` with the next request.",
        "schema": {"type": "string"},
    },
    "Cache-Control": {"$ref": "#/components/headers/Cache-Control"},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "object"}}}, "headers": _HEADERS},
    304: {"description": "Not modified.", "headers": _HEADERS},
}

public = new_router("Pipelines")


@public.get(PATH, response_class=Response, responses=_RESPONSES)
async def get_pipeline_schema(
    if_none_match: Annotated[
        str, Header(description="The `ETag` of your copy. If it is current, the response is 304.")
    ] = "",
) -> Response:
    """The JSON Schema (2020-12) of pipeline documents, for editors.

    It contains no `$id`, so you can also use a copy in a file.
    """
    text, tag = _text_and_tag()
    headers = {"ETag": tag, "Cache-Control": _CACHING}
    if _is_among(tag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(text, media_type=MEDIA_TYPE, headers=headers)


@cache
def _text_and_tag() -> tuple[bytes, str]:
    text = json.dumps(document()).encode()
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


def _is_among(tag: str, if_none_match: str) -> bool:
    # A proxy that compresses responses makes the tag weak.
    tags = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return tag in tags or "*" in tags
