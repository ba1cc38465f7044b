import asyncio
import queue
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dbos._event_loop import BackgroundEventLoop
from dbos._utils import INTERNAL_QUEUE_NAME

from stepiq.queue import dbos_threads
from stepiq.queue.dbos_threads import Lanes

_PATIENCE = 20
_REPLACED = """
from dbos import _dbos, _queue
from dbos._event_loop import BackgroundEventLoop
from dbos._sys_db import SystemDatabase

print(_dbos.background_jobs_thread.__name__, _dbos.dynamic_scheduler_loop.__name__)
print(_queue.queue_worker_thread.__name__, SystemDatabase.run_notification_listener.__name__)
print(BackgroundEventLoop.submit_coroutine.__name__)
"""


@pytest.fixture
def polls() -> queue.Queue[str]:
    """The polls of a queue thread whose own pause is too long for a test."""
    return queue.Queue()


@pytest.fixture
def lanes(polls: queue.Queue[str]) -> Lanes:
    def work(stop: Any, _: object, lane: Any) -> None:
        while not stop.wait(timeout=10 * _PATIENCE):
            polls.put(lane.name)

    return Lanes(work)


@contextmanager
def running(lanes: Lanes, name: str) -> Generator[None]:
    stop, lane = threading.Event(), SimpleNamespace(name=name)
    thread = threading.Thread(target=lanes.run, args=(stop, cast(Any, None), lane))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        lanes.wake()
        thread.join(_PATIENCE)
    assert not thread.is_alive()


class TestLanes:
    def test_the_first_poll_is_immediate(self, lanes: Lanes, polls: queue.Queue[str]):
        with running(lanes, "runs"):
            assert polls.get(timeout=_PATIENCE) == "runs"

    def test_a_wake_ends_a_pause(self, lanes: Lanes, polls: queue.Queue[str]):
        with running(lanes, "runs"):
            polls.get(timeout=_PATIENCE)
            lanes.wake("runs")

            assert polls.get(timeout=_PATIENCE) == "runs"

    def test_at_rest_it_polls_without_a_wake_too(self, lanes: Lanes, polls: queue.Queue[str]):
        lanes.idle_poll_seconds = 0.01
        lanes.may_rest = lambda: True
        with running(lanes, "runs"):
            for _ in range(3):
                polls.get(timeout=_PATIENCE)

    def test_a_closed_lane_is_not_polled_again(self, lanes: Lanes, polls: queue.Queue[str]):
        with running(lanes, "runs"):
            polls.get(timeout=_PATIENCE)

            assert lanes.close(_PATIENCE)

            lanes.wake()
        assert polls.empty()

    def test_a_poll_in_progress_ends_before_the_lane_is_closed(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        begun, may_end, claimed = threading.Event(), threading.Event(), list[str]()

        def work(stop: Any, _: object, lane: Any) -> None:
            while not stop.wait(timeout=10 * _PATIENCE):
                begun.set()
                may_end.wait(_PATIENCE)
                claimed.append(lane.name)

        lanes = Lanes(work)
        with running(lanes, "runs"):
            assert begun.wait(_PATIENCE)
            assert not lanes.close(0)
            may_end.set()

            assert lanes.close(_PATIENCE)
            assert claimed == ["runs"]

    def test_threads_of_the_next_launch_poll_again(self, lanes: Lanes, polls: queue.Queue[str]):
        with running(lanes, "runs"):
            polls.get(timeout=_PATIENCE)
            lanes.close(_PATIENCE)

        lanes.open()

        with running(lanes, "runs"):
            assert polls.get(timeout=_PATIENCE) == "runs"

    def test_a_held_lane_is_not_polled_until_it_is_released(
        self, lanes: Lanes, polls: queue.Queue[str]
    ):
        with running(lanes, "runs"), running(lanes, "runs-first"):
            assert {polls.get(timeout=_PATIENCE) for _ in range(2)} == {"runs", "runs-first"}
            lanes.hold("runs", 10 * _PATIENCE)

            lanes.wake("runs")
            lanes.wake("runs-first")
            assert polls.get(timeout=_PATIENCE) == "runs-first"
            lanes.release("runs")

            assert polls.get(timeout=_PATIENCE) == "runs"

    def test_a_hold_ends_after_its_time(self, lanes: Lanes, polls: queue.Queue[str]):
        lanes.hold("runs", 0.05)
        with running(lanes, "runs"):
            lanes.wake("runs")

            assert polls.get(timeout=_PATIENCE) == "runs"
            assert lanes.held_for("runs") == 0

    def test_a_thread_with_a_held_lane_stops(self, lanes: Lanes, polls: queue.Queue[str]):
        lanes.hold("runs", 10 * _PATIENCE)
        with running(lanes, "runs"):
            pass

        assert polls.empty()

    def test_a_held_lane_can_be_closed(self, lanes: Lanes, polls: queue.Queue[str]):
        lanes.hold("runs", 10 * _PATIENCE)
        with running(lanes, "runs"):
            assert lanes.close(_PATIENCE)

        assert polls.empty()

    def test_a_lane_is_held_for_half_of_the_time_at_most(self, monkeypatch: pytest.MonkeyPatch):
        now = 1_000.0
        monkeypatch.setattr(dbos_threads.time, "monotonic", lambda: now)
        lanes, held = Lanes(), 0
        for second in range(100):
            now = 1_000.0 + second
            lanes.hold("runs", 10)
            held += lanes.held_for("runs") > 0
            now += 0.9
            lanes.release("runs")

        assert 40 <= held <= 50

    def test_after_a_hold_that_has_ended_by_itself_the_lane_is_free_for_as_long(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        now = 1_000.0
        monkeypatch.setattr(dbos_threads.time, "monotonic", lambda: now)
        lanes = Lanes()
        lanes.hold("runs", 10)
        now += 30
        assert lanes.held_for("runs") == 0
        lanes.release("runs")

        lanes.hold("runs", 10)
        assert lanes.held_for("runs") == 0
        now += 10
        lanes.hold("runs", 10)

        assert lanes.held_for("runs") == 10

    def test_the_queue_of_the_library_is_not_polled(self, lanes: Lanes, polls: queue.Queue[str]):
        with running(lanes, INTERNAL_QUEUE_NAME):
            pass

        assert polls.empty()


class TestStarts:
    def test_a_queue_thread_starts_all_tickets_before_the_loop_does_anything(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        loop = BackgroundEventLoop()
        loop.start()
        begun: list[int] = []
        submitted, polled = threading.Event(), threading.Event()

        async def start(number: int) -> None:
            begun.append(number)

        def work(stop: Any, *_: object) -> None:
            stop.wait(timeout=10 * _PATIENCE)
            for number in range(50):
                loop.submit_coroutine(start(number))
            submitted.set()
            stop.wait(timeout=0)
            polled.set()

        async def busy() -> list[int]:
            # Holds the event loop until the thread has passed on all tickets.
            submitted.wait(_PATIENCE)
            return list(begun)

        target = loop.target_loop()
        assert target is not None
        holding = asyncio.run_coroutine_threadsafe(busy(), target)
        with running(Lanes(work), "runs"):
            assert holding.result(_PATIENCE) == []
            assert polled.wait(_PATIENCE)
        loop.stop()

        # The next poll counts them.
        assert begun == list(range(50))

    def test_other_threads_get_the_result(self):
        loop = BackgroundEventLoop()
        loop.start()

        async def answer() -> int:
            return 42

        assert loop.submit_coroutine(answer()) == 42
        loop.stop()


def test_the_library_still_has_the_functions_that_are_replaced():
    names = subprocess.run(
        [sys.executable, "-c", _REPLACED], capture_output=True, text=True, check=True
    ).stdout.split()

    assert names == [
        "background_jobs_thread",
        "dynamic_scheduler_loop",
        "queue_worker_thread",
        "run_notification_listener",
        "submit_coroutine",
    ]
