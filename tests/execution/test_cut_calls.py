"""A model call that is cut counts as what was sent, and a workspace never uses more than its limit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepiq.core import clock as core_clock
from stepiq.execution.calls.budget import bound
from stepiq.execution.calls.requests import CallModel, Message
from stepiq.execution.journal.reservations import settle_left_over
from stepiq.execution.journal.writing import Journal
from stepiq.store.database import StoreUnavailable
from tests.support import loop_time
from tests.support.engine import Heard, Limits, World
from tests.support.fake_provider import RunningFakeProvider

CUNEIFORM = "\U00012000" * 10_000
"""40,000 bytes, and as many tokens for a tokenizer that does not know these letters."""
SOURCE = """\
name: Ask
input: {schema: {text: {type: string}}}
steps:
  - id: ask
    model: openai/gpt-4o-mini
    prompt: "{{input.text}}"
    max_tokens: 1000
    timeout_seconds: 100
    retry: {max_attempts: 1}
"""
PLAN = Limits(credits_per_month=100)
MAX_TOKENS = 1_000
EXACT = 700
"""Tokens that the provider counts for a complete answer."""
TEXTS = st.builds(
    lambda letters, times: " ".join([letters] * times),
    st.text("a1\n\x00é\U00012000🎉", min_size=1, max_size=20),
    st.integers(1, 1_000),
)


@dataclass
class Sent:
    """What a call has sent, and got."""

    prompt: str
    heard: Heard

    @property
    def tokens(self) -> int:
        answer = len(self.heard.text.encode())
        return len(self.prompt.encode()) + min(answer, MAX_TOKENS)


@asynccontextmanager
async def calling(
    world: World,
    provider: RunningFakeProvider,
    text: str,
    *,
    pieces: int = 0,
    source: str = SOURCE,
    plan: Limits = PLAN,
) -> AsyncIterator[tuple[Any, Heard, Sent]]:
    """A run whose call has sent its prompt, and has got so many pieces of the answer. The rest comes after the block."""
    pipeline_id = await world.pipeline(source)
    with provider.holding() as allow:
        number = len(provider.requests) + 1
        run_id, heard = await world.start(pipeline_id, {"text": text}, plan=plan)
        request = await provider.next_request(number)
        # The first chunk has no text.
        allow(pieces and pieces + 1)
        while len(heard.text.split()) < pieces:
            await heard.until("step.delta")
        yield run_id, heard, Sent(request.body["messages"][-1]["content"], heard)


async def used(world: World, plan: Limits = PLAN) -> int:
    """The credit tokens of the workspace, which are within its limit together with the reserved ones."""
    row = await world.workspace()
    assert row.credit_tokens + row.credit_reserved <= (plan.credits_per_month or 0) * 1_000
    return row.credit_tokens


@pytest.mark.both_stores
class TestCancel:
    async def test_a_call_of_letters_that_take_four_bytes_counts_a_token_for_each_byte(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        async with calling(world, fake_provider, CUNEIFORM) as (run_id, heard, _):
            await world.cancel(run_id)

        ended = await world.ended(run_id, heard)
        assert 40_000 <= ended.steps["ask"].input_tokens < 41_000
        assert ended.steps["ask"].tokens_estimated
        assert await used(world) == ended.run.credit_tokens == ended.steps["ask"].input_tokens

    async def test_an_answer_counts_no_more_than_max_tokens(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(replies=["\U00012000" * 5_000 + " and more"])

        async with calling(world, fake_provider, "x", pieces=1) as (run_id, heard, _):
            await world.cancel(run_id)

        assert (await world.ended(run_id, heard)).steps["ask"].output_tokens == 1_000
        assert await used(world) < 2_000


@pytest.mark.both_stores
class TestOtherCuts:
    @pytest.mark.parametrize(
        "behaviour",
        [
            {"drop_after": 0},
            {"drop_after": 2},
            {"end_after": 2},
            {"error_in_stream": "Overloaded"},
            {"malformed": True},
            {"input_tokens": -1},
            {"output_tokens": -1},
            {"usage": False},
        ],
        ids=str,
    )
    async def test_a_call_without_the_providers_numbers_counts_a_token_for_each_byte(
        self, world: World, fake_provider: RunningFakeProvider, behaviour: dict[str, Any]
    ):
        fake_provider.configure(text="one two three four", **behaviour)

        async with calling(world, fake_provider, CUNEIFORM) as (_, heard, _):
            pass
        await heard.until_ended()

        assert 40_000 <= await used(world) < 41_000

    async def test_a_call_that_times_out_counts_a_token_for_each_byte(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        async with calling(world, fake_provider, CUNEIFORM) as (_, heard, _):
            loop_time.skip(101)
            await heard.until_ended()

        assert 40_000 <= await used(world) < 41_000

    async def test_each_attempt_counts(self, world: World, fake_provider: RunningFakeProvider):
        fake_provider.configure(drop_after=1)
        source = SOURCE.replace("max_attempts: 1", "max_attempts: 2, backoff_ms: 1")

        async with calling(world, fake_provider, CUNEIFORM, source=source) as (_, heard, _):
            pass
        await heard.until_ended()

        assert len(fake_provider.requests) == 2
        assert 80_000 <= await used(world) < 82_000

    @pytest.mark.parametrize("status", [400, 401, 429, 500])
    async def test_a_call_that_the_provider_refuses_counts_nothing(
        self, world: World, fake_provider: RunningFakeProvider, status: int
    ):
        fake_provider.configure(failures=[status])

        async with calling(world, fake_provider, CUNEIFORM) as (_, heard, _):
            pass
        await heard.until_ended()

        assert await used(world) == 0


@pytest.mark.both_stores
class TestLostWorkers:
    async def test_the_call_counts_when_another_worker_continues_the_run(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(input_tokens=EXACT, output_tokens=0)
        async with calling(world, fake_provider, CUNEIFORM) as (run_id, heard, _):
            await world.engine.stop(drain=timedelta(0))

        await world.engine.start()
        await heard.until_ended()

        ended = await world.ended(run_id, heard)
        assert ended.run.status == "completed"
        assert 40_000 + EXACT <= await used(world) < 41_000 + EXACT
        assert ended.steps["ask"].input_tokens == ended.run.credit_tokens == await used(world)
        assert ended.steps["ask"].tokens_estimated
        assert ended.run.cost_usd_micros > 0
        assert ended.run.cost_complete

    async def test_each_lost_call_counts_once(
        self, world: World, fake_provider: RunningFakeProvider
    ):
        fake_provider.configure(input_tokens=EXACT, output_tokens=0)
        with fake_provider.holding():
            text = {"text": "\U00012000" * 2_000}
            _, heard = await world.start(await world.pipeline(SOURCE), text, plan=PLAN)
            await fake_provider.next_request(1)
            for number in (2, 3):
                await world.engine.stop(drain=timedelta(0))
                await world.engine.start()
                await fake_provider.next_request(number)
                assert 8_000 * (number - 1) <= await used(world) < 9_000 * (number - 1)
        await heard.until_ended()

        assert 16_000 + EXACT <= await used(world) < 18_000 + EXACT

    async def test_a_run_that_is_cancelled_before_another_worker_continues_it_counts_the_call(
        self, world: World, fake_provider: RunningFakeProvider, clock: Any
    ):
        async with calling(world, fake_provider, CUNEIFORM) as (run_id, heard, _):
            await world.engine.stop(drain=timedelta(0))
        await world.cancel(run_id)
        clock.advance(timedelta(seconds=31))

        assert await settle_left_over(world.database) == 1
        assert await settle_left_over(world.database) == 0

        ended = await world.ended(run_id, heard)
        assert 40_000 <= await used(world) < 41_000
        assert ended.steps["ask"].input_tokens == ended.run.credit_tokens == await used(world)

    async def test_a_call_whose_cancel_could_not_be_counted_counts_soon(
        self,
        world: World,
        fake_provider: RunningFakeProvider,
        clock: Any,
        monkeypatch: pytest.MonkeyPatch,
    ):
        async def unavailable(*_: Any) -> None:
            raise StoreUnavailable("The database did not respond.")

        monkeypatch.setattr(Journal, "count_cancelled", unavailable)
        async with calling(world, fake_provider, CUNEIFORM) as (run_id, _, _):
            await world.cancel(run_id)
        clock.advance(timedelta(seconds=31))

        await settle_left_over(world.database)

        assert 40_000 <= await used(world) < 41_000

    async def test_a_worker_that_comes_back_later_does_not_count_the_call_again(
        self,
        world: World,
        fake_provider: RunningFakeProvider,
        clock: Any,
        monkeypatch: pytest.MonkeyPatch,
    ):
        count = Journal.count_cancelled
        stopped: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()

        async def later(*call: Any) -> None:
            stopped.set_result(call)

        monkeypatch.setattr(Journal, "count_cancelled", later)
        async with calling(world, fake_provider, CUNEIFORM, pieces=2) as (run_id, _, _):
            await world.cancel(run_id)
            call = await stopped
        clock.advance(timedelta(seconds=31))
        await settle_left_over(world.database)
        settled = await used(world)

        await count(*call)

        assert await used(world) == settled


class Cuts:
    """Ways to cut the call of a run. Each returns the fewest tokens that count."""

    def __init__(
        self, world: World, provider: RunningFakeProvider, text: str, pieces: int, plan: Limits
    ) -> None:
        self.world, self.provider = world, provider
        self.text, self.pieces, self.plan = text, pieces, plan
        provider.reset()
        answer = " ".join(["a" + "".join(text[:5].split())] * 20)
        provider.configure(input_tokens=EXACT, output_tokens=0, text=answer)

    def calling(self, pieces: int) -> Any:
        return calling(self.world, self.provider, self.text, pieces=pieces, plan=self.plan)

    async def cancel(self) -> int:
        async with self.calling(self.pieces) as (run_id, _, sent):
            await self.world.cancel(run_id)
        return sent.tokens

    async def time_out(self) -> int:
        async with self.calling(self.pieces) as (_, heard, sent):
            loop_time.skip(101)
            await heard.until_ended()
        return sent.tokens

    async def drop(self) -> int:
        return await self._end(drop_after=self.pieces)

    async def end_early(self) -> int:
        return await self._end(end_after=self.pieces)

    async def count_nothing(self) -> int:
        return await self._end(usage=False)

    async def count_less_than_nothing(self) -> int:
        return await self._end(input_tokens=-EXACT)

    async def lose_the_worker(self) -> int:
        async with self.calling(self.pieces) as (_, heard, sent):
            await self.world.engine.stop(drain=timedelta(0))
        await self.world.engine.start()
        is_completed = (await heard.until_ended())["status"] == "completed"
        # What had arrived was lost with the worker.
        return len(sent.prompt.encode()) + (EXACT if is_completed else 0)

    async def lose_the_worker_and_cancel(self) -> int:
        async with self.calling(self.pieces) as (run_id, _, sent):
            await self.world.engine.stop(drain=timedelta(0))
        await self.world.cancel(run_id)
        core_clock.advance(timedelta(seconds=31))
        await settle_left_over(self.world.database)
        await self.world.engine.start()
        return len(sent.prompt.encode())

    async def _end(self, **behaviour: Any) -> int:
        self.provider.configure(**behaviour)
        async with self.calling(0) as (_, heard, sent):
            pass
        await heard.until_ended()
        return sent.tokens


class TestAnyCut:
    @pytest.mark.slow
    @settings(max_examples=25)
    @given(
        text=TEXTS,
        pieces=st.integers(0, 5),
        cut=st.sampled_from(
            [
                Cuts.cancel, Cuts.time_out, Cuts.drop, Cuts.end_early, Cuts.count_nothing,
                Cuts.count_less_than_nothing, Cuts.lose_the_worker, Cuts.lose_the_worker_and_cancel,
            ]
        ),
        spare_credits=st.sampled_from([0, 1_000]),
    )  # fmt: skip
    async def test_at_least_what_was_sent_counts_and_never_more_than_the_limit(
        self,
        world: World,
        fake_provider: RunningFakeProvider,
        clock: Any,
        text: str,
        pieces: int,
        cut: Callable[[Cuts], Awaitable[int]],
        spare_credits: int,
    ):
        before = (await world.workspace()).credit_tokens
        request = CallModel(None, (Message.of_text("user", text),), max_tokens=MAX_TOKENS)
        plan = Limits(credits_per_month=-(-(before + bound(request)) // 1_000) + spare_credits)

        fewest = await cut(Cuts(world, fake_provider, text, pieces, plan))

        assert await used(world, plan) - before >= fewest
        assert (await world.workspace()).credit_reserved == 0
