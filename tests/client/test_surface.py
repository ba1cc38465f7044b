"""Both clients can call every operation of openapi.json, with every parameter and every field of its body."""

import inspect
import json
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from stepiq.client import AsyncClient, Client, ResponseInvalidError, models
from tests.support.library_http import (
    DOCUMENT,
    OPERATIONS,
    fields_of,
    is_list,
    python_name,
    resolved,
    topic_and_verb,
)

ID = "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"
SET_BY_THE_LIBRARY = {
    "Idempotency-Key": "made for each call, or the argument `idempotency_key`",
    "Accept": "each kind of response has a method",
    "cursor": "`page` and the iteration over a list",
    "Last-Event-ID": "the argument `after`, and after failures the last received event",
}


@cache
def unconnected(kind: type[Client] | type[AsyncClient]) -> Client | AsyncClient:
    """A client that sends nothing. Each one loads the certificates of the machine."""
    return kind("http://a")


def sample(schema: Any) -> Any:
    schema = resolved(schema)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return sample(schema[key][0])
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if "enum" in schema:
        return schema["enum"][-1]
    if schema.get("format") == "uuid":
        return ID
    if kind == "array":
        return [sample(schema["items"])]
    if kind == "object" and "properties" in schema:
        return {name: sample(each) for name, each in schema["properties"].items()}
    of_kind = {"string": "ü & b", "integer": 7, "number": 1.5, "boolean": True, "object": {"a": 1}}
    return of_kind[kind]


def arguments_of_body(operation: Any) -> dict[str, Any]:
    """The fields of a JSON body that are arguments. The text of a definition can be the argument `definition`."""
    fields = fields_of(operation)
    return {
        name: each
        for name, each in fields.items()
        if (name, "definition" in fields) != ("text", True)
    }


def is_free(operation: Any) -> bool:
    return "requestBody" in operation and not fields_of(operation)


def parameters_of(operation: Any, *, but: set[str]) -> list[Any]:
    found = [resolved(each) for each in operation.get("parameters", ())]
    kinds = {
        kind
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for kind in resolved(response).get("content", {})
    }
    if "application/json" in kinds and len(kinds) > 1:
        but = {*but, "format"}  # each kind of response has a method
    return [each for each in found if each["name"] not in but]


@pytest.mark.parametrize("operation_id", OPERATIONS)
class TestOperations:
    def test_each_has_a_method_with_its_parameters(self, operation_id):
        _, _, operation = OPERATIONS[operation_id]
        topic, verb = topic_and_verb(operation_id)
        not_asked = set(SET_BY_THE_LIBRARY) - ({"cursor"} if _is_call(operation) else set())
        expected = {
            python_name(each["name"]) for each in parameters_of(operation, but=not_asked)
        } | {python_name(name) for name in arguments_of_body(operation)}
        if is_free(operation):
            expected |= {"body", "headers"}
        if "Idempotency-Key" in str(operation.get("parameters", "")):
            expected.add("idempotency_key")
        if "Last-Event-ID" in str(operation.get("parameters", "")):
            expected.add("after")

        for kind in (Client, AsyncClient):
            method = getattr(getattr(unconnected(kind), topic), verb)
            assert set(inspect.signature(method).parameters) == expected, kind

    async def test_each_argument_arrives_in_its_place(self, operation_id, twin, script):
        method, path, operation = OPERATIONS[operation_id]
        topic, verb = topic_and_verb(operation_id)
        is_call = _is_call(operation)
        but = set(SET_BY_THE_LIBRARY) - ({"cursor"} if is_call else set())
        parameters = parameters_of(operation, but=but)
        arguments = {
            python_name(each["name"]): "v3" if each["in"] == "header" else sample(each["schema"])
            for each in parameters
        }
        body = {name: sample(schema) for name, schema in arguments_of_body(operation).items()}
        arguments |= {python_name(name): value for name, value in body.items()}
        if is_free(operation):
            arguments |= {"body": {"a": "ü"}, "headers": {"x-signature": "1"}}
            body = {"a": "ü"}

        def act(client: Any) -> Any:
            found = getattr(getattr(client, topic), verb)(**arguments)
            return found if is_call or is_stream(operation) else found.page()

        # The scripted server answers every request with an empty object.
        with suppress(ResponseInvalidError):
            await (twin.all(act, 1) if is_stream(operation) else twin.call(act))

        [received] = script.received
        target = urlsplit(received.target)
        assert received.method == method
        query = parse_qs(target.query)
        for each in parameters:
            value = arguments[python_name(each["name"])]
            match each["in"]:
                case "path":
                    path = path.replace("{" + each["name"] + "}", str(value))
                case "query":
                    assert query.pop(each["name"]) == texts(value), each["name"]
                case _:
                    assert received.headers[each["name"].lower()] == value
        assert unquote(target.path) == path
        assert query == {}
        assert json.loads(received.body or b"{}") == body
        takes_key = "Idempotency-Key" in str(operation.get("parameters"))
        assert ("idempotency-key" in received.headers) == takes_key


def is_stream(operation: Any) -> bool:
    contents = (resolved(each).get("content", {}) for each in operation["responses"].values())
    return any("text/event-stream" in each for each in contents)


def texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return ["true" if each is True else str(each) for each in values]


def _is_call(operation: Any) -> bool:
    """Whether the method returns one object, not a list or a stream."""
    return not is_list(operation) and not is_stream(operation)


def test_both_clients_have_the_same_methods():
    topics = {name: value for name, value in vars(Client("http://a")).items() if name[0] != "_"}
    others = vars(AsyncClient("http://a"))

    assert set(topics) == {name for name in others if name[0] != "_"}
    for name, topic in topics.items():
        assert public(topic) == public(others[name]), name
    assert public(Client("http://a")) == {
        name.replace("aclose", "close") for name in public(AsyncClient("http://a"))
    }


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_there_is_no_method_without_a_route():
    written = {"runs": {"wait", "start_and_wait"}, "webhooks": {"unwrap"}}
    routes: dict[str, set[str]] = {}
    for operation_id, (_, _, operation) in OPERATIONS.items():
        topic, verb = topic_and_verb(operation_id)
        routes.setdefault(topic, set()).add(verb)
        for response in operation["responses"].values():
            for kind in resolved(response).get("content", {}):
                if kind in ("application/yaml", "text/csv"):
                    routes[topic].add(f"{verb}_{kind.rpartition('/')[2]}")
    client = Client("http://a")

    for topic, verbs in routes.items():
        assert public(getattr(client, topic)) <= verbs | written.get(topic, set()), topic


def test_every_schema_of_a_response_has_its_model():
    missing = [
        name
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if not hasattr(models, name)
        and not {"data", "next_cursor"} <= schema.get("properties", {}).keys()
    ]

    # What only requests contain is an argument. Problems are exceptions.
    bodies = {
        each["$ref"].rpartition("/")[2]
        for _, _, operation in OPERATIONS.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for each in [content["schema"], *content["schema"].get("anyOf", [])]
        if "$ref" in each
    }
    assert set(missing) <= bodies | {"Problem", "ProblemIssue"}
