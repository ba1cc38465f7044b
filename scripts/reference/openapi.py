"""openapi.json: the OpenAPI document, made from the app without a database."""

import json

from stepiq.server.app import create_app


def document() -> str:
    """The document as text."""
    return json.dumps(create_app().openapi(), ensure_ascii=False, indent=2) + "\n"
