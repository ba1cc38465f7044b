"""Integers that callers send fit into the columns with which they are compared."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from stepiq.core import ids
from tests.support.clients import login

__all__ = ["login"]

LARGEST = 2**63 - 1
TOO_LARGE = 10**20

CHECKED_ELSEWHERE = {"PATCH /api/admin/workspaces/{workspace_id} limits.*"}
"""The rules of the configuration file check them."""


class Schemas:
    """The schemas of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._named = document["components"]["schemas"]

    def integers(
        self, schema: dict[str, Any], path: str, outer: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The schemas of integers in a schema, with their paths."""
        reference = schema.get("$ref")
        if reference is not None:
            if reference not in outer:
                name = reference.rpartition("/")[2]
                yield from self.integers(self._named[name], path, (*outer, reference))
            return
        if "integer" in schema.get("type", ()):
            yield path, schema
        inner = [
            (path, each) for key in ("anyOf", "oneOf", "allOf") for each in schema.get(key, ())
        ]
        inner += [(f"{path}.{name}", each) for name, each in schema.get("properties", {}).items()]
        inner += [
            (f"{path}[]", schema.get("items")),
            (f"{path}.*", schema.get("additionalProperties")),
        ]
        for where, each in inner:
            if isinstance(each, dict):
                yield from self.integers(each, where, outer)


def most(schema):
    # The document has `le` for integers that may be written as `3.0`.
    return schema.get("maximum", schema.get("le", TOO_LARGE))


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


@pytest.fixture
async def document(client):
    return (await client.get("/openapi.json")).json()


@pytest.fixture
def parameters(document):
    """Method, path, place, name and schema of each integer that a path or a query contains."""
    schemas, shared = Schemas(document), document["components"]["parameters"]
    return [
        (method, path, parameter["in"], name, schema)
        for method, path, operation in operations(document)
        for written in operation.get("parameters", ())
        for parameter in [shared.get(written.get("$ref", "").rpartition("/")[2], written)]
        for name, schema in schemas.integers(parameter["schema"], parameter["name"])
    ]


class TestBounds:
    @pytest.mark.one_store
    def test_parameters_have_them(self, parameters):
        without = [each for each in parameters if most(each[4]) > LARGEST]

        assert len(parameters) > 20
        assert without == []

    @pytest.mark.one_store
    def test_fields_of_bodies_have_them(self, document):
        schemas = Schemas(document)
        found = {
            f"{method} {path} {where.removeprefix('.')}": most(schema)
            for method, path, operation in operations(document)
            for media, content in operation.get("requestBody", {}).get("content", {}).items()
            if media == "application/json"
            for where, schema in schemas.integers(content.get("schema", {}), "")
        }

        assert len(found) > 5
        assert {name for name, bound in found.items() if bound > LARGEST} == CHECKED_ELSEWHERE


@pytest.mark.both_stores
class TestRequests:
    @pytest.fixture
    async def admin(self, make, login):
        return await login(await make.user(is_admin=True))

    async def test_the_largest_of_each_is_answered_and_a_larger_one_is_refused(
        self, admin, parameters
    ):
        for method, path, place, name, schema in parameters:
            for value in (schema["maximum"], TOO_LARGE):
                filled = path.replace(f"{{{name}}}", str(value))
                response = await admin.request(
                    method,
                    re.sub(r"\{\w+\}", str(ids.uuid7()), filled),
                    params={name: value} if place == "query" else None,
                )

                assert response.status_code < 500, (method, filled, name, value)
                assert value != TOO_LARGE or response.status_code >= 400

    async def test_a_limit_of_a_workspace_that_no_column_can_hold_is_refused(self, admin, account):
        path = f"/api/admin/workspaces/{account.workspace_id}"

        largest = await admin.patch(path, json={"limits": {"pipelines": 10**12}})
        larger = await admin.patch(path, json={"limits": {"pipelines": 10**12 + 1}})

        assert largest.status_code == 200
        assert (larger.status_code, larger.json()["code"]) == (422, "limits_invalid")
