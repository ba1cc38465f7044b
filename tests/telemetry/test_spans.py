"""A run of every step type as a trace: its spans, their parents and what they say."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from stepiq.core.observability import trace_context
from stepiq.core.observability.trace_context import SpanOf, TraceParent
from stepiq.core.settings.model import Settings
from stepiq.telemetry.exporter import TraceExporter
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.operations import approve, operations
from tests.support.otlp import CollectorServer, ReceivedSpan, shape
from tests.support.receiver import Received, Receiver

EVERY_TYPE = """
name: Everything
steps:
  - {id: ask, model: openai/gpt-4o-mini, prompt: "Tell me about cats", system_prompt: "Be kind", max_tokens: 50}
  - {id: call, type: webhook, method: POST, url: "URL/hook/path?token=in-the-query", body: {a: 1}}
  - {id: shape, type: transform, set: {n: "steps.shape.output == null ? 1 : steps.shape.output.n + 1"}}
  - {id: check, type: condition, cases: [{if: steps.shape.output.n < 2, goto: shape}]}
  - id: fan
    type: parallel
    for_each: "[1, 2]"
    steps:
      - id: inner
        type: parallel
        steps:
          - {id: deep, type: transform, template: "{{item}}"}
          - {id: ask_again, model: openai/gpt-4o-mini, prompt: "And dogs?"}
  - {id: compute, type: code, language: python, source: "def main(i): return 3"}
  - {id: pause, type: wait, seconds: 0.01}
  - {id: approve, type: human_review, message: "Good?"}
"""


pytestmark = pytest.mark.both_stores


async def traced(
    world: World, exporter: TraceExporter, collector: CollectorServer, run_id: Any
) -> list[ReceivedSpan]:
    """Export the queued runs; returns the spans of one of them."""
    await exporter.export()
    return await collector.trace_of(run_id)


@dataclass(frozen=True)
class Recording:
    """What came of a run of every step type."""

    spans: list[ReceivedSpan]
    exported: bytes
    receiver: Receiver
    """The server that a step called. It has stopped since."""

    @property
    def called(self) -> Received:
        (request,) = self.receiver.received
        return request


@pytest.fixture
async def recording(
    world: World, exporter: TraceExporter, collector: CollectorServer, receiver: Receiver
) -> Recording:
    source = EVERY_TYPE.replace("URL", receiver.url)
    run_id, heard = await world.start(await world.pipeline(source))
    await asyncio.wait_for(heard.until("run.status", status="waiting"), 30)
    await approve(world, run_id)
    ended = await asyncio.wait_for(heard.until_ended(), 30)
    assert ended["status"] == "completed", ended
    spans = await traced(world, exporter, collector, run_id)
    return Recording(spans, b"".join(each.body for each in collector.of("traces")), receiver)


_recordings: dict[str, Recording] = {}


@pytest.fixture
def recorded(request: pytest.FixtureRequest, database_url: str) -> Recording:
    """The recording of the first test that asks for it on this store: most tests only read it."""
    store = make_url(database_url).get_backend_name()
    if store not in _recordings:
        _recordings[store] = request.getfixturevalue("recording")
    return _recordings[store]


@pytest.fixture
def everything(recorded: Recording) -> list[ReceivedSpan]:
    return recorded.spans


def named(spans: list[ReceivedSpan], name: str) -> ReceivedSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


class TestSpansOf:
    async def test_each_step_and_each_call_is_below_what_contains_it(
        self, everything: list[ReceivedSpan]
    ):
        root = next(span.name for span in everything if span.name.startswith("run "))

        paths = [path.replace(root, "run") for path in shape(everything).values()]

        assert len({span.trace_id for span in everything}) == 1
        assert sorted(paths) == sorted(
            [
                "run",
                "run > step ask",
                "run > step ask > chat gpt-4o-mini",
                "run > step call",
                "run > step call > POST",
                *["run > step shape", "run > step check"] * 2,
                "run > step fan",
                *["run > step fan > step inner"] * 2,
                *["run > step fan > step inner > step deep"] * 2,
                *["run > step fan > step inner > step ask_again"] * 2,
                *["run > step fan > step inner > step ask_again > chat gpt-4o-mini"] * 2,
                "run > step compute",
                "run > step compute > code",
                "run > step pause",
                "run > step approve",
                "run > step approve > ask_person",
            ]
        )

    async def test_branches_are_below_the_execution_that_they_belong_to(
        self, everything: list[ReceivedSpan]
    ):
        inner = {
            s.id: s.attributes["stepiq.step.branch"] for s in everything if s.name == "step inner"
        }

        below = [
            (inner[span.parent_id], span.attributes["stepiq.step.branch"])
            for span in everything
            if span.parent_id in inner
        ]

        assert sorted(below) == [("0", "0/0"), ("0", "0/1"), ("1", "1/0"), ("1", "1/1")]

    async def test_the_root_describes_the_run(self, everything: list[ReceivedSpan]):
        root = everything[0]
        assert root.parent_id == ""
        assert root.trace_id == root.attributes["stepiq.run.id"].replace("-", "")
        assert root.resource["service.name"] == "stepiq"
        assert root.attributes["stepiq.run.status"] == "completed"
        assert root.attributes["stepiq.run.trigger"] == "api"
        assert root.attributes["stepiq.pipeline.version"] == 1
        assert root.name == f"run {root.attributes['stepiq.pipeline.slug']}"
        assert root.attributes["stepiq.run.input_tokens"] > 0
        assert [event.name for event in root.proto.events] == ["stepiq.run.started"]

    async def test_a_model_call_follows_the_conventions_for_generative_ai(
        self, everything: list[ReceivedSpan]
    ):
        (call,) = [
            span
            for span in everything
            if span.name == "chat gpt-4o-mini" and span.attributes["stepiq.step.id"] == "ask"
        ]
        found = call.attributes

        assert found["gen_ai.operation.name"] == "chat"
        assert found["gen_ai.provider.name"] == found["gen_ai.system"] == "openai"
        assert found["gen_ai.request.model"] == "gpt-4o-mini"
        assert found["gen_ai.request.max_tokens"] == 50
        assert found["gen_ai.response.model"] == "gpt-4o-mini"
        assert found["gen_ai.response.finish_reasons"] == ["stop"]
        assert found["gen_ai.usage.input_tokens"] > 0
        assert found["gen_ai.usage.output_tokens"] > 0
        assert found["stepiq.cost_usd"] > 0
        assert [event.name for event in call.proto.events] == ["stepiq.first_piece"]

    async def test_an_http_call_names_the_server_but_no_path(self, recorded: Recording):
        found = named(recorded.spans, "POST").attributes

        assert found["http.request.method"] == "POST"
        assert found["http.response.status_code"] == 200
        assert (found["server.address"], found["server.port"]) == (
            "127.0.0.1",
            recorded.receiver.port,
        )
        assert found["url.scheme"] == "http"
        assert "url.full" not in found

    async def test_a_large_request_names_the_server(
        self, world: World, exporter: TraceExporter, collector: CollectorServer, receiver: Receiver
    ):
        ended = await world.run(
            "name: Large\nsteps:\n"
            f"  - {{id: call, type: webhook, method: PUT, url: '{receiver.url}/x', body: {'z' * 70_000}}}\n"
        )

        spans = await traced(world, exporter, collector, ended.run.id)

        call = named(spans, "PUT").attributes
        assert call["http.request.method"] == "PUT"
        assert call["server.address"] == "127.0.0.1"

    async def test_no_content_is_exported_by_default(self, recorded: Recording):
        assert b"step ask" in recorded.exported
        for text in ("cats", "Be kind", "dogs", "hook/path", "in-the-query", "Good?", "def main"):
            assert text.encode() not in recorded.exported

    async def test_the_called_server_can_continue_the_trace(self, recorded: Recording):
        call = named(recorded.spans, "POST")

        sent = recorded.called.headers["traceparent"]

        assert sent == f"00-{call.trace_id}-{call.id}-01"


class TestContent:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"otlp_content": True})

    async def test_prompts_answers_and_urls_are_exported_on_request(self, recording: Recording):
        (call,) = [s for s in recording.spans if "gen_ai.system_instructions" in s.attributes]
        found = call.attributes

        assert json.loads(found["gen_ai.input.messages"]) == [
            {"role": "user", "parts": [{"type": "text", "content": "Tell me about cats"}]}
        ]
        assert json.loads(found["gen_ai.system_instructions"]) == [
            {"type": "text", "content": "Be kind"}
        ]
        (answer,) = json.loads(found["gen_ai.output.messages"])
        step = named(recording.spans, "step ask").attributes
        assert answer["parts"][0]["content"] == step["stepiq.step.output"] != ""
        assert answer["finish_reason"] == "stop"
        url = f"{recording.receiver.url}/hook/path"
        assert named(recording.spans, "POST").attributes["url.full"] == url

    async def test_long_texts_are_cut_off(
        self,
        world: World,
        exporter: TraceExporter,
        collector: CollectorServer,
        fake_provider: RunningFakeProvider,
    ):
        fake_provider.configure(replies=["y" * 100_000])
        source = f"name: Long\nsteps:\n  - {{id: ask, model: openai/gpt-4o-mini, prompt: {'x' * 9000}}}\n"
        ended = await world.run(source)

        spans = await traced(world, exporter, collector, ended.run.id)

        call = named(spans, "chat gpt-4o-mini").attributes
        prompt = json.loads(call["gen_ai.input.messages"])[0]["parts"][0]["content"]
        answer = json.loads(call["gen_ai.output.messages"])[0]["parts"][0]["content"]
        assert prompt == "x" * 8192 + "…"
        assert len(answer) == 8193
        assert answer.endswith("yyy…")

    async def test_a_long_earlier_answer_is_cut_off(
        self,
        world: World,
        exporter: TraceExporter,
        collector: CollectorServer,
        fake_provider: RunningFakeProvider,
    ):
        fake_provider.configure(
            json_answers="valid", replies=['"' + "y" * 100_000 + '"', '{"name": "Tom"}']
        )
        ended = await world.run(
            "name: Corrected\nsteps:\n  - {id: ask, model: openai/gpt-4o-mini, prompt: Who,"
            " output_schema: {type: object, required: [name], properties: {name: {type: string}}}}\n"
        )

        spans = await traced(world, exporter, collector, ended.run.id)

        first = min(
            (span for span in spans if span.name == "chat gpt-4o-mini"),
            key=lambda span: span.attributes["stepiq.operation.number"],
        )
        (answer,) = json.loads(first.attributes["gen_ai.output.messages"])
        assert answer["parts"][0]["content"] == '"' + "y" * 8191 + "…"

    async def test_the_turns_of_a_corrected_answer_are_exported(
        self,
        world: World,
        exporter: TraceExporter,
        collector: CollectorServer,
        fake_provider: RunningFakeProvider,
    ):
        fake_provider.configure(json_answers="valid", replies=['{"no": 1}', '{"name": "Tom"}'])
        ended = await world.run(
            "name: Structured\nsteps:\n  - {id: ask, model: openai/gpt-4o-mini, prompt: Cats, retry: {max_attempts: 1},"
            " output_schema: {type: object, required: [name], properties: {name: {type: string}}}}\n"
        )
        assert ended.run.status == "completed"

        spans = await traced(world, exporter, collector, ended.run.id)

        first, second = [span for span in spans if span.name == "chat gpt-4o-mini"]
        assert '\\"no\\": 1' in first.attributes["gen_ai.output.messages"]
        roles = [each["role"] for each in json.loads(second.attributes["gen_ai.input.messages"])]
        assert roles == ["user", "assistant", "user"]
        assert '\\"name\\":' in second.attributes["gen_ai.output.messages"]


@pytest.mark.one_store
class TestFailures:
    async def test_a_failure_is_a_status_with_the_code_and_without_the_message(
        self,
        world: World,
        exporter: TraceExporter,
        collector: CollectorServer,
        fake_provider: RunningFakeProvider,
    ):
        fake_provider.configure(failures=[{"status": 400, "message": "the words of the provider"}])
        ended = await world.run(
            "name: Fails\nsteps:\n  - {id: ask, model: openai/gpt-4o-mini, prompt: x, retry: {max_attempts: 1}}\n"
        )
        assert ended.run.status == "failed"

        spans = await traced(world, exporter, collector, ended.run.id)

        code = ended.steps["ask"].error["code"]
        assert [span.error for span in spans] == [ended.run.error["code"], code, code]
        assert spans[-1].attributes["error.type"] == code
        assert b"words of the provider" not in collector.of("traces")[0].body

    async def test_each_attempt_has_a_span_and_an_error_status_is_an_error(
        self, world: World, exporter: TraceExporter, collector: CollectorServer, receiver: Receiver
    ):
        receiver.reply_with(503, 200)
        ended = await world.run(
            "name: Retries\nsteps:\n  - {id: call, type: webhook, method: GET,"
            f" url: '{receiver.url}', retry: {{max_attempts: 3, backoff_ms: 1}}}}\n"
        )
        assert ended.run.status == "completed"

        spans = await traced(world, exporter, collector, ended.run.id)

        calls = [span for span in spans if span.name == "GET"]
        assert [c.attributes["http.response.status_code"] for c in calls] == [503, 200]
        assert [c.attributes.get("error.type") for c in calls] == ["503", None]
        assert [c.attributes.get("http.request.resend_count") for c in calls] == [None, 1]
        assert calls[0].error is not None
        assert calls[1].error is None

    async def test_a_url_with_a_masked_host_has_no_server(
        self, world: World, exporter: TraceExporter, collector: CollectorServer
    ):
        await world.secret("HOST", "secret-host-name")
        ended = await world.run(
            "name: Masked\nsteps:\n  - {id: call, type: webhook, method: GET, retry: {max_attempts: 1},"
            " url: 'http://{{env.HOST}}:1/x'}\n"
        )
        assert ended.run.status == "failed"

        spans = await traced(world, exporter, collector, ended.run.id)

        assert "server.address" not in named(spans, "GET").attributes
        assert b"secret-host-name" not in collector.of("traces")[0].body


class TestParents:
    SIMPLE = "name: Simple\nsteps:\n  - {id: t, type: transform, template: x}\n"
    PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"

    async def _run(self, world: World, flags: str, **values: Any) -> Any:
        pipeline_id = await world.pipeline(self.SIMPLE)
        parent = trace_context.parse(self.PARENT + flags)
        assert isinstance(parent, TraceParent)
        run_id, heard = await world.start(pipeline_id, parent=parent, **values)
        await asyncio.wait_for(heard.until_ended(), 30)
        return run_id

    @pytest.mark.one_store
    async def test_a_run_joins_the_trace_of_the_request_that_started_it(
        self, world: World, exporter: TraceExporter, collector: CollectorServer
    ):
        run_id = await self._run(world, "1")

        root, step = await traced(world, exporter, collector, run_id)

        assert root.trace_id == step.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert root.parent_id == "00f067aa0ba902b7"
        assert step.parent_id == root.id

    @pytest.mark.one_store
    async def test_a_parent_that_is_not_recorded_becomes_a_link(
        self, world: World, exporter: TraceExporter, collector: CollectorServer
    ):
        run_id = await self._run(world, "0")

        root, _ = await traced(world, exporter, collector, run_id)

        assert root.trace_id == run_id.hex
        assert root.parent_id == ""
        assert [link.span_id.hex() for link in root.proto.links] == ["00f067aa0ba902b7"]

    async def test_a_retry_links_to_the_run_that_it_retries(
        self, world: World, exporter: TraceExporter, collector: CollectorServer
    ):
        first = await self._run(world, "1")
        second = await self._run(world, "1", retry_of=first)

        spans = await traced(world, exporter, collector, second)

        (link,) = spans[0].proto.links
        assert link.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert link.span_id == trace_context.span_id(SpanOf.RUN, first)

    @pytest.mark.one_store
    async def test_spans_of_one_trace_are_different_for_each_run(
        self, world: World, exporter: TraceExporter, collector: CollectorServer
    ):
        runs = [await self._run(world, "1") for _ in range(2)]
        await exporter.export()

        ids = [span.id for run_id in runs for span in collector.of_run(run_id)]

        assert len(set(ids)) == len(ids) == 4


class TestTimes:
    async def test_spans_have_the_times_of_their_rows(
        self, world: World, exporter: TraceExporter, collector: CollectorServer
    ):
        ended = await world.run(
            "name: W\nsteps:\n  - {id: w, model: openai/gpt-4o-mini, prompt: x}\n"
        )
        (operation,) = await operations(world, ended.run.id)

        root, step, call = await traced(world, exporter, collector, ended.run.id)

        def times(span: ReceivedSpan) -> tuple[int, int]:
            return span.proto.start_time_unix_nano, span.proto.end_time_unix_nano

        def wanted(start: Any, end: Any) -> tuple[int, int]:
            return tuple(round(each.timestamp() * 1e6) * 1000 for each in (start, end))

        row = ended.steps["w"]
        assert times(root) == wanted(ended.run.created_at, ended.run.completed_at)
        assert times(step) == wanted(row.started_at, row.completed_at)
        assert times(call) == wanted(operation.started_at, operation.ended_at)
