import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from stepiq.cli.fake_provider.values import matching_instance
from tests.cli.conftest import Cli
from tests.support.fake_provider import RunningFakeProvider, running_fake_provider
from tests.support.ports import free_port

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "one two"}]}


@pytest.fixture
async def server() -> AsyncIterator[RunningFakeProvider]:
    async with running_fake_provider() as running:
        yield running


@pytest.fixture
async def client(server: RunningFakeProvider) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=server.url.removesuffix("/v1"), trust_env=False) as http:
        yield http


async def chat(client: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    return await client.post("/v1/chat/completions", json={**ASKED, **fields})


class TestChat:
    async def test_without_stream_the_answer_comes_whole(self, client: httpx2.AsyncClient):
        reply = (await chat(client)).json()

        assert reply["choices"][0]["message"]["content"] == "echo: one two"
        assert reply["usage"] == {
            "prompt_tokens": 2,
            "completion_tokens": 3,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0},
        }

    async def test_a_stream_ends_with_usage_if_asked_and_done(self, client: httpx2.AsyncClient):
        reply = await chat(client, stream=True, stream_options={"include_usage": True})

        lines = [line for line in reply.text.split("\n\n") if line]
        assert lines[-1] == "data: [DONE]"
        assert json.loads(lines[-2].removeprefix("data: "))["usage"]["total_tokens"] == 5

    async def test_messages_may_come_in_parts(self, client: httpx2.AsyncClient):
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

        reply = await chat(client, messages=[{"role": "user", "content": parts}])

        assert reply.json()["choices"][0]["message"]["content"] == "echo: ab"

    async def test_scripted_replies_come_one_by_one(
        self, client: httpx2.AsyncClient, server: RunningFakeProvider
    ):
        server.configure(replies=["first"], text="then", usage=False)

        texts = [(await chat(client)).json()["choices"][0]["message"]["content"] for _ in range(2)]

        assert texts == ["first", "then"]

    @pytest.mark.parametrize(
        ("answers", "content"), [("invalid", '["not", "it"]'), ("prose", "echo: one two")]
    )
    async def test_json_may_be_missed_on_purpose(
        self, client: httpx2.AsyncClient, server: RunningFakeProvider, answers: str, content: str
    ):
        server.configure(json_answers=answers)

        reply = await chat(client, response_format={"type": "json_object"})

        assert reply.json()["choices"][0]["message"]["content"] == content

    @pytest.mark.parametrize(
        ("field", "problem"),
        [
            (
                {"type": "string", "pattern": "^a$", "minLength": 2},
                'b: "text" does not match "^a$".',
            ),
            ({"type": "integer", "multipleOf": 7}, "b: 1 is not a multiple of 7."),
        ],
    )
    async def test_a_schema_that_it_cannot_match_is_refused(
        self, client: httpx2.AsyncClient, server: RunningFakeProvider, field: Any, problem: str
    ):
        schema = {"type": "object", "properties": {"b": field}}

        reply = await chat(
            client, response_format={"type": "json_schema", "json_schema": {"schema": schema}}
        )

        assert reply.status_code == server.requests[0].status == 400
        assert problem in reply.json()["error"]["message"]

    @pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"messages": []}'])
    async def test_a_body_that_is_no_request_gets_400(
        self, client: httpx2.AsyncClient, body: bytes
    ):
        assert (await client.post("/v1/chat/completions", content=body)).status_code == 400

    async def test_no_key_and_a_short_one_are_refused_in_openais_words(
        self, client: httpx2.AsyncClient, server: RunningFakeProvider
    ):
        server.configure(api_key="right")

        without = await chat(client)
        wrong = await client.get("/v1/models", headers={"Authorization": "Bearer wrong"})
        right = await client.get("/v1/models", headers={"Authorization": "Bearer right"})

        assert "didn't provide an API key" in without.json()["error"]["message"]
        assert "Incorrect API key provided: wrong" in wrong.json()["error"]["message"]
        assert right.status_code == 200

    async def test_elsewhere_there_is_nothing(self, client: httpx2.AsyncClient):
        assert (await client.get("/v1/other")).status_code == 404


class TestControl:
    async def test_behaviour_is_changed_over_http(self, client: httpx2.AsyncClient):
        reply = await client.post("/_control/config", json={"text": "hi", "failures": [503]})

        assert reply.json()["text"] == "hi"
        assert (await chat(client)).status_code == 503
        assert (await chat(client)).json()["choices"][0]["message"]["content"] == "hi"
        assert (await client.get("/_control/config")).json()["failures"] == []

    async def test_a_reset_forgets_all(self, client: httpx2.AsyncClient):
        await client.post("/_control/config", json={"text": "hi"})
        await chat(client)

        await client.post("/_control/config", json={"reset": True})

        assert (await client.get("/_control/stats")).json()["calls"] == 0
        assert (await client.get("/_control/config")).json()["text"] is None

    @pytest.mark.parametrize("body", ['{"txt": "hi"}', "[]", "{", '{"latency_ms": -1}'])
    async def test_a_wrong_field_is_refused(self, client: httpx2.AsyncClient, body: str):
        reply = await client.post("/_control/config", content=body)

        assert reply.status_code == 422

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ('{"txt": "hi"}', "txt: Unknown field. Did you mean `text`?"),
            (
                '{"latency_ms": -1, "usage": 3}',
                "latency_ms: Must be at least 0.0. usage: Must be true or false.",
            ),
            ("[]", "The body must be a JSON object"),
            ("{", "The body must be a JSON object"),
        ],
    )
    async def test_a_refusal_says_what_is_wrong(
        self, client: httpx2.AsyncClient, body: str, message: str
    ):
        reply = await client.post("/_control/config", content=body)

        assert reply.json()["error"]["message"].startswith(message)

    async def test_requests_are_shown_without_credentials(self, client: httpx2.AsyncClient):
        await client.post(
            "/v1/chat/completions", json=ASKED, headers={"Authorization": "Bearer sk-secret"}
        )

        shown = (await client.get("/_control/requests")).json()["data"][0]

        assert shown["body"] == ASKED
        assert (shown["status"], shown["finished"]) == (200, True)
        assert "sk-secret" not in json.dumps(shown)


class TestInstanceOf:
    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ({"type": "string", "minLength": 6}, "textxx"),
            ({"type": "string", "maxLength": 2}, "te"),
            ({"enum": ["a", "b"]}, "a"),
            ({"const": 3}, 3),
            ({"type": "number", "minimum": 4}, 4),
            ({"type": "integer", "maximum": 0}, 0),
            ({"type": ["null", "string"]}, None),
            ({"type": "string", "pattern": "a", "minLength": 3}, "axx"),
            ({"type": "boolean"}, True),
            ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
            ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
            ({"properties": {"a": {"type": "integer"}, "b": {}}, "required": ["a"]}, {"a": 1}),
            ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}}, 1),
            (True, None),
        ],
    )
    def test_it_fits_the_schema(self, schema: Any, value: Any):
        assert matching_instance(schema) == value

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": ["string", "null"], "pattern": "^A-[0-9]{5}$"},
            {"type": "string", "pattern": "^[A-Z]+$", "minLength": 3, "maxLength": 5},
        ],
    )
    def test_a_text_matches_its_pattern(self, schema: dict[str, Any]):
        assert jsonschema_rs.is_valid({**schema, "type": "string"}, matching_instance(schema))


class TestServe:
    def test_a_port_in_use_is_an_error_before_anything_is_announced(self, cli: Cli):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]

            said = cli("dev", "fake-provider", "--port", str(port))

        assert (said.code, said.out) == (1, "")
        assert said.err == (
            f"Error: The server cannot listen on 127.0.0.1:{port}: Address already in use. Stop the process that uses it, or set"
            " --port to another port (0 takes a free one).\n"
        )

    @pytest.mark.slow
    async def test_it_serves_in_a_process_of_its_own(self):
        port = free_port()
        code = f"from stepiq.cli.fake_provider.server import serve; serve(port={port}, text='hi')"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        url = f"http://127.0.0.1:{port}"
        try:
            async with (
                asyncio.timeout(60),
                httpx2.AsyncClient(base_url=url, trust_env=False) as http,
            ):
                while True:
                    try:
                        reply = await http.post("/v1/chat/completions", json=ASKED)
                        break
                    except httpx2.ConnectError:
                        await asyncio.sleep(0.05)
        finally:
            process.kill()
            await process.wait()

        assert reply.json()["choices"][0]["message"]["content"] == "hi"
