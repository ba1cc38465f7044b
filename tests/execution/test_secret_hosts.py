"""Secrets with a list of hosts."""

from collections.abc import AsyncIterator

import pytest

from stepiq.providers.local.model import LocalServer
from stepiq.providers.local.weights import LocalModelUnavailable
from tests.support.engine import Ended, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.listeners import answer, answering, serving
from tests.support.receiver import Receiver, Reply, running_receiver

pytestmark = pytest.mark.one_store

VALUE = "correct horse battery staple"
ASKING = "name: X\nsteps: [{id: ask, model: openai/gpt-4o, prompt: 'Use {{env.TOKEN}}.'}]"
LOCAL = "local/smollm2-135m"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


def source(url: str, fields: str = 'headers: {Authorization: "Bearer {{env.TOKEN}}"}') -> str:
    return f"name: X\nsteps:\n  - id: call\n    type: webhook\n    url: {url}\n    {fields}\n"


def refusal(ended: Ended) -> str:
    assert ended.run.error["code"] == "secret_host_refused"
    return ended.run.error["message"]


class TestWebhook:
    async def test_a_listed_host_gets_the_secret(self, world: World, receiver: Receiver):
        await world.secret("TOKEN", VALUE, hosts=["other.example", "127.0.0.1"])

        ended = await world.run(source(receiver.url))

        assert ended.run.status == "completed"
        assert receiver.received[0].headers["authorization"] == f"Bearer {VALUE}"

    @pytest.mark.parametrize(
        "fields",
        [
            "headers: {X-A: 'a {{env.TOKEN}}'}",
            "body: {a: [1, {b: '{{env.TOKEN}}'}]}",
            "body: 'key={{env.TOKEN}}'",
            "body: '{{#if input.x}}{{json env.TOKEN}}{{/if}}'",
        ],
    )
    async def test_no_other_host_is_called(self, world: World, receiver: Receiver, fields: str):
        await world.secret("TOKEN", VALUE, hosts=["api.example.com"])

        ended = await world.run(source(receiver.url, fields))

        assert receiver.received == []
        assert refusal(ended) == (
            "Step `call`, `url`: The secret `TOKEN` cannot be sent to `127.0.0.1`, which is not in its `hosts`. "
            "Correct the URL, or store the secret again with this host in `hosts`."
        )

    async def test_a_secret_in_the_url_counts(self, world: World, receiver: Receiver):
        await world.secret("TOKEN", "path-of-a-secret", hosts=["api.example.com"])

        ended = await world.run(source(f"{receiver.url}/{{{{env.TOKEN}}}}", "method: GET"))

        assert receiver.received == []
        refusal(ended)

    async def test_a_refused_host_is_not_looked_up(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        await world.secret("TOKEN", "host-of-a-secret", hosts=["api.example.com"])
        looked_up: list[str] = []
        monkeypatch.setattr("socket.getaddrinfo", lambda host, *_, **__: looked_up.append(host))

        ended = await world.run(source("https://{{env.TOKEN}}.evil.example", "method: GET"))

        assert looked_up == []
        assert "host-of-a-secret" not in refusal(ended)

    @pytest.mark.parametrize(
        ("value", "url"),
        [
            ("abcd1234/rest-of-it", "https://{{env.TOKEN}}"),
            ("abcd1234/rest-of-it", "https://x{{env.TOKEN}}"),
            ("https://abcd1234.example/rest-of-it", "{{env.TOKEN}}"),
            ("geheimnis-größe-abcd1234", "https://{{env.TOKEN}}.x.example"),
        ],
    )
    async def test_a_refused_host_from_a_secret_is_not_shown(
        self, world: World, value: str, url: str
    ):
        await world.secret("TOKEN", value, hosts=["api.example.com"])

        ended = await world.run(source(f"'{url}'", "method: GET"))

        assert "[secret:TOKEN]" in refusal(ended)
        assert "abcd1234" not in str([ended.run, ended.heard.events])

    async def test_a_redirect_is_checked_again(self, world: World, receiver: Receiver):
        port = receiver.url.rpartition(":")[2]
        await world.secret("TOKEN", VALUE, hosts=[f"127.0.0.1:{port}"])
        receiver.reply_with(Reply(302, headers={"Location": "http://127.0.0.2:1/"}))

        ended = await world.run(source(receiver.url))

        assert len(receiver.received) == 1
        assert "`127.0.0.2`" in refusal(ended)

    async def test_a_call_without_the_secret_is_free(self, world: World, receiver: Receiver):
        await world.secret("TOKEN", VALUE, hosts=["api.example.com"])

        ended = await world.run(source(receiver.url, "method: GET"))

        assert ended.run.status == "completed"

    async def test_the_pipelines_own_list_counts(self, world: World, receiver: Receiver):
        pipeline_id = await world.pipeline(source(receiver.url))
        await world.secret("TOKEN", VALUE, hosts=["127.0.0.1"])
        await world.secret("TOKEN", VALUE, hosts=["api.example.com"], pipeline_id=pipeline_id)

        run_id, heard = await world.start(pipeline_id)
        await heard.until_ended()

        refusal(await world.ended(run_id, heard))
        assert receiver.received == []


class TestFailure:
    """Failures of calls whose host is a part of a secret."""

    async def test_the_host_is_not_shown(self, world: World):
        await world.secret("TOKEN", "127.0.0.1:9/rest-of-it")

        ended = await world.run(source("http://{{env.TOKEN}}", "method: GET"))

        message = ended.run.error["message"]
        assert message.startswith("Step `call`: `[secret:TOKEN]` refused the connection")
        assert "127.0.0.1" not in str([ended.run, ended.heard.events])

    async def test_the_port_is_not_shown(self, world: World):
        async with serving(answering(answer(400))) as server:
            await world.secret("TOKEN", f"{server.removeprefix('http://')}/rest-of-it")

            ended = await world.run(source("https://{{env.TOKEN}}", "method: GET"))

        message = ended.run.error["message"]
        assert message.startswith("Step `call`: `[secret:TOKEN]` does not use TLS. Write `http://`")

    async def test_a_blocked_address_is_not_shown(self, world: World):
        await world.secret("TOKEN", "11.12.13/rest-of-it")

        ended = await world.run(source("http://10.{{env.TOKEN}}", "method: GET"))

        message = ended.run.error["message"]
        assert ended.run.error["code"] == "egress_blocked"
        assert "`10.[secret:TOKEN]` cannot be called: it is a private address" in message

    async def test_a_host_of_the_pipeline_is_shown(self, world: World):
        await world.secret("TOKEN", "path-of-a-secret")

        ended = await world.run(source("http://127.0.0.1:9/{{env.TOKEN}}", "method: GET"))

        assert "`127.0.0.1` refused the connection" in ended.run.error["message"]


class TestModels:
    async def test_a_prompt_goes_to_a_listed_host(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        await world.secret("TOKEN", VALUE, hosts=["127.0.0.1"])

        assert (await world.run(ASKING)).run.status == "completed"

    @pytest.mark.parametrize("field", ["prompt", "system_prompt"])
    async def test_a_prompt_goes_to_no_other_host(
        self, world: World, fake_provider: RunningFakeProvider, field: str
    ):
        await world.secret("TOKEN", VALUE, hosts=["api.example.com"])
        asking = ASKING.replace("prompt:", f"{field}:").replace("id: ask", "id: ask, prompt: a")

        ended = await world.run(asking if field != "prompt" else ASKING)

        assert fake_provider.requests == []
        assert "Model `openai/gpt-4o` cannot be called. The secret `TOKEN`" in refusal(ended)

    async def test_a_key_goes_to_no_other_host(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        await world.secret("OPENAI_API_KEY", "sk-own-0123456789abcdef", hosts=["api.openai.com"])

        ended = await world.run(ASKING.replace("{{env.TOKEN}}", "nothing"))

        assert fake_provider.requests == []
        assert "The secret `OPENAI_API_KEY` cannot be sent to `127.0.0.1`" in refusal(ended)

    async def test_another_model_may_be_allowed(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        await world.secret("OPENAI_API_KEY", "sk-own-0123456789abcdef", hosts=["api.openai.com"])
        asking = ASKING.replace("{{env.TOKEN}}", "nothing")

        ended = await world.run(
            asking.replace("gpt-4o,", "gpt-4o, fallback_models: [ollama/llama3],")
        )

        assert ended.run.status == "completed"
        assert ended.steps["ask"].model == "ollama/llama3"

    @pytest.mark.parametrize("hosts", [["api.example.com"], ["127.0.0.1", "localhost"]])
    async def test_a_prompt_with_a_secret_for_hosts_does_not_go_to_the_local_model(
        self, world: World, hosts: list[str]
    ):
        await world.secret("TOKEN", VALUE, hosts=hosts)

        ended = await world.run(ASKING.replace("openai/gpt-4o", LOCAL))

        assert refusal(ended) == (
            f"Step `ask`, `model`: Model `{LOCAL}` cannot be called. The secret `TOKEN` can only be sent to its "
            "`hosts`, which do not include the local model. Use a model of a provider in `hosts`, or store the secret "
            "again without `hosts`."
        )

    async def test_a_provider_in_the_list_may_answer_instead_of_the_local_model(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        await world.secret("TOKEN", VALUE, hosts=["127.0.0.1"])

        ended = await world.run(
            ASKING.replace("openai/gpt-4o,", f"{LOCAL}, fallback_models: [openai/gpt-4o],")
        )

        assert ended.steps["ask"].model == "openai/gpt-4o"

    async def test_the_local_model_gets_a_secret_without_a_list(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        async def refuse(server: LocalServer) -> None:
            raise LocalModelUnavailable("It is called, which is enough here.")

        monkeypatch.setattr(LocalServer, "connection", refuse)
        await world.secret("TOKEN", VALUE)

        ended = await world.run(ASKING.replace("openai/gpt-4o", LOCAL))

        assert "It is called" in ended.run.error["message"]
