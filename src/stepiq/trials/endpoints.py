"""The route of the JSON Schema of test files. Editors fetch it without a credential."""

from typing import Final

from fastapi import Response

from stepiq.trials.json_schema import document
from stepiq.web.bodies import router as new_router
from stepiq.web.schema_files import RESPONSES, IfNoneMatch, SchemaFile

PATH = "/schema/tests.json"

_FILE: Final = SchemaFile(document)

public = new_router("Pipelines")


@public.get(PATH, response_class=Response, responses=RESPONSES)
async def get_tests_schema(if_none_match: IfNoneMatch = "") -> Response:
    """The JSON Schema (2020-12) of test files, for editors."""
    return _FILE.answer(if_none_match)
