"""The text of a model reaches the listeners of a run in few events, however small the provider's pieces are."""

import asyncio
import threading

import pytest

from stepiq.execution.interpreter.text_stream import DELTA_SECONDS
from stepiq.redaction.masking import MaskedStream
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider

ASK = "name: Ask\nsteps: [{id: ask, model: openai/gpt-4o-mini, prompt: x}]"
ASK_FIRST = """\
name: Ask
output: {from: ask}
steps:
  - {id: ask, model: openai/gpt-4o-mini, prompt: x}
"""
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


class TestOffsets:
    async def test_each_piece_tells_how_much_text_of_its_call_was_sent_before(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(text="é🎉 " * 20_000)

        ended = await world.run(ASK)

        deltas = ended.heard.of("step.delta")
        sent = [len(delta["text"]) for delta in deltas]
        assert len(deltas) > 1
        assert [delta["offset"] for delta in deltas] == [
            sum(sent[:index]) for index in range(len(sent))
        ]


class TestManySecrets:
    async def test_long_batches_are_masked_beside_the_event_loop(
        self, world: World, fake_provider: RunningFakeProvider, monkeypatch: pytest.MonkeyPatch
    ):
        for number in range(100):
            await world.secret(f"TOKEN_{number}", f"secret-{number:05}")
        mentioned = " ".join(f"{{{{env.TOKEN_{number}}}}}" for number in range(100))
        never = f"  - {{id: never, if: 'false', model: openai/gpt-4o-mini, prompt: '{mentioned}'}}"
        text = "word " * 5_000 + "secret-00007"
        fake_provider.configure(text=text)
        threads: list[int] = []
        feed = MaskedStream.feed

        def noting(stream: MaskedStream, piece: str) -> str:
            if stream.is_slow(piece):
                threads.append(threading.get_ident())
            return feed(stream, piece)

        monkeypatch.setattr(MaskedStream, "feed", noting)

        ended = await world.run(ASK_FIRST + never)

        assert threads
        assert threading.get_ident() not in threads
        assert ended.heard.text == ended.steps["ask"].output
        assert ended.heard.text.endswith(" [secret:TOKEN_7]")
