"""The JSON Schema of `webhook` steps, for editors."""

from stepiq.language.json_schema.nodes import Node, TypeSchema, choice, words
from stepiq.language.json_schema.schema_context import headers, url
from stepiq.steps.webhook.spec import MAX_STATUSES, METHODS, STATUSES

_METHODS = {
    "GET": "Reads data. The default without a body.",
    "POST": "Sends data. The default with a body.",
    "PUT": "Creates or replaces something.",
    "PATCH": "Changes a part of something.",
    "DELETE": "Removes.",
    "HEAD": "Reads the headers.",
}

_SNIPPET: Node = {
    "id": "${1:call}",
    "type": "webhook",
    "url": "${2:https://api.example.com/}",
}


def schema() -> TypeSchema:
    """The fields of the type."""
    low, high = STATUSES
    fields: dict[str, Node] = {
        "url": url("The address of the request."),
        "method": choice("Method", "The HTTP method.", _METHODS, METHODS),
        "headers": headers(
            "Headers by name. The server sets `Idempotency-Key` and the headers of the connection."
        ),
        "body": {
            **words("Body", "A template, or an object or list whose strings are templates."),
            "type": ["string", "object", "array"],
            "minLength": 1,
        },
        "expect_status": {
            **words("Expected status", "A status, or a list of them. Default: any 2xx."),
            "type": ["integer", "array"],
            "minimum": low,
            "maximum": high,
            "items": {"type": "integer", "minimum": low, "maximum": high},
            "minItems": 1,
            "maxItems": MAX_STATUSES,
        },
    }
    return TypeSchema("Sends an HTTP request to another system.", fields, ["url"], snippet=_SNIPPET)
