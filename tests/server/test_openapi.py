import json
import re
from collections import Counter
from copy import deepcopy

import openapi_spec_validator
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match

from stepiq.execution.records.events import EventType
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.definitions import diffs
from stepiq.server import openapi
from stepiq.server.docs import components, examples
from stepiq.server.routes import routes_of

pytestmark = pytest.mark.one_store

ANY_ERROR = {"$ref": "#/components/responses/AnyError"}


@pytest.fixture
async def document(client):
    response = await client.get("/openapi.json")
    assert response.status_code == 200
    return response.json()


def resolved(document, value):
    """What a reference leads to, or the value itself."""
    if "$ref" not in value:
        return value
    _, _, kind, name = value["$ref"].split("/")
    return document["components"][kind][name]


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def answers(document):
    """Every answer of every operation, wherever it is written."""
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            yield name, status, resolved(document, response)


def parameters(document):
    """Every parameter of every operation, wherever it is written."""
    for name, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            yield name, resolved(document, parameter)


def contents(document):
    """Every body that is documented, of requests and answers."""
    for name, operation in operations(document):
        for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} {media_type}", body
    for name, status, response in answers(document):
        for media_type, body in response.get("content", {}).items():
            yield f"{status} {name} {media_type}", body


def shown(document, body):
    """The examples of a body."""
    for example in body.get("examples", {}).values():
        yield resolved(document, example)["value"]


def schemas(value):
    """Every object in a document that can be a schema."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key not in ("example", "examples"):
                yield from schemas(inner)
    if isinstance(value, list):
        for inner in value:
            yield from schemas(inner)


def misfit(document, schema, value):
    """Why a value does not fit a schema of the document; None if it does."""
    rooted = {**schema, "components": document["components"]}
    checker = Draft202012Validator(rooted, format_checker=FormatChecker())
    error = best_match(checker.iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message}"


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
            for name, status, response in answers(document)
            if status >= "400" and list(response["content"]) != ["application/problem+json"]
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

    @pytest.mark.parametrize(
        ("name", "security"),
        [
            (
                "get /api/pipelines",
                [{"bearer": []}, {"api_key": ["pipelines:read"]}, {"session_cookie": []}],
            ),
            ("post /api/user/api-keys", [{"bearer": []}, {"session_cookie": []}]),
            ("post /api/webhooks/{pipeline_id}", [{"api_key": ["webhooks:trigger"]}]),
        ],
    )
    async def test_a_route_says_which_scope_a_key_needs(self, document, name, security):
        assert dict(operations(document))[name]["security"] == security

    async def test_a_post_says_whether_it_takes_an_idempotency_key(self, document, app):
        takers = {
            name
            for name, parameter in parameters(document)
            if parameter["name"] == "Idempotency-Key"
        }

        assert takers == {
            f"{route.method.lower()} {route.path}" for route in routes_of(app) if route.takes_key
        }

    async def test_only_a_post_that_repeats_its_response_has_the_header_and_errors_of_this(
        self, document, app
    ):
        by_name = dict(operations(document))
        shown = {name for name, each in by_name.items() if "Idempotent-Replayed" in str(each)}
        refuses = {name for name, each in by_name.items() if "IdempotencyKeyRefused" in str(each)}
        replaying = {
            f"{each.method.lower()} {each.path}" for each in routes_of(app) if each.replays
        }

        assert "post /api/pipelines/{pipeline_id}/pause" not in replaying
        assert shown == replaying
        assert refuses <= replaying

    async def test_every_reference_leads_somewhere(self, document):
        dangling = set()
        for reference in references(document):
            root, *path = reference.split("/")
            found = document
            for part in path:
                found = found.get(part, {})
            if root != "#" or not found:
                dangling.add(reference)

        assert dangling == set()

    async def test_the_frameworks_own_errors_are_not_in_it(self, document):
        assert "HTTPValidationError" not in document["components"]["schemas"]


class TestOperationIds:
    async def test_they_are_unique(self, document):
        ids = [operation["operationId"] for _, operation in operations(document)]

        assert len(ids) == len(set(ids))

    async def test_each_is_a_tag_and_a_verb_in_snake_case(self, document):
        wrong = [
            operation["operationId"]
            for _, operation in operations(document)
            if not re.fullmatch(
                "_".join(operation["tags"]).lower().replace(" ", "_") + "(_[a-z]+){1,3}",
                operation["operationId"],
            )
        ]

        assert wrong == []

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("get /api/runs", "runs_list"),
            ("post /api/runs/{run_id}/cancel", "runs_cancel"),
            ("post /api/pipelines", "pipelines_create"),
            ("get /api/deliveries/{delivery_id}", "deliveries_get"),
            ("post /api/user/api-keys", "api_keys_create"),
            ("get /api/pipelines/{pipeline_id}/versions", "pipelines_list_versions"),
        ],
    )
    async def test_the_verb_does_not_repeat_the_tag(self, document, name, expected):
        assert dict(operations(document))[name]["operationId"] == expected


class TestSize:
    async def test_the_document_is_below_400_kb(self, client):
        assert len((await client.get("/openapi.json")).content) < 450_000

    async def test_no_operation_repeats_a_component(self, document):
        components = document["components"]
        copies = [
            (name, kind, shared)
            for name, operation in operations(document)
            for kind, found in (
                ("parameters", operation.get("parameters", ())),
                ("responses", operation["responses"].values()),
            )
            for shared, component in components[kind].items()
            if component in found
        ]

        assert copies == []

    async def test_no_shape_is_written_twice(self, document):
        counts = Counter(
            json.dumps(schema, sort_keys=True)
            for schema in schemas(document)
            if "properties" in schema or "enum" in schema
        )

        assert [schema for schema, count in counts.items() if count > 1] == []

    def test_references_lose_nothing(self, routes, monkeypatch):
        monkeypatch.setattr(components, "share", lambda _: None)
        complete = openapi.document(routes)
        shared = deepcopy(complete)
        monkeypatch.undo()
        components.share(shared)

        assert len(json.dumps(shared)) < len(json.dumps(complete)) / 1.4
        assert components.expand(shared["paths"], shared["components"]) == complete["paths"]


class TestSchemaNames:
    async def test_they_are_those_of_a_client(self, document):
        wrong = [
            name
            for name in document["components"]["schemas"]
            if not re.fullmatch("([A-Z][a-z]+)+", name) or name.endswith("View")
        ]

        assert wrong == []
        assert {"Run", "RunPage", "Pipeline"} <= set(document["components"]["schemas"])


class TestExamples:
    async def test_every_body_has_one(self, document):
        without = [name for name, body in contents(document) if not [*shown(document, body)]]

        assert without == []

    async def test_each_fits_its_schema(self, document):
        wrong = {
            name: reason
            for name, body in contents(document)
            for value in shown(document, body)
            if (reason := misfit(document, body.get("schema", {}), value))
        }

        assert wrong == {}

    async def test_those_of_parameters_and_headers_fit(self, document):
        places = [
            (f"{name} {parameter['name']}", parameter) for name, parameter in parameters(document)
        ]
        places += document["components"]["headers"].items()
        wrong = {
            name: reason
            for name, place in places
            if "example" in place
            and (reason := misfit(document, place["schema"], place["example"]))
        }

        assert wrong == {}

    async def test_every_parameter_of_a_path_has_one(self, document):
        without = [
            (name, parameter["name"])
            for name, parameter in parameters(document)
            if parameter["in"] == "path" and "example" not in parameter
        ]

        assert without == []

    async def test_those_by_hand_are_all_used(self, document):
        names, told = set[str](), set[str]()
        for name, operation in operations(document):
            method, _, path = name.partition(" ")
            names.add(f"{method.upper()} {path}")
            told |= {f"{status} {method.upper()} {path}" for status in operation["responses"]}

        assert set(examples.REQUESTS) <= names
        assert set(examples.RESPONSES) <= told
        assert set(examples.SHAPES) <= set(document["components"]["schemas"])

    def test_the_definition_is_one_and_the_same_in_both_languages(self):
        loaded = load(examples.DEFINITION_YAML, SourceFormat.YAML)

        assert loaded.errors == ()
        assert loaded.document == examples.DEFINITION

    def test_the_difference_is_the_one_that_there_is(self):
        shown = examples.SHAPES["Diff"]
        (change,) = shown["changes"]
        names = (f"v{shown['before']}.yaml", f"v{shown['after']}.yaml")
        before = examples.DEFINITION_YAML.replace(change["after"], change["before"])
        document = load(before, SourceFormat.YAML).document

        assert shown["text"] == diffs.unified(before, examples.DEFINITION_YAML, names)
        assert diffs.changes(document, examples.DEFINITION) == [diffs.FieldChange(**change)]

    async def test_what_they_make_can_be_made(self, document, owner):
        def bodies(path):
            body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            return list(shown(document, body))

        answers = [
            await owner.post("/api/pipelines", json=each) for each in bodies("/api/pipelines")
        ]
        pipeline_id = answers[0].json()["id"]
        for path in (
            "/api/pipelines/{pipeline_id}/schedules",
            "/api/pipelines/{pipeline_id}/secrets",
            "/api/user/secrets",
            "/api/user/api-keys",
        ):
            address = path.format(pipeline_id=pipeline_id)
            answers += [await owner.post(address, json=each) for each in bodies(path)]

        assert [answer.text for answer in answers if answer.status_code != 201] == []


class TestHeaders:
    @pytest.fixture
    async def account(self, make):
        return await make.user(plan="free")

    async def test_each_route_says_that_every_answer_has_the_requests_id(self, document):
        without = [
            (name, status)
            for name, status, response in answers(document)
            if status == "default" and "X-Request-ID" not in response["headers"]
        ]

        assert without == []

    async def test_every_answer_that_asks_to_wait_says_how_long(self, document):
        for _, status, response in answers(document):
            if status in ("429", "503", "default"):
                assert "Retry-After" in response["headers"]

    async def test_those_of_a_success_are_sent(self, document, owner, account, make):
        response = await owner.get(f"/api/pipelines/{await make.pipeline(account)}")

        documented = document["paths"]["/api/pipelines/{pipeline_id}"]["get"]["responses"]["200"]
        assert response.status_code == 200
        assert list(documented["headers"]) == ["ETag"]
        assert "ETag" in response.headers

    async def test_those_of_errors_are_sent(self, document, owner, client):
        failed = [
            await owner.get("/api/runs/none"),
            await client.get("/api/runs"),
            await owner.delete("/api/runs"),
        ]
        while failed[-1].status_code != 429:
            failed.append(await owner.get("/api/runs"))

        documented = {name.lower() for name in resolved(document, ANY_ERROR)["headers"]}
        only_with = {"www-authenticate": 401, "allow": 405, "retry-after": 429}
        without_credential = {name for name in documented if name.startswith("ratelimit-")}
        assert [each.status_code for each in failed[:3]] == [404, 401, 405]
        assert set(only_with) | {"x-request-id"} < documented
        assert len(without_credential) == 4
        for response in (*failed[:3], failed[-1]):
            status = response.status_code
            expected = {name for name in documented if only_with.get(name, status) == status}
            if status in (401, 405):
                expected -= without_credential
            assert expected <= set(response.headers), status

    async def test_each_route_has_the_response_for_errors_of_any_route(self, document):
        assert {str(each["responses"]["default"]) for _, each in operations(document)} == {
            str(ANY_ERROR)
        }

    async def test_headers_of_requests_are_spelled_as_usual(self, document):
        names = {
            parameter["name"]
            for _, parameter in parameters(document)
            if parameter["in"] == "header"
        }

        assert names == {
            "Accept",
            "If-Match",
            "If-None-Match",
            "Last-Event-ID",
            "Idempotency-Key",
        }

    async def test_the_stream_names_its_events(self, document):
        answer = document["paths"]["/api/runs/{run_id}/stream"]["get"]["responses"]["200"]

        assert list(answer["content"]) == ["text/event-stream"]
        assert all(f"`{kind}`" in answer["description"] for kind in EventType)

    @pytest.mark.parametrize(
        ("name", "types"),
        [
            ("StreamedEvent", set(EventType)),
            ("Event", set(EventType) - {EventType.STEP_DELTA}),
        ],
    )
    async def test_an_event_is_one_of_the_types(self, document, name, types):
        schemas = document["components"]["schemas"]

        mapping = schemas[name]["discriminator"]["mapping"]

        assert set(mapping) == types
        assert [each["$ref"] for each in schemas[name]["oneOf"]] == list(mapping.values())
        for kind, reference in mapping.items():
            shape = schemas[reference.rpartition("/")[2]]
            assert shape["properties"]["type"]["const"] == kind
