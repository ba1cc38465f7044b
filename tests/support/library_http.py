"""Requests of an HTTP client, sent by the client library: each becomes a call of the method for its route."""

import json
import re
from typing import Any
from urllib.parse import parse_qs

import httpx2

from stepiq.client import ApiError, ApiResponse
from tests.docs.pages import ROOT
from tests.support.client_twins import Twin

DOCUMENT: Any = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))


def resolved(part: Any) -> Any:
    """A part of the document instead of the reference to it."""
    while "$ref" in part:
        found: Any = DOCUMENT
        for key in part["$ref"].split("/")[1:]:
            found = found[key]
        part = found
    return part


OPERATIONS: dict[str, tuple[str, str, Any]] = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
"""Method, path and description of each operation."""

_PATTERNS = [
    (operation_id, method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "$"))
    for operation_id, (method, path, _) in sorted(
        OPERATIONS.items(), key=lambda each: each[1][1].count("{")
    )
]


def topic_and_verb(operation_id: str) -> tuple[str, str]:
    """The names of the topic and of the method of an operation."""
    topic = OPERATIONS[operation_id][2]["tags"][0].lower().replace(" ", "_")
    return topic, operation_id.removeprefix(f"{topic}_")


def python_name(name: str) -> str:
    """The argument for a parameter or a field."""
    name = name.lower().replace("-", "_")
    return f"{name}_" if name == "from" else name


def fields_of(operation: Any) -> dict[str, Any]:
    """The fields of a JSON body, with their schemas."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema = content.get("schema", {})
    for each in schema.get("anyOf", [schema]):
        found = resolved(each)
        if "properties" in found:
            return found["properties"]
    return {}


def is_list(operation: Any) -> bool:
    """Whether the method returns a list, which fetches its pages when it is read."""
    return any(
        {"data", "next_cursor"} <= resolved(content.get("schema", {})).get("properties", {}).keys()
        for status, response in operation["responses"].items()
        if status.startswith("2")
        for content in resolved(response).get("content", {}).values()
    )


class LibraryHttp:
    """Has the methods of an HTTP client that tests use."""

    def __init__(self, twin: Twin, used: dict[str, Any]) -> None:
        self._twin = twin
        self._used = used
        """The last result of each operation."""

    async def request(
        self, method: str, url: str, *, json: Any = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        path, _, query = url.partition("?")
        operation_id, arguments = _called(method, path)
        for name, values in parse_qs(query).items():
            value = values[0]
            arguments[python_name(name)] = int(value) if value.isdigit() else value
        arguments |= _of_body(OPERATIONS[operation_id][2], json)
        twin = self._twin
        if headers:
            token = headers["Authorization"].removeprefix("Bearer ")
            twin = Twin(twin.client.with_session(token))
        return await self.call(operation_id, arguments, twin)

    async def call(
        self, operation_id: str, arguments: dict[str, Any], twin: Twin | None = None
    ) -> httpx2.Response:
        """Call an operation with the arguments of its method."""
        twin = twin or self._twin
        topic, verb = topic_and_verb(operation_id)
        raw: list[ApiResponse] = []
        transport = twin.client._transport
        send = type(transport).send

        async def recorded(*given: Any, **options: Any) -> ApiResponse:
            raw.append(await send(transport, *given, **options))
            return raw[-1]

        def recorded_at_once(*given: Any, **options: Any) -> ApiResponse:
            raw.append(send(transport, *given, **options))
            return raw[-1]

        transport.send = recorded if twin.is_async else recorded_at_once

        def act(client: Any) -> Any:
            found = getattr(getattr(client, topic), verb)(**arguments)
            return found.page() if is_list(OPERATIONS[operation_id][2]) else found

        try:
            self._used[operation_id] = await twin.call(act)
        except ApiError as error:
            return httpx2.Response(error.status, json=dict(error.problem))
        [response] = raw
        headers = {"content-type": response.headers.get("content-type", "")}
        return httpx2.Response(response.status, headers=headers, content=response.content)

    async def get(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Any) -> httpx2.Response:
        return await self.request("DELETE", url, **options)


def _called(method: str, path: str) -> tuple[str, dict[str, Any]]:
    for operation_id, of_pattern, pattern in _PATTERNS:
        found = pattern.match(path)
        if of_pattern == method and found:
            return operation_id, found.groupdict()
    raise AssertionError(f"{method} {path} is no operation")


def _of_body(operation: Any, body: Any) -> dict[str, Any]:
    fields = fields_of(operation)
    if body is None:
        return {}
    if not fields:
        return {"body": body}
    if "definition" in fields and "definition" not in body:
        return {"definition": body}
    return {python_name(name): value for name, value in body.items()}
