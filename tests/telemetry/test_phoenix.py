"""A real backend accepts the traces and understands them: Phoenix, which shows calls of models."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stepiq.core.settings import Settings
from stepiq.telemetry.exporter import TraceExporter
from tests.support.engine import World
from tests.support.otlp import CollectorServer
from tests.support.phoenix import Phoenix, running_phoenix

pytestmark = [pytest.mark.slow, pytest.mark.one_store, pytest.mark.timeout(600)]


@pytest.fixture
async def phoenix(tmp_path: Path) -> AsyncIterator[Phoenix]:
    folder = tmp_path / "phoenix"
    folder.mkdir()
    async with running_phoenix(folder) as phoenix:
        yield phoenix


@pytest.fixture
def settings(settings: Settings, collector: CollectorServer, phoenix: Phoenix) -> Settings:
    return settings.model_copy(update={"otlp_endpoint": phoenix.url, "otlp_content": True})


async def test_it_shows_the_spans_of_a_run_with_models_tokens_and_messages(
    world: World, exporter: TraceExporter, phoenix: Phoenix
):
    ended = await world.run(
        "name: Cats\nsteps:\n"
        "  - {id: ask, model: openai/gpt-4o-mini, prompt: Tell me about cats, system_prompt: Be kind}\n"
        "  - {id: shape, type: transform, template: '{{steps.ask.output}}'}\n"
    )
    await exporter.export()

    found = await phoenix.spans(ended.run.id.hex, 4)

    by_name = {span["name"]: span for span in found}
    call = by_name["chat gpt-4o-mini"]
    row = ended.steps["ask"]
    attributes = call["attributes"]
    assert call["span_kind"] == "LLM"
    assert attributes["llm.model_name"] == "gpt-4o-mini"
    assert attributes["llm.token_count.prompt"] == row.input_tokens > 0
    assert attributes["llm.token_count.completion"] == row.output_tokens > 0
    texts = {value for key, value in attributes.items() if key.startswith("llm.")}
    assert {"Tell me about cats", "Be kind", row.output} <= texts
    assert call["parent_id"] == by_name["step ask"]["context"]["span_id"]
    assert by_name["step shape"]["parent_id"] == call_root(found)


def call_root(spans: list[dict[str, Any]]) -> str:
    (root,) = [span for span in spans if span["parent_id"] is None]
    return root["context"]["span_id"]
