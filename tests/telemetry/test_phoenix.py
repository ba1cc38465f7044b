"""A real backend accepts the traces and understands them: Phoenix, which shows calls of models."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stepiq.core.settings.model import Settings
from stepiq.telemetry.exporter import TraceExporter
from tests.support.engine import World
from tests.support.operations import approve
from tests.support.otlp import CollectorServer
from tests.support.phoenix import Phoenix, running_phoenix
from tests.support.receiver import Receiver
from tests.telemetry.test_spans import EVERY_TYPE

_STEPS = (
    "ask",
    "call",
    "shape",
    "check",
    "fan",
    "inner",
    "deep",
    "ask_again",
    "compute",
    "pause",
    "approve",
)
_SPANS = 23
"""The run, 16 executions of its steps, and six calls."""

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


async def test_it_shows_a_run_of_every_step_type_with_models_tokens_and_messages(
    world: World, exporter: TraceExporter, phoenix: Phoenix, receiver: Receiver
):
    source = EVERY_TYPE.replace("URL", receiver.url)
    run_id, heard = await world.start(await world.pipeline(source))
    await asyncio.wait_for(heard.until("run.status", status="waiting"), 30)
    await approve(world, run_id)
    await asyncio.wait_for(heard.until_ended(), 30)
    ended = await world.ended(run_id, heard)
    await exporter.export()

    found = await phoenix.spans(run_id.hex, _SPANS)

    assert len(found) == _SPANS
    steps = {span["name"]: span for span in found if span["name"].startswith("step ")}
    assert set(steps) == {f"step {each}" for each in _STEPS}
    assert {span["parent_id"] for span in found} <= {
        None,
        *(span["context"]["span_id"] for span in found),
    }
    (call,) = [
        span for span in found if span["parent_id"] == steps["step ask"]["context"]["span_id"]
    ]
    row = ended.steps["ask"]
    attributes = call["attributes"]
    assert (call["name"], call["span_kind"]) == ("chat gpt-4o-mini", "LLM")
    assert attributes["llm.model_name"] == "gpt-4o-mini"
    assert attributes["llm.token_count.prompt"] == row.input_tokens > 0
    assert attributes["llm.token_count.completion"] == row.output_tokens > 0
    texts = {value for key, value in attributes.items() if key.startswith("llm.")}
    assert {"Tell me about cats", "Be kind", row.output} <= texts
