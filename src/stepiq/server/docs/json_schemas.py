"""The route of the language's JSON Schema. Editors fetch it without a credential."""

from typing import Final

from fastapi import Response

from stepiq.language.definitions.json_schema import document
from stepiq.web.bodies import router as new_router
from stepiq.web.schema_files import RESPONSES, IfNoneMatch, SchemaFile

PATH = "/schema/pipeline.json"

_FILE: Final = SchemaFile(document)

public = new_router("Pipelines")


@public.get(PATH, response_class=Response, responses=RESPONSES)
async def get_pipeline_schema(if_none_match: IfNoneMatch = "") -> Response:
    """The JSON Schema (2020-12) of pipeline documents, for editors.

    It contains no `$id`, so you can also use a copy in a file.
    """
    return _FILE.answer(if_none_match)
