"""openapi.json: the API's document, made from the app without anything behind it."""

import json

from stepiq.server.app import create_app


def document() -> str:
    """The document as text."""
    return json.dumps(create_app().openapi(), ensure_ascii=False, indent=2) + "\n"
