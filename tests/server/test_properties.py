"""What the OpenAPI document promises, tried with requests that are made from it, right ones and wrong ones."""

import json
import time
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.clients import login_key

pytestmark = pytest.mark.one_store

__all__ = ["login_key"]

EXAMPLES = 600
"""Requests, over all operations."""
SLOWEST_SECONDS = 2
TEXTS = st.text(max_size=30) | st.sampled_from(
    ["\x00", "\ud800", "{{7*7}}", "' OR 1=1--", "💩", "../", "1e400"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        # No worker runs here, which /ready says with a 503 of its own.
        if path != "/ready"
    ]


def resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """The component that a reference names, or the value itself."""
    while "$ref" in value:
        _, _, section, name = value["$ref"].split("/")
        value = document["components"][section][name]
    return value


def values(
    document: dict[str, Any], schema: dict[str, Any], depth: int = 0
) -> st.SearchStrategy[Any]:
    """Values of about the right shape, and now and then anything."""
    return st.integers(0, 5).flatmap(
        lambda dice: ANYTHING if dice == 0 or depth > 4 else fitting(document, schema, depth + 1)
    )


def fitting(document: dict[str, Any], schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    schema = resolved(document, schema)
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return st.one_of([values(document, each, depth) for each in choices])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of([values(document, {**schema, "type": each}, depth) for each in kind])
    if kind == "object":
        known = {
            name: values(document, each, depth)
            for name, each in schema.get("properties", {}).items()
        }
        required = {name: known.pop(name) for name in schema.get("required", ()) if name in known}
        return st.fixed_dictionaries(required, optional=known)
    if kind == "array":
        return st.lists(values(document, schema.get("items", {}), depth), max_size=3)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        "integer": st.integers(-2, 2**33),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    if schema.get("format") == "uuid":
        return st.sampled_from([str(uuid4()), "0", "00000000-0000-0000-0000-000000000000"])
    if schema.get("format") == "date-time":
        return st.sampled_from(["2030-01-31T12:00:00Z", "0001-01-01T00:00:00+14:00", "x"])
    return plain.get(kind, TEXTS)


def address(draw: Any, document: dict[str, Any], path: str, operation: dict[str, Any]) -> str:
    query: list[str] = []
    for each in operation.get("parameters", ()):
        parameter = resolved(document, each)
        if parameter["in"] == "header" or (parameter["in"] == "query" and draw(st.booleans())):
            continue
        value = draw(values(document, parameter["schema"]))
        written = quote(str(value).encode(errors="replace")[:200] or b"0", safe="")
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", written)
        else:
            query.append(f"{parameter['name']}={written}")
    return path + ("?" + "&".join(query) if query else "")


@st.composite
def requests(draw: Any, document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An operation, and a request for it."""
    method, path, operation = draw(st.sampled_from(operations(document)))
    sent: dict[str, Any] = {"method": method, "url": address(draw, document, path, operation)}
    bodies = resolved(document, operation.get("requestBody", {})).get("content", {})
    if bodies:
        media_type = draw(st.sampled_from(sorted(bodies)))
        body = draw(values(document, bodies[media_type]["schema"]))
        sent["headers"] = {"Content-Type": media_type}
        text = body if isinstance(body, str) else json.dumps(body)
        sent["content"] = text.encode(errors="surrogatepass")
    return operation, sent


def of_any_route(document: dict[str, Any]) -> set[str]:
    content = document["components"]["responses"]["AnyError"]["content"]
    return set(content["application/problem+json"]["examples"])


def wrong(
    document: dict[str, Any], operation: dict[str, Any], response: httpx2.Response
) -> str | None:
    documented = operation["responses"].get(str(response.status_code))
    if documented is None and response.json()["code"] in of_any_route(document):
        documented = operation["responses"]["default"]
    if response.status_code >= 500 or documented is None:
        return f"{response.status_code} is not documented"
    if response.is_redirect:
        return None
    media_type = response.headers["Content-Type"].partition(";")[0]
    content = resolved(document, documented).get("content", {}).get(media_type)
    if content is None:
        return f"{response.status_code} is not documented as {media_type}"
    if media_type.endswith("json") and "schema" in content:
        schema = {**content["schema"], "components": document["components"]}
        for error in jsonschema_rs.iter_errors(schema, response.json()):
            return f"{response.status_code}: {error.message}"
    return None


@pytest.mark.slow
class TestEveryOperation:
    async def test_answers_as_documented_whatever_it_is_sent(self, app, login_key, account):
        client = await login_key(account)
        document = app.openapi()
        assert len(operations(document)) > 40
        tried: list[tuple[dict[str, Any], dict[str, Any]]] = []

        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            deadline=None,
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.data_too_large,
                HealthCheck.filter_too_much,
            ],
        )
        @given(requests(document))
        def collect(request: tuple[dict[str, Any], dict[str, Any]]) -> None:
            tried.append(request)

        collect()
        found: list[str] = []
        for operation, sent in tried:
            started = time.perf_counter()
            response = await client.request(**sent)
            took = time.perf_counter() - started
            problem = wrong(document, operation, response)
            if took > SLOWEST_SECONDS:
                problem = f"it took {took:.1f} s"
            if problem:
                found.append(f"{sent['method']} {sent['url'][:80]}: {problem}"[:300])

        assert len(tried) > EXAMPLES / 2
        assert not found, "\n".join(found)
