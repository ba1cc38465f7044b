"""Runs that are really carried, on a real socket."""

import asyncio

import httpx2
import pytest

from stepiq.runs.streams import listeners
from tests.support.clients import session_headers
from tests.support.make_pipelines import GREETING
from tests.support.sse import parse
from tests.support.streams import ObservedStreams

ASKING = """\
name: Asking
steps:
  - id: ask
    model: openai/gpt-4o
    prompt: "Say hello"
    retry: {max_attempts: 1}
"""


API_TARGET = "output: {deliver: [{type: api}]}\n"


@pytest.fixture
async def browser(app, server, changes, make, account):
    """A client on a real socket."""
    app.state.streams = ObservedStreams(changes)
    headers = await session_headers(app, make, account)
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20) as client:
        yield client


async def start(browser, pipeline_id):
    response = await browser.post(
        f"/api/pipelines/{pipeline_id}/run", json={"input_data": {"name": "you"}}
    )
    assert response.status_code == 202, response.text
    return response.json()["id"]


class TestStream:
    async def test_a_run_is_told_from_its_first_event_to_its_last(self, browser, account, make):
        run_id = await start(browser, await make.pipeline(account, source=GREETING))

        text = (await browser.get(f"/api/runs/{run_id}/stream")).text

        told = parse(text)
        logged = (await browser.get(f"/api/runs/{run_id}/events")).json()["data"]
        run = (await browser.get(f"/api/runs/{run_id}")).json()
        assert [event.seq for event in told] == list(range(1, len(told) + 1))
        assert [event.data for event in told] == [event["data"] for event in logged]
        assert told[-1].data["status"] == "completed" == run["status"]

    async def test_a_models_text_comes_piece_by_piece(self, browser, account, make, fake_provider):
        fake_provider.configure(text="one two three")
        run_id = await start(browser, await make.pipeline(account, source=ASKING))

        told = parse((await browser.get(f"/api/runs/{run_id}/stream")).text)

        run = (await browser.get(f"/api/runs/{run_id}")).json()
        assert run["output"] == "one two three"
        assert run["steps"][0]["output_tokens"] > 0
        assert [event.seq for event in told if event.seq] == list(
            range(1, 1 + len([event for event in told if event.seq]))
        )

    @pytest.mark.both_stores
    async def test_cancelling_ends_the_stream_and_the_call(
        self, browser, account, make, fake_provider
    ):
        fake_provider.configure(latency_ms=30_000)
        run_id = await start(browser, await make.pipeline(account, source=ASKING))
        listening = asyncio.create_task(browser.get(f"/api/runs/{run_id}/stream"))
        call = await fake_provider.next_request()

        cancelled = await browser.post(f"/api/runs/{run_id}/cancel")
        await asyncio.wait_for(call.ended.wait(), 20)

        told = parse((await listening).text)
        assert cancelled.json()["status"] == "cancelled"
        assert cancelled.json()["steps"][0]["status"] == "cancelled"
        assert call.closed_by_client
        assert told[-1].data["status"] == "cancelled"

    async def test_whoever_hangs_up_is_counted_out(
        self, browser, account, make, app, changes, fake_provider
    ):
        fake_provider.configure(latency_ms=30_000)
        run_id = await start(browser, await make.pipeline(account, source=ASKING))
        await fake_provider.next_request()
        async with browser.stream("GET", f"/api/runs/{run_id}/stream") as response:
            await anext(response.aiter_lines())
            assert app.state.streams.count(account.workspace_id) == 1

        await asyncio.wait_for(app.state.streams.left.wait(), 10)

        assert app.state.streams.count(account.workspace_id) == 0
        assert f"run:{run_id}" not in changes._listeners
        await browser.post(f"/api/runs/{run_id}/cancel")

    @pytest.mark.slow
    @pytest.mark.both_stores
    async def test_open_streams_hold_no_connection_to_the_store(
        self, browser, account, make, fake_provider
    ):
        fake_provider.configure(latency_ms=30_000)
        run_id = await start(browser, await make.pipeline(account, source=ASKING))
        call = await fake_provider.next_request()
        url = f"/api/runs/{run_id}/stream"
        listening = [asyncio.create_task(browser.get(url)) for _ in range(30)]

        for _ in range(30):
            assert (await browser.get(f"/api/runs/{run_id}")).status_code == 200

        await browser.post(f"/api/runs/{run_id}/cancel")
        await asyncio.wait_for(call.ended.wait(), 20)
        texts = {(await response).text for response in listening}
        assert len(texts) == 1

    async def test_a_stopping_server_ends_them(self, browser, account, make, app, fake_provider):
        fake_provider.configure(latency_ms=30_000)
        run_id = await start(browser, await make.pipeline(account, source=ASKING))
        await fake_provider.next_request()
        async with browser.stream("GET", f"/api/runs/{run_id}/stream") as response:
            lines = response.aiter_lines()
            await anext(lines)

            app.state.streams.close()

            told = parse("\n".join([line async for line in lines]))
        assert all(event.data.get("status") != "completed" for event in told)
        await browser.post(f"/api/runs/{run_id}/cancel")


async def run_and_wait(browser, pipeline_id, query="?wait=20", **body):
    return await browser.post(
        f"/api/pipelines/{pipeline_id}/run{query}", json={"input_data": {"name": "you"}, **body}
    )


class TestWait:
    """`POST pipelines/ID/run?wait=SECONDS`."""

    async def test_a_run_that_ends_in_time_is_answered_whole(self, browser, account, make):
        response = await run_and_wait(browser, await make.pipeline(account))

        run = response.json()
        assert response.status_code == 200
        assert (run["status"], run["output"]) == ("completed", "Hello you")
        assert run["steps"][0]["output"] == "Hello you"
        assert run == (await browser.get(f"/api/runs/{run['id']}")).json()

    async def test_so_is_one_that_fails(self, browser, account, make):
        source = GREETING.replace("input.name", "input.name.first")

        response = await run_and_wait(browser, await make.pipeline(account, source=source))

        assert response.status_code == 200
        assert response.json()["status"] == "failed"
        assert response.json()["error"]["code"] == "template_unresolved"

    @pytest.mark.both_stores
    async def test_and_one_that_is_cancelled(self, browser, account, make, fake_provider):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await make.pipeline(account, source=ASKING)
        waiting = asyncio.create_task(run_and_wait(browser, pipeline_id))
        await fake_provider.next_request()
        (run,) = (await browser.get("/api/runs")).json()["data"]

        await browser.post(f"/api/runs/{run['id']}/cancel")

        response = await waiting
        assert response.status_code == 200
        assert response.json()["status"] == "cancelled"
        assert response.json()["input_tokens"] > 0

    async def test_a_run_that_takes_longer_is_answered_as_it_is(
        self, browser, account, make, fake_provider, app
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await make.pipeline(account, source=ASKING)

        response = await run_and_wait(browser, pipeline_id, "?wait=1")

        assert response.status_code == 202
        assert response.json()["status"] == "running"
        assert "steps" not in response.json()
        assert app.state.streams.count(account.workspace_id) == 0
        await browser.post(f"/api/runs/{response.json()['id']}/cancel")

    @pytest.mark.parametrize(("query", "status"), [("", 200), ("?wait=20", 200), ("?wait=0", 202)])
    async def test_an_api_target_waits_unless_told_otherwise(
        self, browser, account, make, query, status
    ):
        pipeline_id = await make.pipeline(account, source=GREETING + API_TARGET)

        response = await run_and_wait(browser, pipeline_id, query)

        assert response.status_code == status

    async def test_the_version_that_runs_says_whether_to_wait(self, browser, account, make):
        pipeline_id = await make.pipeline(account, source=GREETING + API_TARGET)
        saved = await browser.put(
            f"/api/pipelines/{pipeline_id}",
            content=GREETING,
            headers={"Content-Type": "application/yaml"},
        )

        newest = await run_and_wait(browser, pipeline_id, "")
        first = await run_and_wait(browser, pipeline_id, "", version=1)

        assert saved.status_code == 200
        assert (newest.status_code, first.status_code) == (202, 200)

    async def test_without_either_nobody_waits(self, browser, account, make):
        assert (await run_and_wait(browser, await make.pipeline(account), "")).status_code == 202

    @pytest.mark.parametrize("wait", ["-1", "61", "x", "1.5"])
    async def test_other_values_are_refused(self, browser, account, make, wait):
        response = await run_and_wait(browser, await make.pipeline(account), f"?wait={wait}")

        assert (response.status_code, response.json()["code"]) == (422, "invalid_query")
        assert (await browser.get("/api/runs")).json()["data"] == []

    async def test_where_all_streams_are_taken_nobody_waits(
        self, browser, account, make, app, monkeypatch
    ):
        monkeypatch.setattr(listeners, "MAX_STREAMS_PER_WORKSPACE", 0)

        response = await run_and_wait(browser, await make.pipeline(account))

        assert response.status_code == 202

    @pytest.mark.both_stores
    async def test_whoever_hangs_up_is_counted_out_and_the_run_goes_on(
        self, browser, account, make, app, fake_provider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await make.pipeline(account, source=ASKING)
        waiting = asyncio.create_task(run_and_wait(browser, pipeline_id))
        call = await fake_provider.next_request()
        assert app.state.streams.count(account.workspace_id) == 1

        waiting.cancel()
        await asyncio.wait_for(app.state.streams.left.wait(), 10)

        (run,) = (await browser.get("/api/runs")).json()["data"]
        assert run["status"] == "running"
        assert not call.ended.is_set()
        await browser.post(f"/api/runs/{run['id']}/cancel")

    @pytest.mark.both_stores
    async def test_a_stopping_server_answers_early(
        self, browser, account, make, app, fake_provider
    ):
        fake_provider.configure(latency_ms=30_000)
        pipeline_id = await make.pipeline(account, source=ASKING)
        waiting = asyncio.create_task(run_and_wait(browser, pipeline_id))
        await fake_provider.next_request()

        app.state.streams.close()

        response = await asyncio.wait_for(waiting, 20)
        assert response.status_code == 202
        await browser.post(f"/api/runs/{response.json()['id']}/cancel")

    @pytest.mark.both_stores
    async def test_requests_that_wait_use_no_connection_to_the_store(
        self, browser, database, account, make, fake_provider
    ):
        fake_provider.configure(latency_ms=60_000)
        pipeline_id = await make.pipeline(account, source=ASKING)
        waiting = [asyncio.create_task(run_and_wait(browser, pipeline_id)) for _ in range(5)]
        for _ in waiting:
            await fake_provider.next_request()

        async with asyncio.timeout(20):
            # Other work uses connections, but never for long.
            while any(database.connections().values()):  # noqa: ASYNC110 - nothing reports it
                await asyncio.sleep(0.01)

        assert not any(request.done() for request in waiting)
        for run in (await browser.get("/api/runs")).json()["data"]:
            await browser.post(f"/api/runs/{run['id']}/cancel")
        await asyncio.gather(*waiting)

    async def test_whoever_repeats_the_request_waits_for_the_same_run(self, browser, account, make):
        pipeline_id = await make.pipeline(account)
        url, key = f"/api/pipelines/{pipeline_id}/run?wait=20", {"Idempotency-Key": "once"}

        first = await browser.post(url, headers=key)
        again = await browser.post(url, headers=key)

        assert (first.status_code, again.status_code) == (200, 200)
        assert first.json() == again.json()
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len((await browser.get("/api/runs")).json()["data"]) == 1
