from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.execution.interpreter.attempts import pause_before_retry
from stepiq.language.definitions.step import Retry
from stepiq.store.tables import large_values
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider

TRANSFORMS = """
name: Greeting
input: {schema: {name: {type: string, required: true}}}
steps:
  - {id: hello, type: transform, template: "Hello {{input.name}}"}
  - {id: loud, type: transform, template: "{{steps.hello.output}}!"}
"""

ASK = """
name: Ask
steps:
  - {id: before, type: transform, template: "cats"}
  - id: ask
    model: openai/gpt-4o-mini
    prompt: "Tell me about {{steps.before.output}}"
    retry: {max_attempts: 3, backoff_ms: 1}
"""


@pytest.mark.one_store
class TestTransforms:
    async def test_the_last_step_gives_the_runs_output(self, world: World):
        ended = await world.run(TRANSFORMS, {"name": "Ada"})

        assert ended.run.status == "completed"
        assert ended.run.output == "Hello Ada!"

    async def test_output_from_chooses_the_step(self, world: World):
        ended = await world.run(TRANSFORMS + "output: {from: hello}", {"name": "Ada"})

        assert ended.run.output == "Hello Ada"

    @pytest.mark.both_stores
    async def test_rows_tell_order_and_times(self, world: World):
        ended = await world.run(TRANSFORMS, {"name": "Ada"})

        hello, loud = ended.steps["hello"], ended.steps["loud"]
        assert (hello.ordinal, loud.ordinal) == (1, 2)
        assert hello.started_at <= hello.completed_at <= loud.completed_at

    @pytest.mark.both_stores
    async def test_events_are_numbered_without_gap(self, world: World):
        ended = await world.run(TRANSFORMS, {"name": "Ada"})

        assert [event.seq for event in ended.events] == list(range(1, len(ended.events) + 1))
        assert ended.run.last_seq == len(ended.events)

    async def test_listeners_hear_what_is_recorded(self, world: World):
        ended = await world.run(TRANSFORMS, {"name": "Ada"})

        assert [e["seq"] for e in ended.heard.events] == [e.seq for e in ended.events]
        assert [e["type"] for e in ended.heard.events] == [e.type for e in ended.events]

    @pytest.mark.both_stores
    async def test_row_and_event_agree_on_when_the_run_ended(self, world: World):
        ended = await world.run(TRANSFORMS, {"name": "Ada"})

        assert ended.events[-1].data["completed_at"] == clock.iso(ended.run.completed_at)

    @pytest.mark.both_stores
    async def test_more_steps_than_are_settled_together_keep_their_order(self, world: World):
        steps = "\n".join(f"  - {{id: s{n}, type: transform, template: '{n}'}}" for n in range(45))

        ended = await world.run(f"name: Many\nsteps:\n{steps}")

        assert [row.ordinal for row in ended.steps.values()] == list(range(1, 46))
        assert ended.run.output == "44"

    @pytest.mark.both_stores
    async def test_json_output_is_data_for_later_steps(self, world: World):
        ended = await world.run(
            """
            name: Data
            steps:
              - {id: data, type: transform, output_format: json, template: '{"a": [1, 2]}'}
              - {id: use, type: transform, template: "{{steps.data.output.a.[1]}}"}
            """
        )

        assert ended.steps["data"].output == {"a": [1, 2]}
        assert ended.run.output == "2"

    async def test_json_that_is_none_fails_and_says_why(self, world: World):
        ended = await world.run(
            "name: Bad\nsteps: [{id: bad, type: transform, output_format: json, template: 'no'}]"
        )

        assert ended.run.status == "failed"
        assert ended.run.error["code"] == "output_invalid"
        assert "json" in ended.run.error["message"]

    async def test_data_that_looks_like_a_template_stays_text(self, world: World):
        ended = await world.run(TRANSFORMS, {"name": "{{input.secret}}"})

        assert ended.run.output == "Hello {{input.secret}}!"


@pytest.mark.one_store
class TestFailures:
    async def test_a_template_that_finds_nothing_fails_its_step(self, world: World):
        ended = await world.run(
            """
            name: Missing
            input: {schema: {type: object}}
            steps:
              - {id: bad, type: transform, template: "{{input.a.b}}"}
              - {id: never, type: transform, template: "x"}
            """,
            {},
        )

        assert ended.run.error["code"] == "template_unresolved"
        assert ended.run.error["step_id"] == "bad"
        assert "input.a.b" in ended.run.error["message"] or "input.a" in ended.run.error["message"]
        assert ended.steps["bad"].status == "failed"
        assert "never" not in ended.steps

    async def test_a_prompt_that_finds_nothing_fails_before_anything_is_sent(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        ended = await world.run(
            "name: M\ninput: {schema: {type: object}}\nsteps: [{id: ask, model: openai/gpt-4o, prompt: '{{input.a.b}}'}]"
        )

        assert ended.run.error["code"] == "template_unresolved"
        assert "`prompt`" in ended.run.error["message"]
        assert fake_provider.requests == []

    async def test_a_system_prompt_that_finds_nothing_is_named(self, world: World):
        ended = await world.run(
            "name: M\ninput: {schema: {type: object}}\n"
            "steps: [{id: ask, model: openai/gpt-4o, prompt: x, system_prompt: '{{input.a.b}}'}]"
        )

        assert "`system_prompt`" in ended.run.error["message"]

    async def test_a_missing_secret_is_named(self, world: World):
        ended = await world.run(
            "name: S\nsteps: [{id: s, type: transform, template: '{{env.TOKEN}}'}]"
        )

        assert ended.run.error["code"] == "secret_missing"
        assert "TOKEN" in ended.run.error["message"]

    async def test_an_output_over_one_mebibyte_fails(self, world: World):
        ended = await world.run(
            "name: Big\ninput: {schema: {type: object}}\n"
            "steps: [{id: big, type: transform, template: '{{json input}}{{json input}}{{json input}}'}]",
            {"x": "y" * 400_000},
        )

        assert ended.run.error["code"] == "output_too_large"

    @pytest.mark.both_stores
    async def test_a_fault_of_ours_ends_the_run_as_internal(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        pipeline_id = await world.pipeline(TRANSFORMS)
        monkeypatch.setattr("stepiq.execution.interpreter.executor.new_scope", None)

        run_id, heard = await world.start(pipeline_id, {"name": "x"})

        assert (await heard.until_ended())["status"] == "failed"
        ended = await world.ended(run_id, heard)
        assert ended.run.error["code"] == "internal"
        assert str(run_id) in ended.run.error["message"]
        assert await world.counters() == (0, 0)


class TestLargeOutputs:
    async def test_they_sit_apart_from_the_rows_that_lists_read(self, world: World):
        ended = await world.run(
            "name: L\ninput: {schema: {type: object}}\nsteps: [{id: l, type: transform, template: '{{input.x}}'}]",
            {"x": "y" * 70_000},
        )

        assert ended.run.output is None
        assert ended.run.output_is_large
        async with world.database.reading() as session:
            values = (await session.execute(sa.select(large_values))).all()
        assert {value.owner_id for value in values} == {ended.run.id, ended.steps["l"].id}
        assert all(value.value == "y" * 70_000 for value in values)

    @pytest.mark.one_store
    @pytest.mark.parametrize("brackets", [3, 27])
    async def test_one_that_gets_deeper_and_deeper_ends_the_run(self, world: World, brackets: int):
        inner = "[" * brackets + "has(steps.n) ? dyn(steps.n.output) : dyn(1)" + "]" * brackets
        ended = await world.run(
            f"name: D\nsteps:\n  - {{id: n, type: transform, set: {{v: '{inner}'}},"
            " on_condition: [{if: 'true', goto: n, max_loops: 100, on_limit: next}]}"
        )

        assert ended.run.error["code"] == "output_too_large"
        assert "more than 150 levels deep" in ended.run.error["message"]

    @pytest.mark.one_store
    async def test_all_outputs_of_a_run_together_are_bounded(self, world: World):
        steps = "\n".join(
            f"  - {{id: s{n}, type: transform, template: '{{{{input.x}}}}'}}" for n in range(18)
        )

        ended = await world.run(
            f"name: L\ninput: {{schema: {{type: object}}}}\nsteps:\n{steps}", {"x": "y" * 1_000_000}
        )

        assert ended.run.error["code"] == "output_too_large"
        assert ended.run.error["step_id"] == "s16"


@pytest.mark.one_store
class TestModels:
    async def test_the_answer_is_streamed_and_recorded(self, world: World):
        ended = await world.run(ASK)

        assert ended.run.status == "completed"
        assert ended.run.output == "echo: Tell me about cats"
        assert ended.heard.text == ended.run.output

    @pytest.mark.both_stores
    async def test_the_row_tells_what_was_sent_and_used(self, world: World):
        ended = await world.run(ASK)

        step = ended.steps["ask"]
        assert step.prompt == "Tell me about cats"
        assert step.model == "openai/gpt-4o-mini"
        assert step.input_tokens > 0
        assert step.output_tokens > 0
        assert sum(step.cost.values()) > 0

    @pytest.mark.both_stores
    async def test_the_runs_totals_are_the_sum_of_its_steps(self, world: World):
        ended = await world.run(ASK)

        step = ended.steps["ask"]
        assert ended.run.input_tokens == step.input_tokens
        assert ended.run.output_tokens == step.output_tokens
        assert ended.run.cost_usd_micros == sum(step.cost.values())
        assert ended.run.credit_tokens == step.input_tokens + step.output_tokens
        assert ended.run.cost_complete

    @pytest.mark.both_stores
    async def test_an_unknown_price_is_null_and_makes_the_sum_incomplete(self, world: World):
        ended = await world.run(
            "name: P\nsteps: [{id: ask, model: openai/nobody-knows, prompt: x}]"
        )

        assert ended.run.status == "completed"
        assert ended.steps["ask"].cost is None
        assert ended.run.cost_usd_micros == 0
        assert not ended.run.cost_complete

    async def test_a_model_that_does_not_exist_any_more_is_named(self, world: World):
        ended = await world.run("name: P\nsteps: [{id: ask, model: nowhere/some-model, prompt: x}]")

        assert ended.run.error["code"] == "model_unknown"
        assert "nowhere/some-model" in ended.run.error["message"]

    @pytest.mark.both_stores
    async def test_characters_that_cannot_be_stored_are_replaced(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.behaviour.text = "a\ud800b \x00c \U0001f600"

        ended = await world.run(ASK)

        assert ended.run.output == "a\ufffdb \ufffdc \U0001f600"
        assert ended.heard.text == ended.run.output

    async def test_a_model_that_nobody_bills_costs_no_credits(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        ended = await world.run("name: P\nsteps: [{id: ask, model: ollama/llama3.2, prompt: x}]")

        assert ended.run.status == "completed"
        assert (ended.run.credit_tokens, ended.run.cost_usd_micros) == (0, 0)
        assert ended.run.cost_complete

    async def test_without_a_model_the_default_one_answers(self, world: World):
        ended = await world.run("name: P\nsteps: [{id: ask, prompt: x}]")

        assert ended.steps["ask"].model == "openai/gpt-4o-mini"

    async def test_every_attempt_has_the_same_idempotency_key(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[500])

        ended = await world.run(ASK)

        keys = {request.headers["idempotency-key"] for request in fake_provider.requests}
        assert keys == {f"{ended.run.id}:ask:1"}


@pytest.mark.one_store
class TestRetries:
    @pytest.mark.both_stores
    async def test_429_then_500_then_well_completes(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[429, 500])

        ended = await world.run(ASK)

        assert ended.run.status == "completed"
        assert ended.steps["ask"].attempts == 3
        assert ended.steps["ask"].failures == 2

    async def test_each_failure_is_in_the_steps_log(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[429, 500])

        ended = await world.run(ASK)

        lines = [event.data["message"] for event in ended.events if event.type == "step.log"]
        assert [line.split(".")[0] for line in lines] == ["Attempt 1 failed", "Attempt 2 failed"]

    async def test_attempts_run_out(self, world: World, fake_provider: RunningFakeProvider):
        fake_provider.configure(failures=[500, 500, 500])

        ended = await world.run(ASK)

        assert ended.run.error["code"] == "provider_error"
        assert ended.steps["ask"].attempts == 3

    async def test_a_wrong_key_is_not_tried_again_and_never_shown(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[401])

        ended = await world.run(ASK)

        assert ended.run.error["code"] == "provider_auth"
        assert "OPENAI_API_KEY" in ended.run.error["message"]
        assert "0123456789" not in str(ended.events) + str(ended.steps) + str(ended.run)
        assert ended.steps["ask"].attempts == 1

    def test_the_pause_grows_and_is_capped(self):
        retry = Retry(
            max_attempts=5, backoff=timedelta(seconds=1), max_backoff=timedelta(seconds=3)
        )

        pauses = [pause_before_retry(retry, n, None).total_seconds() for n in (1, 2, 3, 100)]

        for pause, expected in zip(pauses, (1, 2, 3, 3), strict=True):
            assert expected * 0.8 <= pause <= expected * 1.2

    def test_what_the_provider_asks_for_goes_first(self):
        retry = Retry(max_attempts=5)

        assert pause_before_retry(retry, 1, timedelta(seconds=9)) == timedelta(seconds=9)


@pytest.mark.one_store
class TestJsonAnswers:
    SCHEMA = """
    name: Schema
    steps:
      - id: ask
        model: openai/gpt-4o-mini
        prompt: x
        output_schema: {type: object, required: [city], properties: {city: {type: string}}}
    """

    async def test_an_answer_that_fits_is_data(self, world: World):
        ended = await world.run(self.SCHEMA)

        assert ended.run.status == "completed"
        assert isinstance(ended.run.output["city"], str)

    @pytest.mark.both_stores
    async def test_an_integer_with_a_fraction_of_zero_is_written_without(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(replies=['{"city": 201006.0}'])

        ended = await world.run(self.SCHEMA.replace("{type: string}", "{type: integer}"))

        assert repr(ended.run.output) == "{'city': 201006}"

    async def test_a_wrong_answer_gets_one_chance_to_be_put_right(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(replies=["sorry", '```json\n{"city": "Rome"}\n```'])

        ended = await world.run(self.SCHEMA)

        assert ended.run.output == {"city": "Rome"}
        assert ended.steps["ask"].attempts == 1
        assert len(fake_provider.requests) == 2

    async def test_both_calls_are_paid_for(self, world: World, fake_provider: RunningFakeProvider):
        fake_provider.configure(replies=["sorry", '{"city": "Rome"}'])

        ended = await world.run(self.SCHEMA)

        asked_once = await world.run(self.SCHEMA)
        assert ended.run.input_tokens > asked_once.run.input_tokens

    async def test_a_second_wrong_answer_fails_and_shows_it(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(replies=['{"city": 1}', '{"town": "' + "x" * 300 + '"}'])

        ended = await world.run(self.SCHEMA)

        assert ended.run.error["code"] == "output_invalid"
        assert "town" in ended.run.error["message"]

    async def test_an_answer_that_was_cut_off_says_which_limit_to_raise(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(replies=['{"ci', '{"ci'], finish_reason="length")

        ended = await world.run(self.SCHEMA)

        assert ended.run.error["code"] == "output_invalid"
        assert "max_tokens" in ended.run.error["message"]

    async def test_output_format_json_takes_any_json(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(replies=["[1, 2]"])

        ended = await world.run(
            "name: J\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: x, output_format: json}]"
        )

        assert ended.run.output == [1, 2]
