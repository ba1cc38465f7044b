"""Streams of both clients, over all failures of their connections."""

import json
from time import monotonic
from typing import Any

import pytest

from stepiq.client import (
    NotFoundError,
    RateLimitError,
    ResponseInvalidError,
    RunTimeoutError,
    ServerError,
    ServerUnreachableError,
    models,
)
from stepiq.client.aio import streams as async_streams
from stepiq.client.sse import EventParser
from stepiq.client.sync import streams as sync_streams
from tests.support.client_twins import twin_of
from tests.support.library_http import DOCUMENT
from tests.support.scripted_server import DROP, SILENCE, Answer

EVENTS = {"content-type": "text/event-stream"}
RUN = {"run_id": "r", "created_at": "2026-02-27T10:00:04.500Z"}


def frame(number: int | None, kind: str, **data: Any) -> bytes:
    lines = [
        f"event: {kind}",
        f"data: {json.dumps({**RUN, 'seq': number, **data}, ensure_ascii=False)}",
    ]
    lines += [f"id: {number}"] if number else []
    return "\n".join([*lines, "", ""]).encode()


def status(number: int, status: str) -> bytes:
    return frame(number, "run.status", status=status)


def log(number: int, message: str = "x") -> bytes:
    return frame(
        number, "step.log", step_id="a", branch="", iteration=1, level="info", message=message
    )


def stream(*frames: bytes, cut_at: int | None = None) -> Answer:
    return Answer(200, b"".join(frames), EVENTS, cut_at=cut_at)


def numbers(found: list[Any]) -> list[int | None]:
    return [getattr(each, "seq", None) for each in found]


def follow(client: Any) -> Any:
    return client.runs.stream("r")


def follow_list(client: Any) -> Any:
    return client.runs.stream_list()


HTML = Answer(200, b"<!DOCTYPE html>", {"content-type": "text/html"})


class TestRunStream:
    async def test_it_ends_with_the_run(self, twin, script):
        script.script = [
            stream(status(1, "running"), b": comment\n\n", log(2), status(3, "failed"))
        ]

        found = await twin.all(follow)

        assert numbers(found) == [1, 2, 3]
        assert [type(each) for each in found] == [
            models.RunStatusEvent,
            models.StepLogEvent,
            models.RunStatusEvent,
        ]
        assert found[2].data.status == "failed"
        [received] = script.received
        assert received.headers["accept"] == "text/event-stream"
        assert "last-event-id" not in received.headers

    async def test_it_continues_after_the_last_event(self, twin, script):
        script.script = [
            stream(
                status(1, "running"), log(2), log(3), cut_at=len(status(1, "running") + log(2)) + 9
            ),
            DROP,
            Answer(503, {"code": "stopping", "detail": "Stopping."}),
            stream(),
            Answer(body={"status": "running"}),
            stream(log(2), log(3), status(4, "completed")),
        ]

        found = await twin.all(follow)

        assert numbers(found) == [1, 2, 3, 4]
        sent = [
            each.headers.get("last-event-id")
            for each in script.received
            if each.target.endswith("/stream")
        ]
        assert sent == [None, "2", "2", "2", "2"]

    async def test_pieces_of_text_have_no_number(self, twin, script):
        piece = frame(
            None, "step.delta", step_id="a", branch="", iteration=1, attempt=1, offset=0, text="hé"
        )
        script.script = [stream(status(1, "running"), piece, status(2, "completed"))]

        found = await twin.all(follow)

        assert [type(each) for each in found][1] is models.StepDeltaEvent
        assert found[1].data.text == "hé"

    async def test_an_unknown_event_is_passed_on(self, twin, script):
        script.script = [stream(frame(1, "run.new", a=1), status(2, "completed"))]

        found = await twin.all(follow)

        assert isinstance(found[0], models.UnknownEvent)
        assert (found[0].type, found[0].seq, found[0].data["a"]) == ("run.new", 1, 1)

    async def test_separators_of_unicode_end_no_line(self, twin, script):
        script.script = [stream(log(1, "a\u2028b\x85c"), status(2, "completed"))]

        found = await twin.all(follow)

        assert found[0].data.message == "a\u2028b\x85c"

    async def test_after_the_final_event_there_are_none(self, twin, script):
        script.script = [stream(), Answer(body={"status": "completed"}), Answer(body={"data": []})]

        found = await twin.all(lambda client: client.runs.stream("r", after=7))

        assert found == []
        assert script.received[0].headers["last-event-id"] == "7"
        assert script.received[2].target == "/api/runs/r/events?after=7&limit=1"

    async def test_an_unknown_run_fails_at_once(self, twin, script):
        script.script = [Answer(404, {"code": "run_not_found", "detail": "No."})]

        with pytest.raises(NotFoundError):
            await twin.all(follow)

    async def test_a_lost_credential_ends_it(self, twin, script):
        script.script = [stream(log(1)), Answer(404, {"code": "run_not_found", "detail": "No."})]

        with pytest.raises(NotFoundError):
            await twin.all(follow)

    async def test_a_server_that_never_worked_is_not_waited_for(self, kind, script, quick):
        script.script = [Answer(503, {"code": "busy", "detail": "Busy."})] * 9
        async with twin_of(kind, script.url, max_retries=2) as twin:
            with pytest.raises(ServerError):
                await twin.all(follow)

        assert len(script.received) == 3

    async def test_a_server_that_is_gone_for_long_ends_it(self, kind, script, quick, monkeypatch):
        module = sync_streams if kind == "sync" else async_streams
        monkeypatch.setattr(module, "PATIENCE", 0.0)
        script.script = [stream(log(1), b"x", cut_at=len(log(1))), *[DROP] * 9]
        async with twin_of(kind, script.url, max_retries=2) as twin:
            with pytest.raises(Exception, match="cannot be reached"):
                await twin.all(follow)

    async def test_a_server_that_stopped_regularly_is_waited_for(self, kind, script, quick):
        script.script = [stream(log(1)), *[DROP] * 8, stream(log(2), status(3, "completed"))]
        async with twin_of(kind, script.url, max_retries=2) as twin:
            found = await twin.all(follow)

        assert numbers(found) == [1, 2, 3]

    async def test_a_server_that_stopped_before_the_first_event_is_waited_for(
        self, kind, script, quick
    ):
        running = Answer(body={"status": "running"})
        script.script = [stream(), running, *[DROP] * 8, stream(status(1, "completed"))]
        async with twin_of(kind, script.url, max_retries=2) as twin:
            found = await twin.all(follow)

        assert numbers(found) == [1]

    async def test_a_server_that_stops_before_the_end_of_the_run_is_checked_is_waited_for(
        self, kind, script, quick
    ):
        script.script = [stream(log(1)), stream(), *[DROP] * 8, stream(status(2, "completed"))]
        async with twin_of(kind, script.url, max_retries=2) as twin:
            found = await twin.all(follow)

        assert numbers(found) == [1, 2]

    async def test_the_time_of_the_caller_does_not_count(self, kind, script, quick, monkeypatch):
        now = 0.0
        for module in (async_streams, sync_streams):
            monkeypatch.setattr(module, "monotonic", lambda: now)
        script.script = [
            stream(log(1), log(2), cut_at=len(log(1))),
            *[DROP] * 8,
            stream(status(2, "completed")),
        ]

        def work(items: list[Any]) -> bool:
            nonlocal now
            now += 2 * async_streams.PATIENCE
            return False

        async with twin_of(kind, script.url, max_retries=2) as twin:
            found = await twin.each(follow, work)

        assert numbers(found) == [1, 2]

    async def test_a_limit_with_a_long_wait_ends_it(self, twin, script):
        script.script = [Answer(429, {"code": "a", "detail": "b"}, {"retry-after": "600"})]

        with pytest.raises(RateLimitError):
            await twin.all(follow)

    async def test_a_silent_connection_is_replaced(self, twin, kind, script, monkeypatch):
        module = sync_streams if kind == "sync" else async_streams
        monkeypatch.setattr(module, "_SILENCE", 0.5)
        script.script = [SILENCE, *[stream(status(1, "completed"))] * 9]

        assert numbers(await twin.all(follow)) == [1]

    @pytest.mark.parametrize("act", [follow, follow_list])
    async def test_a_page_is_not_read_as_a_stream(self, act, twin, script):
        script.script = [HTML]

        with pytest.raises(ResponseInvalidError, match="not a stream of events") as caught:
            await twin.all(act, 1)

        assert caught.value.status == 200
        assert len(script.received) == 1

    async def test_the_name_of_its_type_can_have_capitals_and_parameters(self, twin, script):
        script.script = [
            Answer(200, status(1, "failed"), {"content-type": "Text/Event-Stream; charset=utf-8"})
        ]

        assert numbers(await twin.all(follow)) == [1]

    @pytest.mark.parametrize("act", [follow, follow_list])
    async def test_data_that_is_not_json_is_an_error_of_the_library(self, act, twin, script):
        script.script = [stream(b"event: list.stale\ndata: {x\n\n")]

        with pytest.raises(ResponseInvalidError, match="not as expected"):
            await twin.all(act, 1)

    async def test_a_number_that_is_none_is_an_error_of_the_library(self, twin, script):
        script.script = [stream(b"event: step.log\ndata: {}\nid: x\n\n")]

        with pytest.raises(ResponseInvalidError, match="not as expected"):
            await twin.all(follow)


class TestWait:
    async def test_it_returns_the_ended_run(self, twin, script):
        run = DOCUMENT["components"]["examples"]["RunDetail"]["value"]
        script.script = [stream(status(1, "completed")), Answer(body=run)]

        ended = await twin.call(lambda client: client.runs.wait("r"))

        assert (ended.id, ended.status, ended.output) == (run["id"], "completed", run["output"])
        assert [each.target for each in script.received] == ["/api/runs/r/stream", "/api/runs/r"]

    async def test_a_run_that_was_deleted_is_not_found(self, twin, script):
        script.script = [
            stream(status(1, "completed")),
            Answer(404, {"code": "run_not_found", "detail": "No."}),
        ]

        with pytest.raises(NotFoundError):
            await twin.call(lambda client: client.runs.wait("r"))

    async def test_it_has_a_time_limit(self, twin, script):
        script.script = [SILENCE]

        with pytest.raises(RunTimeoutError) as caught:
            await twin.call(lambda client: client.runs.wait("r", timeout=0.2))

        assert caught.value.run_id == "r"

    async def test_a_chatty_run_has_it_too(self, twin, script):
        script.script = [stream(*[log(number + 1) for number in range(9)])] * 99

        with pytest.raises(RunTimeoutError):
            await twin.call(lambda client: client.runs.wait("r", timeout=0))

    async def test_a_server_that_ends_each_stream_has_it_too(self, twin, script):
        script.script = [stream(), Answer(body={"status": "running"})] * 500

        with pytest.raises(RunTimeoutError):
            await twin.call(lambda client: client.runs.wait("r", timeout=0.1))

        assert script.script

    async def test_a_requested_pause_does_not_exceed_it(self, twin, script):
        script.script = [Answer(429, {"code": "slow_down"}, {"Retry-After": "50"})] * 9
        started = monotonic()

        with pytest.raises(RunTimeoutError):
            await twin.call(lambda client: client.runs.wait("r", timeout=0.3))

        assert monotonic() - started < 25

    async def test_a_run_that_cannot_be_read_is_not_read_again_after_it(self, twin, script):
        script.script = [stream(), *[SILENCE] * 9]

        with pytest.raises(RunTimeoutError):
            await twin.call(lambda client: client.runs.wait("r", timeout=2))

        assert [each.target for each in script.received][1:] == ["/api/runs/r?steps=false"]


class TestListStream:
    async def test_it_has_typed_changes_and_connects_again(self, twin, script):
        script.script = [
            stream(frame(None, "list.stale"), frame(None, "run.left", id="r-1")),
            DROP,
            stream(frame(None, "list.stale")),
        ]

        found = await twin.all(lambda client: client.runs.stream_list(status=["failed"]), 3)

        assert [each.type for each in found] == ["list.stale", "run.left", "list.stale"]
        assert found[1].data.id == "r-1"
        assert {each.target for each in script.received} == {"/api/runs/stream?status=failed"}

    async def test_a_server_that_stopped_regularly_is_waited_for(self, kind, script, quick):
        stale = stream(frame(None, "list.stale"))
        script.script = [stale, *[DROP] * 8, stale]
        async with twin_of(kind, script.url, max_retries=2) as twin:
            found = await twin.all(follow_list, 2)

        assert [each.type for each in found] == ["list.stale"] * 2

    async def test_a_server_that_never_worked_is_not_waited_for(self, kind, script, quick):
        script.script = [DROP] * 9
        async with twin_of(kind, script.url, max_retries=2) as twin:
            with pytest.raises(ServerUnreachableError):
                await twin.all(follow_list, 1)

        assert len(script.received) == 3

    async def test_it_pauses_before_each_connection(self, kind, script):
        script.script = [stream(frame(None, "list.stale"))] * 3
        begin = monotonic()
        async with twin_of(kind, script.url) as twin:
            await twin.all(follow_list, 3)

        assert monotonic() - begin >= 0.25


class TestParser:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_pieces_of_any_size_give_the_same_events(self, size, end):
        lines = [
            ": hi",
            "event: a",
            "data: é1",
            "data:2",
            "id: 5",
            "",
            "data",
            "",
            "x: y",
            "",
            "data: 3",
            "",
        ]
        text = "".join(line + end for line in [*lines, ""]).encode()
        parser = EventParser()

        found = [
            event
            for start in range(0, len(text), size)
            for event in parser.feed(text[start : start + size])
            if not event.is_comment
        ]

        assert [(each.type, each.data, each.id) for each in found] == [
            ("a", "é1\n2", "5"),
            ("message", "", None),
            ("message", "3", None),
        ]

    def test_an_incomplete_event_is_none(self):
        assert [*EventParser().feed(b"data: 1\ndata: 2\n")] == []
