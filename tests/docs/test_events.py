"""docs/reference/events.md shows events of the shapes that runs really have."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from stepiq.execution.records.events import EventType
from stepiq.server.docs.events import components, data_schemas
from tests.docs.pages import blocks, read, section
from tests.support.engine import Ended, Heard, World
from tests.support.fake_provider import RunningFakeProvider

PIPELINE = """
name: Shapes
steps:
  - {id: before, type: transform, template: "cats"}
  - {id: ask, model: openai/gpt-4o-mini, prompt: "Tell me about {{steps.before.output}}", retry: {backoff_ms: 1}}
"""
FAILING = """
name: Failing
steps:
  - {id: ask, model: openai/gpt-4o-mini, prompt: Hello, retry: {max_attempts: 1}}
"""

_SCHEMA = Draft202012Validator(
    {"$ref": "#/components/schemas/StreamedEvent", "components": {"schemas": components()}},
    format_checker=FormatChecker(),
)

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _documented(event_type: str) -> list[dict[str, Any]]:
    shown = section(read("docs/reference/events.md"), f"## {event_type}")
    return [json.loads(block) for block in blocks(shown, "json")]


def _shape(data: dict[str, Any]) -> tuple[Any, ...]:
    error = data.get("error")
    return (data.get("status"), frozenset(data), frozenset(error) if error else None)


def _check_schema(event: dict[str, Any]) -> None:
    """Fail for an event that OpenAPI does not describe."""
    data = {name: value for name, value in event.items() if value is not None}
    _SCHEMA.validate(data)
    assert set(event["data"]) <= set(data_schemas()[event["type"]]["properties"]), event


def _check(heard: Heard) -> set[str]:
    """Fail for an event whose shape no example has; gives the kinds that were compared."""
    for event in heard.events:
        _check_schema(event)
        shapes = {_shape(example) for example in _documented(event["type"])}
        assert _shape(event["data"]) in shapes, event
    return {event["type"] for event in heard.events}


@only_sqlite
class TestShapes:
    async def test_a_run_with_a_failed_attempt(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(failures=[500])

        ended: Ended = await world.run(PIPELINE)

        assert ended.run.status == "completed"
        assert _check(ended.heard) == {"run.status", "step.status", "step.delta", "step.log"}

    async def test_a_run_that_fails(self, world: World, fake_provider: RunningFakeProvider):
        fake_provider.configure(failures=[500])

        ended = await world.run(FAILING)

        assert ended.run.status == "failed"
        _check(ended.heard)

    async def test_a_run_that_is_cancelled(self, world: World, fake_provider: RunningFakeProvider):
        fake_provider.configure(latency_ms=30_000)
        run_id, heard = await world.start(await world.pipeline(FAILING))
        await fake_provider.next_request()

        await world.cancel(run_id)
        await heard.until_ended()

        _check(heard)


class TestExamples:
    @pytest.mark.parametrize("event_type", sorted(EventType))
    def test_they_fit_the_schema_in_openapi(self, event_type):
        for data in _documented(event_type):
            _check_schema({"type": event_type, "seq": data.get("seq"), "data": data})

    def test_their_numbers_and_times_look_like_real_ones(self):
        for block in blocks(read("docs/reference/events.md"), "json"):
            example = json.loads(block)
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", example["created_at"])
