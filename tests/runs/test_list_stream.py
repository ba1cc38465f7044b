"""The stream of a list of runs."""

import asyncio
import random
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
from fastapi.sse import KEEPALIVE_COMMENT

from stepiq.accounts.authentication import expiry
from stepiq.accounts.authentication.expiry import ExpiryWatch
from stepiq.core import clock as clocks
from stepiq.execution.records import events
from stepiq.runs import list_queries
from stepiq.runs.records import Filter
from stepiq.runs.streams import listeners
from stepiq.runs.streams.lists import STALE, ListFollower, matches, may_match
from stepiq.store.database import StoreUnavailable
from stepiq.store.pubsub import runs_topic
from stepiq.store.states import RunStatus
from tests.support import loop_time
from tests.support.make_accounts import actor, revoke_key
from tests.support.query_plans import statements
from tests.support.sse import parse


@pytest.fixture(autouse=True)
async def short_pauses():
    """Let the listener of a workspace pause for a millisecond instead of 0.1 seconds."""
    loop_time.quicken(0.1)


@pytest.fixture
def follow(database, streams, changes, account):
    """Frames for a listener of the account's runs."""

    def follow(wanted=Filter(), reader=account):  # noqa: B008 - immutable
        return ListFollower(
            database, streams, changes, caller=actor(reader), wanted=wanted
        ).frames()

    return follow


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account, tags=["a"])


@asynccontextmanager
async def opened(frames):
    """A stream of which the first event has arrived."""
    async with aclosing(frames), asyncio.timeout(60):
        assert await anext(frames) == STALE
        yield frames


async def next_events(frames):
    return parse((await anext(frames)).decode())


class TestListFollower:
    @pytest.mark.both_stores
    async def test_a_change_shows_the_run_as_the_list_does(
        self, follow, teller, owner, account, make, pipeline_id
    ):
        data = {"input_data": {"a": 1}, "caller_type": "user", "caller_id": account.id}
        run_id = await make.run(account, pipeline_id, **data)
        async with opened(follow()) as frames:
            running = {"status": RunStatus.RUNNING, "started_at": clocks.now(), "input_tokens": 7}
            await teller.event(run_id, events.run_status(RunStatus.RUNNING), **running)

            (event,) = await next_events(frames)

        (listed,) = (await owner.get("/api/runs?include_data=false")).json()["data"]
        assert (event.type, event.id) == ("run.changed", None)
        assert event.data == listed
        assert (listed["status"], listed["input_tokens"]) == ("running", 7)

    @pytest.mark.both_stores
    async def test_several_changes_become_one_event(
        self, follow, changes, teller, account, make, pipeline_id, database
    ):
        run_id = await make.run(account, pipeline_id)
        async with opened(follow()) as frames, opened(follow()) as others:
            await teller.set(run_id, status=RunStatus.CANCELLED, completed_at=clocks.now())
            with statements() as seen:
                for _ in range(5):
                    changes.publish(runs_topic(account.workspace_id), str(run_id))
                told = [await next_events(frames), await next_events(others)]

        reads = [text for text in seen if text.startswith("SELECT") and "pipeline_name" in text]
        assert [[event.data["status"] for event in each] for each in told] == [["cancelled"]] * 2
        assert len(reads) == 1

    async def test_runs_that_the_filter_leaves_out_are_not_told(
        self, follow, teller, account, make, pipeline_id
    ):
        other = await make.run(account, await make.pipeline(account))
        run_id = await make.run(account, pipeline_id)
        wanted = Filter(tag="a", statuses=frozenset({RunStatus.PENDING}))
        async with opened(follow(wanted)) as frames:
            await teller.log(other, 1)
            await teller.log(run_id, 1)
            (pending,) = await next_events(frames)
            await teller.end(run_id)
            (left,) = await next_events(frames)

        assert (pending.type, pending.data["id"]) == ("run.changed", str(run_id))
        assert (left.type, left.data) == ("run.left", {"id": str(run_id)})

    async def test_runs_of_other_workspaces_are_not_told(
        self, follow, teller, account, stranger, make, pipeline_id
    ):
        theirs = await make.run(stranger, await make.pipeline(stranger))
        ours = await make.run(account, pipeline_id)
        async with opened(follow()) as frames:
            await teller.log(theirs, 1)
            await teller.log(ours, 1)

            (event,) = await next_events(frames)

        assert event.data["id"] == str(ours)

    async def test_after_missed_changes_the_list_is_stale(
        self, follow, teller, changes, account, make, pipeline_id
    ):
        run_id = await make.run(account, pipeline_id)
        async with opened(follow()) as frames:
            changes.may_have_missed()
            assert await anext(frames) == STALE

            await teller.log(run_id, 1)
            (event,) = await next_events(frames)

        assert event.data["id"] == str(run_id)

    async def test_more_changes_than_fit_into_a_buffer_make_the_list_stale(
        self, follow, teller, account, make, pipeline_id, monkeypatch
    ):
        monkeypatch.setattr(listeners, "MAX_WAITING", 1)
        run_ids = [await make.run(account, pipeline_id) for _ in range(3)]
        async with opened(follow()) as slow, opened(follow(Filter(tag="a"))) as frames:
            for run_id in run_ids:
                # The slow listener does not take the event that the other one gets.
                await teller.log(run_id, 1)
                await next_events(frames)

            # The generator of the slow listener has not waited for an event before.
            assert await anext(slow) == STALE

    @pytest.mark.both_stores
    async def test_a_store_that_is_away_makes_the_list_stale(
        self, follow, changes, teller, account, make, pipeline_id, monkeypatch
    ):
        run_id = await make.run(account, pipeline_id)
        read, answers = list_queries.page, iter([False, True])

        async def away_at_first(*asked, **options):
            if not next(answers):
                raise StoreUnavailable("away")
            return await read(*asked, **options)

        monkeypatch.setattr(list_queries, "page", away_at_first)
        async with opened(follow()) as frames:
            changes.publish(runs_topic(account.workspace_id), str(run_id))
            assert await anext(frames) == STALE

            await teller.log(run_id, 1)
            (event,) = await next_events(frames)

        assert event.data["id"] == str(run_id)

    @pytest.mark.both_stores
    async def test_a_quiet_stream_is_kept_open_and_then_stale(self, follow):
        # Without a timeout, because the clock is moved.
        async with aclosing(follow()) as frames:
            heard = [await anext(frames)]
            for _ in range(4):
                waiting = asyncio.create_task(anext(frames))
                await asyncio.sleep(0)
                loop_time.skip(listeners.KEEPALIVE_SECONDS + 0.01)
                heard.append(await waiting)

        assert heard == [STALE, *[KEEPALIVE_COMMENT] * 3, STALE]

    async def test_it_ends_when_the_server_stops(self, follow, streams):
        async with opened(follow()) as frames:
            streams.close()

            assert [each async for each in frames] == []

    @pytest.mark.both_stores
    async def test_what_is_told_leads_to_the_list(
        self, follow, teller, account, make, database, pipeline_id
    ):
        """Applying the events to a page that was read after `list.stale` gives the page read at the end."""
        turn = random.Random(3)  # noqa: S311 - not for secrets
        wanted = Filter(statuses=frozenset({RunStatus.PENDING, RunStatus.CANCELLED}), tag="a")
        other = await make.pipeline(account)
        run_ids = [await make.run(account, turn.choice([pipeline_id, other])) for _ in range(12)]
        rows: dict[str, str] = {}

        async def read():
            async with database.reading() as session:
                found = await list_queries.page_ids(
                    session, account.workspace_id, wanted, before=None, limit=100
                )
                page = await list_queries.page(session, account.workspace_id, found.ids)
            return {str(run.id): str(run.status) for run in page}

        async def change():
            for run_id in turn.choices(run_ids, k=60):
                status = turn.choice([RunStatus.PENDING, RunStatus.RUNNING])
                started = clocks.now() if status is RunStatus.RUNNING else None
                news = events.run_status(status)
                await teller.event(run_id, news, status=status, started_at=started)
            await teller.end(last)

        last = await make.run(account, pipeline_id)
        async with opened(follow(wanted)) as frames:
            changing = asyncio.create_task(change())
            rows = await read()
            while rows.get(str(last)) != "cancelled":
                for event in await next_events(frames):
                    assert event.type != "list.stale"
                    rows.pop(event.data["id"], None)
                    if event.type == "run.changed":
                        rows[event.data["id"]] = event.data["status"]
            await changing

        assert rows == await read()


class TestMatching:
    async def test_error_codes_are_compared(self, database, account, make, pipeline_id):
        run_id = await make.run(account, pipeline_id, status=RunStatus.FAILED)
        async with database.reading() as session:
            (run,) = await list_queries.page(session, account.workspace_id, [run_id])

        for code, is_match in (("step_failed", True), ("timeout", False)):
            assert may_match(run, Filter(error_code=code))
            assert matches(run, Filter(error_code=code)) is is_match


@pytest.mark.one_store
class TestStreamList:
    @pytest.fixture
    def quick(self, app, database, monkeypatch):
        monkeypatch.setattr(expiry, "FINISH_SECONDS", 3_600)
        watch = ExpiryWatch(database, interval_seconds=0.01)
        app.state.doors = replace(app.state.doors, watch=watch)

    async def test_it_ends_with_the_key(self, quick, server, account, make, database):
        key = await make.api_key(account, expires_at=clocks.now() + timedelta(hours=1))
        async with (
            httpx2.AsyncClient(base_url=server.url, timeout=30) as client,
            client.stream("GET", "/api/runs/stream", headers={"X-API-Key": key.text}) as response,
        ):
            assert response.headers["content-type"].startswith("text/event-stream")
            frames = response.aiter_bytes()
            assert b"list.stale" in await anext(frames)
            async with database.transaction() as session:
                await revoke_key(session, account, key.id)

            async with asyncio.timeout(60):
                rest = b"".join([each async for each in frames])

        assert b"event" not in rest

    async def test_it_counts_as_a_stream(self, owner, monkeypatch):
        monkeypatch.setattr(listeners, "MAX_STREAMS_PER_WORKSPACE", 0)

        answer = await owner.get("/api/runs/stream")

        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")

    async def test_it_needs_the_scope_to_read(self, login_key, account):
        client = await login_key(account, ["pipelines:execute"])

        assert (await client.get("/api/runs/stream")).status_code == 403

    @pytest.mark.parametrize("query", ["version=1", "limit=5", "status=gone"])
    async def test_bad_parameters_are_refused(self, owner, query):
        assert (await owner.get(f"/api/runs/stream?{query}")).status_code == 422
