import base64
import json
import threading
import urllib.parse

import pytest
import sqlalchemy as sa

from stepiq.providers.registry import Providers
from stepiq.redaction.masking import Masker
from stepiq.store.database import Session
from stepiq.store.tables import metadata
from tests.support.make_secrets import keyring

pytestmark = pytest.mark.one_store

CANARY = 'c4n/ary+"7f3a91"\\d02c é'
MASK = "[secret:TOKEN]"
ASKING = """\
name: Asking
steps:
  - id: ask
    model: openai/gpt-4o
    prompt: "Use {{env.TOKEN}} now."
    system_prompt: "The key is {{env.TOKEN}}."
    retry: {max_attempts: 2}
"""
WRITING = """\
name: Writing
steps:
  - id: write
    type: transform
    template: "<{{env.TOKEN}}>"
  - id: again
    type: transform
    template: "{{steps.write.output}}!"
"""


def sent(fake_provider, number=0):
    return [message["content"] for message in fake_provider.requests[number].body["messages"]]


def found_in(text):
    return CANARY in text or json.dumps(CANARY)[1:-1] in text or CANARY[:9] in text


async def everything(world):
    """All that the store holds, as one text."""
    async with world.database.reading() as session:
        texts = []
        for name in metadata.tables:
            rows = (
                await session.execute(sa.select(sa.text("*")).select_from(sa.table(name)))
            ).all()
            texts += [str(column) for row in rows for column in row]
    return "\n".join(texts)


def masking_threads(monkeypatch, method, longer_than=None):
    """The threads in which a method of `Masker` is called from now on, for long texts."""
    threads, mask = set(), getattr(Masker, method)

    def noted(masker, value):
        if not longer_than or len(value) > longer_than:
            threads.add(threading.get_ident())
        return mask(masker, value)

    monkeypatch.setattr(Masker, method, noted)
    return threads


class TestPrompts:
    async def test_the_model_gets_the_secret_and_the_record_a_mask(self, world, fake_provider):
        await world.secret("TOKEN", CANARY)

        ended = await world.run(ASKING)

        assert sent(fake_provider) == [f"The key is {CANARY}.", f"Use {CANARY} now."]
        step = ended.steps["ask"]
        assert step.prompt == f"Use {MASK} now."
        assert step.system_prompt == f"The key is {MASK}."
        assert step.output == ended.run.output == f"echo: Use {MASK} now."
        assert ended.heard.text == f"echo: Use {MASK} now."
        assert not found_in(await everything(world))

    @pytest.mark.parametrize(
        "written",
        [
            base64.b64encode(f"user:{CANARY}".encode()).decode(),
            urllib.parse.quote(CANARY, safe=""),
            json.dumps(CANARY),
            " ".join([CANARY] * 3),
        ],
        ids=["base64", "url", "json", "thrice"],
    )
    async def test_what_the_model_makes_of_it_is_masked(self, world, fake_provider, written):
        fake_provider.configure(text=f"It is {written} indeed", token_ms=1)
        await world.secret("TOKEN", CANARY)

        ended = await world.run(ASKING)

        assert MASK in ended.run.output
        assert ended.heard.text == ended.run.output
        assert written not in await everything(world)
        assert written not in str(ended.heard.events)

    async def test_json_is_checked_as_it_came_and_recorded_masked(self, world, fake_provider):
        await world.secret("TOKEN", CANARY)
        answer = json.dumps({CANARY: [CANARY, 7]})
        fake_provider.configure(text=answer)
        source = ASKING.replace("    retry:", "    output_schema: {type: object}\n    retry:")

        ended = await world.run(source)

        assert ended.run.output == {MASK: [MASK, 7]}

    async def test_errors_and_log_lines_are_masked(self, world, fake_provider):
        await world.secret("TOKEN", CANARY)
        failure = {"status": 500, "message": f"{'x' * 290} {CANARY}", "retry_after": "0.01"}
        fake_provider.configure(failures=[failure, failure])

        ended = await world.run(ASKING)

        shown = str(ended.events) + str(ended.run.error)
        assert ended.run.status == "failed"
        assert CANARY[:6] not in shown
        assert not found_in(await everything(world))

    async def test_an_answer_that_cannot_be_used_is_quoted_masked(self, world, fake_provider):
        await world.secret("TOKEN", CANARY)
        fake_provider.configure(text=f"{'y' * 195}{CANARY}")
        source = ASKING.replace("    retry:", "    output_format: json\n    retry:")

        ended = await world.run(source)

        assert ended.run.error["code"] == "output_invalid"
        assert CANARY[:4] not in ended.run.error["message"]


class TestTemplates:
    async def test_later_steps_see_the_mask(self, world):
        await world.secret("TOKEN", CANARY)

        ended = await world.run(WRITING)

        assert ended.run.output == f"<{MASK}>!"
        assert not found_in(await everything(world))

    async def test_a_step_that_sends_nothing_sees_only_the_label(self, world):
        await world.secret("TOKEN", "short")

        ended = await world.run(WRITING)

        assert ended.run.output == "<[secret:TOKEN]>!"

    async def test_the_pipelines_own_goes_before_the_accounts(self, world, fake_provider):
        pipeline_id = await world.pipeline(ASKING)
        await world.secret("TOKEN", "the account's value")
        await world.secret("TOKEN", "the pipeline's value", pipeline_id=pipeline_id)

        _, heard = await world.start(pipeline_id)
        await heard.until_ended()

        assert sent(fake_provider)[1] == "Use the pipeline's value now."

    async def test_a_missing_one_fails_the_step_that_uses_it(self, world, fake_provider):
        source = WRITING.replace("{{steps.write.output}}!", "{{#if false}}{{env.OTHER}}{{/if}}")
        await world.secret("OTHER", CANARY)

        ended = await world.run(source)

        assert ended.run.error["code"] == "secret_missing"
        assert ended.run.error["step_id"] == "write"
        assert "`TOKEN`" in ended.run.error["message"]
        assert "Step `write`, `template`: " in ended.run.error["message"]

    async def test_one_that_is_not_used_may_be_missing(self, world):
        ended = await world.run(WRITING.replace("<{{env.TOKEN}}>", "{{default env.TOKEN 'none'}}"))

        assert ended.run.output == "none!"

    async def test_one_under_another_master_key_fails_the_run_and_stays(self, world):
        await world.secret("TOKEN", CANARY, keys=keyring(b"o"))

        ended = await world.run(WRITING)

        assert ended.run.error["code"] == "secret_unreadable"
        assert keyring(b"o").current in ended.run.error["message"]
        assert list(ended.steps) == ["write"]

    async def test_input_stays_as_it_was_sent(self, world):
        await world.secret("TOKEN", CANARY)

        ended = await world.run(WRITING, {"mine": CANARY})

        assert ended.run.input_data == {"mine": CANARY}


class TestLarge:
    async def test_a_large_output_is_masked_beside_the_event_loop(self, world, monkeypatch):
        await world.secret("TOKEN", CANARY)
        threads = masking_threads(monkeypatch, "value")
        ended = await world.run(
            "name: Large\nsteps: [{id: a, type: transform, template: '{{input.text}}{{env.TOKEN}}'}]",
            {"text": "%41" * 30_000},
        )

        assert ended.run.status == "completed"
        assert MASK in (stored := await everything(world))
        assert not found_in(stored)
        assert threads
        assert threading.get_ident() not in threads

    async def test_a_large_prompt_is_masked_beside_the_event_loop(self, world, monkeypatch):
        await world.secret("TOKEN", CANARY)
        threads = masking_threads(monkeypatch, "text", longer_than=64 * 1024)
        await world.run(
            "name: Large\nsteps: [{id: a, prompt: '{{input.text}}{{env.TOKEN}}'}]",
            {"text": "%41" * 30_000},
        )

        assert MASK in (stored := await everything(world))
        assert not found_in(stored)
        assert threads
        assert threading.get_ident() not in threads

    @pytest.mark.parametrize(
        ("step", "event"),
        [
            ("{id: a, type: human_review, message: '{{input.text}}'}", "review.requested"),
            (
                "{id: a, type: code, language: javascript, input: {text: input.text},"
                " source: 'function main({text}) { console.log(text); }'}",
                "step.log",
            ),
        ],
    )
    async def test_a_large_message_is_masked_beside_the_event_loop(
        self, world, monkeypatch, step, event
    ):
        await world.secret("TOKEN", CANARY)
        threads = masking_threads(monkeypatch, "text", longer_than=32 * 1024)
        names_it = "{id: b, type: webhook, if: 'false', url: 'http://127.0.0.1/{{env.TOKEN}}'}"
        _, heard = await world.start(
            await world.pipeline(f"name: Large\nsteps: [{step}, {names_it}]"),
            {"text": f"{CANARY}{'%41' * 15_000}"},
        )

        told = json.dumps(await heard.until(event))
        assert MASK in told
        assert not found_in(told)
        assert threads
        assert threading.get_ident() not in threads


class TestOwnKeys:
    async def test_the_accounts_key_is_used_and_costs_no_credits(self, world, fake_provider):
        await world.secret("OPENAI_API_KEY", "sk-own-0123456789abcdef")
        source = ASKING.replace("{{env.TOKEN}}", "nothing")

        ended = await world.run(source)

        assert fake_provider.requests[0].authorization == "Bearer sk-own-0123456789abcdef"
        assert ended.run.credit_tokens == 0
        assert ended.run.input_tokens > 0
        assert ended.run.cost_usd_micros > 0

    async def test_without_one_the_servers_is_used_and_counted(self, world, fake_provider):
        ended = await world.run(ASKING.replace("{{env.TOKEN}}", "nothing"))

        assert fake_provider.requests[0].authorization == "Bearer sk-test-0123456789"
        assert ended.run.credit_tokens == ended.run.input_tokens + ended.run.output_tokens

    async def test_a_wrong_one_is_named_as_the_secret_it_is(self, world, fake_provider):
        await world.secret("OPENAI_API_KEY", "sk-own-0123456789abcdef")
        fake_provider.configure(api_key="sk-test-0123456789")

        ended = await world.run(ASKING.replace("{{env.TOKEN}}", "nothing"))

        assert ended.run.error["code"] == "provider_auth"
        assert "the secret `OPENAI_API_KEY`" in ended.run.error["message"]
        assert "sk-own" not in await everything(world)

    async def test_it_is_the_default_models_too(self, world, fake_provider):
        await world.secret("OPENAI_API_KEY", "sk-own-0123456789abcdef")
        source = "name: X\nsteps: [{id: ask, prompt: hello}]"

        ended = await world.run(source)

        assert fake_provider.requests[0].authorization == "Bearer sk-own-0123456789abcdef"
        assert ended.run.credit_tokens == 0

    async def test_nothing_of_the_servers_environment_goes_with_it(
        self, world, fake_provider, monkeypatch
    ):
        monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-operator")
        await world.secret("OPENAI_API_KEY", "sk-own-0123456789abcdef")

        await world.run(ASKING.replace("{{env.TOKEN}}", "nothing"))

        assert "org-of-the-operator" not in str(fake_provider.requests[0].headers)


class TestCost:
    async def test_a_run_that_cannot_use_secrets_asks_for_none(self, world, monkeypatch):
        monkeypatch.setattr(Providers, "key_names", property(lambda _: 1 / 0))
        asked = []
        executing = Session.execute

        async def observe(self, statement, parameters=None):
            asked.append(str(statement))
            return await executing(self, statement, parameters)

        monkeypatch.setattr(Session, "execute", observe)
        await world.run("name: X\nsteps: [{id: a, type: transform, template: x}]")

        assert not any("FROM secrets" in statement for statement in asked)

    async def test_a_run_that_may_asks_once(self, world, monkeypatch):
        asked = []
        executing = Session.execute

        async def observe(self, statement, parameters=None):
            asked.append(str(statement))
            return await executing(self, statement, parameters)

        monkeypatch.setattr(Session, "execute", observe)
        await world.run(WRITING.replace("{{env.TOKEN}}", "{{default env.TOKEN 'x'}}"))

        assert sum("FROM secrets" in statement for statement in asked) == 1
