import openapi_spec_validator
import pytest

from stepiq.server.routes import routes_of


@pytest.fixture
async def document(client):
    response = await client.get("/openapi.json")
    assert response.status_code == 200
    return response.json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)


class TestDocument:
    async def test_it_is_valid(self, document):
        openapi_spec_validator.validate(document)

    async def test_every_route_has_a_summary_and_a_description(self, document):
        missing = [name for name, op in operations(document) if not op.get("description")]

        assert missing == []

    async def test_every_error_is_a_problem(self, document):
        others = [
            (name, status)
            for name, operation in operations(document)
            for status, response in operation["responses"].items()
            if int(status) >= 400 and list(response["content"]) != ["application/problem+json"]
        ]

        assert others == []

    async def test_every_closed_route_names_its_credentials(self, document, app):
        for route in routes_of(app):
            operation = document["paths"].get(route.path, {}).get(route.method.lower())
            if operation is None:
                continue
            if route.access.is_public:
                assert "security" not in operation
            else:
                assert operation["security"]
                assert "401" in operation["responses"]
                assert "429" in operation["responses"]

    @pytest.mark.parametrize(
        ("name", "security"),
        [
            ("get /api/pipelines", [{"bearer": []}, {"api_key": ["pipelines:read"]}]),
            ("post /api/user/api-keys", [{"bearer": []}]),
            ("post /api/webhooks/{pipeline_id}", [{"api_key": ["webhooks:trigger"]}]),
        ],
    )
    async def test_a_route_says_which_scope_a_key_needs(self, document, name, security):
        assert dict(operations(document))[name]["security"] == security

    async def test_a_post_says_whether_it_takes_an_idempotency_key(self, document, app):
        for route in routes_of(app):
            operation = document["paths"].get(route.path, {}).get(route.method.lower(), {})
            names = [parameter["name"] for parameter in operation.get("parameters", ())]
            assert ("Idempotency-Key" in names) == route.takes_key

    async def test_every_reference_leads_somewhere(self, document):
        schemas = document["components"]["schemas"]
        dangling = {
            reference
            for reference in references(document)
            if reference.rpartition("/")[2] not in schemas
        }

        assert dangling == set()

    async def test_the_frameworks_own_errors_are_not_in_it(self, document):
        assert "HTTPValidationError" not in document["components"]["schemas"]

    async def test_operation_ids_are_unique(self, document):
        ids = [operation["operationId"] for _, operation in operations(document)]

        assert len(ids) == len(set(ids))
