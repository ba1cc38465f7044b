"""The text of a model reaches the listeners of a run in few events, however small the provider's pieces are."""

import asyncio

import pytest

from stepiq.execution.text_stream import DELTA_SECONDS
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider

ASK = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: x}]"
PIECES = 5_000
pytestmark = pytest.mark.one_store


class TestTinyPieces:
    async def test_thousands_of_pieces_become_one_event_for_each_interval(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        # Each piece is one letter and the space before it.
        text = " ".join(chr(ord("a") + number * 7 % 26) for number in range(PIECES))
        fake_provider.configure(text=text)
        loop = asyncio.get_running_loop()
        began_at = loop.time()

        ended = await world.run(ASK)

        # One more when the answer ends, and one of text that could be the beginning of a secret.
        most = (loop.time() - began_at) / DELTA_SECONDS + 2
        assert fake_provider.requests[0].tokens_sent == PIECES
        assert 1 <= len(ended.heard.of("step.delta")) <= most < PIECES / 4
        # Three of the run and two of the step: no piece is written to the database.
        assert len(ended.events) == 5
        assert ended.heard.text == ended.steps["ask"].output == text
