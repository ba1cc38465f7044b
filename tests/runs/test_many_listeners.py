"""Many listeners, slow ones and ones that come and go, on real sockets."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from stepiq.execution.records import events
from stepiq.runs import queries
from stepiq.runs.streams import listeners
from stepiq.server.connections.protocol import GuardedProtocol
from tests.support.clients import session_headers
from tests.support.readers import reading
from tests.support.streams import ObservedStreams

LISTENERS = 200
RECONNECTS = 500
HOSTILE = [
    "\n\nevent: run.status\ndata: {}\nid: 99\n\n",
    "\r\rdata: x\r\r",
    "id: 5",
    "\u2028\u2029\x85\x0b\x0c",
    '"}\n\n: comment\nretry: 1',
    "0\r\n\r\n",
]


@pytest.fixture
async def headers(app, make, account):
    return await session_headers(app, make, account)


@pytest.fixture
def streams(app, changes):
    app.state.streams = ObservedStreams(changes)
    return app.state.streams


@pytest.fixture
def crowded(monkeypatch):
    """All listeners may come from one workspace."""
    monkeypatch.setattr(listeners, "MAX_STREAMS_PER_WORKSPACE", LISTENERS)


def path(run_id):
    return f"/api/runs/{run_id}/stream"


def numbers(reader):
    return [event.seq for event in reader.events]


class TestManyListeners:
    @pytest.mark.slow
    @pytest.mark.parametrize("many_runs", [False, True])
    async def test_each_hears_the_whole_log_once(
        self, server, streams, changes, headers, crowded, teller, account, make, many_runs
    ):
        pipeline_id = await make.pipeline(account)
        run_ids = [
            await make.run(account, pipeline_id) for _ in range(LISTENERS if many_runs else 1)
        ]
        for run_id in run_ids:
            await teller.log(run_id, 1)
        async with AsyncExitStack() as stack:
            crowd = []
            for run_id in run_ids * (LISTENERS // len(run_ids)):
                reader = await stack.enter_async_context(reading(server, path(run_id), headers))
                await reader.take_until(1)
                crowd.append(reader)

            for run_id in run_ids:
                await teller.log(run_id, 2)
                await teller.end(run_id)
            for reader in crowd:
                await reader.take_until(4)

            assert all(numbers(reader) == [1, 2, 3, 4] for reader in crowd)
            await asyncio.wait_for(streams.only(0, account.workspace_id), 10)
        assert not changes._listeners


class TestSlowListeners:
    async def test_one_is_cut_while_the_others_miss_nothing_and_it_may_come_back(
        self, server, streams, headers, teller, run_id, account, monkeypatch
    ):
        monkeypatch.setattr(GuardedProtocol, "reader_seconds", 0.5)
        last = 40
        await teller.log(run_id, 1)
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            slow = await enter(reading(server, path(run_id), headers, buffer=4_096))
            await slow.take_until(1)
            others = [await enter(reading(server, path(run_id), headers)) for _ in range(5)]
            large = events.step_log(events.execution("greet", "", 1), "info", "x" * 10_000)
            for seq in range(2, last):
                await teller.event(run_id, large)
                for reader in others:
                    # Nobody waits for the slow one: the next event is told once these have this one.
                    await reader.take_until(seq)
            await asyncio.wait_for(streams.only(len(others), account.workspace_id), 10)
            with pytest.raises(ConnectionResetError):
                await slow.take_until(last)

            last_id = str(numbers(slow)[-1])
            again = await enter(
                reading(server, path(run_id), {**headers, "Last-Event-ID": last_id})
            )
            await teller.end(run_id)
            for reader in [again, *others]:
                await reader.take_until(last)

        assert all(numbers(reader) == list(range(1, last + 1)) for reader in others)
        assert numbers(slow) + numbers(again) == list(range(1, last + 1))


@pytest.mark.both_stores
class TestReconnects:
    @pytest.mark.slow
    async def test_five_hundred_leave_no_gap_no_repeat_and_nothing_injected(
        self, server, headers, database, teller, run_id
    ):
        turn = random.Random(16)  # noqa: S311 — not for secrets
        heard = []

        async def tell():
            for count in range(RECONNECTS // 2):
                text = f"{count} {HOSTILE[count % len(HOSTILE)]}"
                await teller.event(
                    run_id, events.step_log(events.execution("greet", "", 1), "info", text)
                )
                teller.delta(run_id, text)
                await asyncio.sleep(turn.random() / 100)

        telling = asyncio.create_task(tell())
        for cut in range(RECONNECTS + 1):
            if cut == RECONNECTS:
                await telling
                await teller.end(run_id)
            resumed = {**headers, "Last-Event-ID": heard[-1].id} if heard else headers
            async with reading(server, path(run_id), resumed) as reader:
                if cut < RECONNECTS:
                    await take_at_random(reader, turn)
                else:
                    await reader.take_until(RECONNECTS // 2 + 1)
            passing = [event for event in reader.events if event.id is None]
            heard += [event for event in reader.events if event.id is not None]
            assert {event.type for event in passing} <= {"step.delta"}

        async with database.reading() as session:
            statement = queries.events_statement(run_id, after=0, limit=RECONNECTS)
            log = await queries.events(session, statement)
        assert [event.seq for event in heard] == list(range(1, RECONNECTS // 2 + 2))
        assert [(event.type, event.data) for event in heard] == [
            (event.type, event.shown(run_id)) for event in log
        ]


async def take_at_random(reader, turn):
    """Take some of what comes, in the middle of an event or not, for a moment or not."""
    try:
        async with asyncio.timeout(turn.random() / 100):
            while len(reader.raw) < 4_000:
                await reader.take(turn.randrange(1, 900))
    except TimeoutError:
        pass
