import asyncio
import math
import threading
import time
from collections.abc import Callable

import pytest
import uvloop
from structlog.testing import capture_logs

from stepiq.core.observability import log_output, logging, metrics, watchdog
from stepiq.core.observability.watchdog import Watchdog


def hold_the_loop(dog: Watchdog, until: Callable[[], bool] = lambda: True) -> None:
    """Hold it until the watchdog's thread has found it here, and the condition is met, however slow the machine is."""
    while not (is_found_here(dog) and until()):
        if dog._stack_since == dog._held_since and not is_found_here(dog):
            # Something else held it before, or it was in one of the calls of this loop.
            dog._stack_since = None
        time.sleep(0.005)


def is_found_here(dog: Watchdog) -> bool:
    is_found = dog._held_since is not None and dog._stack_since == dog._held_since
    return is_found and dog._stack[-1].endswith(" hold_the_loop")


async def free(dog: Watchdog, number: int = 2) -> None:
    """Wait until the loop has been found free so often."""
    for _ in range(number):
        before = dog._free_at
        while dog._free_at == before:  # noqa: ASYNC110 - nothing else says so
            await asyncio.sleep(0)


def measured(part: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"stepiq_event_loop_lag_seconds_{part}") or 0.0


class TestWatchdog:
    async def test_the_longest_delay_since_the_last_measurement_is_measured(self):
        count, seconds = measured("count"), measured("sum")

        with Watchdog() as dog:
            hold_the_loop(dog)
            while measured("count") == count:
                await free(dog, 1)

        assert measured("sum") - seconds >= 0.1

    async def test_what_holds_the_loop_is_logged_with_its_stack(self):
        with capture_logs() as logs, Watchdog() as dog:
            await free(dog)
            dog._next_report = 0.0
            hold_the_loop(dog)
            await free(dog)

        # On a machine that stops for seconds, it is also logged before it is over.
        event = [each for each in logs if "hold_the_loop" in each["stack"]][-1]
        assert (event["event"], event["log_level"]) == ("event_loop_held", "warning")
        assert event["seconds"] >= watchdog.HELD_SECONDS
        assert event["is_over"]
        assert event["stack"].splitlines()[-1].endswith(" hold_the_loop")
        assert "test_watchdog.py" in event["stack"].splitlines()[-1]

    def test_the_console_shows_its_last_calls(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ):
        log_output.configure("console")
        # A logger keeps the configuration of its first use.
        monkeypatch.setattr(watchdog, "log", logging.get("stepiq.core.observability.watchdog"))

        watchdog._write(0.5, [f"a.py:{line} call" for line in range(1, 6)])

        shown = capsys.readouterr().err
        assert shown.endswith("\n…\na.py:3 call\na.py:4 call\na.py:5 call\n")

    async def test_a_loop_that_is_still_held_is_logged_before_it_is_free(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(watchdog, "_LONG_SECONDS", 0.2)

        def is_reported() -> bool:
            # A stop of the machine can have been reported before.
            is_this = dog._reported_since == dog._held_since
            return is_this and not all(each["is_over"] for each in logs[-1:])

        with capture_logs() as logs, Watchdog() as dog:
            await free(dog)
            hold_the_loop(dog, until=is_reported)
            held = len(logs)
            await free(dog)

        assert logs[held]["is_over"]
        assert logs[held]["seconds"] >= 0.2

    async def test_the_log_is_not_flooded(self):
        with capture_logs() as logs, Watchdog() as dog:
            dog._next_report = 0.0
            for _ in range(3):
                hold_the_loop(dog)
                await free(dog)
            reported = len(logs)
            dog._next_report = 0.0
            hold_the_loop(dog)
            await free(dog)

        assert reported == 1
        assert logs[0]["unreported"] == 0
        assert logs[1]["unreported"] >= 2

    async def test_the_turn_that_ends_the_block_is_logged(self):
        with capture_logs() as logs, Watchdog() as dog:
            await free(dog)
            dog._next_report = 0.0
            hold_the_loop(dog)

        assert logs[-1]["stack"].endswith(" hold_the_loop")

    async def test_the_stack_of_an_earlier_time_is_not_logged(self):
        with capture_logs() as logs, Watchdog() as dog:
            await free(dog)
            hold_the_loop(dog)
            await free(dog)
            dog._stopping.set()
            dog._thread.join()
            dog._next_report = 0.0
            dog._held_since = time.monotonic() - 1.0
            dog._note()

        assert logs[-1]["stack"] == ""

    async def test_it_ends_with_its_block(self):
        with Watchdog() as dog:
            await free(dog)

        assert dog._thread not in threading.enumerate()
        assert dog._held_since is None

    def test_a_loop_that_waits_is_not_woken(self):
        def rest(dog: Watchdog) -> bool:
            """Whether a check would not wake the loop, after it has executed what began this thread."""
            dog._check()
            while dog._held_since is not None:
                time.sleep(0.001)
            return dog._suspect(time.monotonic()) is None

        async def watch() -> bool:
            dog = Watchdog()
            dog._next_measurement = math.inf
            while not await asyncio.to_thread(rest, dog):
                pass
            return True

        assert uvloop.run(asyncio.wait_for(watch(), 10))

    def test_a_process_without_cpu_time_is_logged(self):
        async def watch() -> None:
            dog = Watchdog()
            dog._note()
            dog._free_at -= 1.0
            dog._checked_at -= 1.0
            await asyncio.to_thread(dog._check)
            dog._note()

        with capture_logs() as logs:
            uvloop.run(watch())

        assert [each["event"] for each in logs] == ["event_loop_held"]
        assert logs[0]["seconds"] >= 0.9
        assert logs[0]["stack"]

    def test_a_loop_that_waits_is_measured(self):
        async def watch() -> None:
            dog = Watchdog()
            dog._next_measurement = 0.0
            await asyncio.to_thread(dog._check)
            dog._note()

        count = measured("count")
        uvloop.run(watch())

        assert measured("count") == count + 1
