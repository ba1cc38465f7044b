import asyncio
import threading
import time

import pytest
from structlog.testing import capture_logs

from stepiq.core import logging, metrics, watchdog
from stepiq.core.watchdog import Watchdog


def hold_the_loop(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def beats(dog: Watchdog, number: int = 2) -> None:
    """Wait until the loop has noted the time so often."""
    for _ in range(number):
        before = dog._beat
        while dog._beat == before:  # noqa: ASYNC110 - nothing else says so
            await asyncio.sleep(0)


def measured(part: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"stepiq_event_loop_lag_seconds_{part}") or 0.0


class TestWatchdog:
    async def test_the_longest_delay_since_the_last_measurement_is_measured(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(watchdog, "_MEASURE_EVERY_SECONDS", 0.2)
        count, seconds = measured("count"), measured("sum")

        with Watchdog() as dog:
            hold_the_loop(0.15)
            while measured("count") == count:
                await beats(dog, 1)

        assert measured("sum") - seconds >= 0.1

    async def test_what_holds_the_loop_is_logged_with_its_stack(self):
        with capture_logs() as logs, Watchdog() as dog:
            await beats(dog)
            dog._next_report = 0.0
            hold_the_loop(0.5)
            await beats(dog)

        [event] = [each for each in logs if "hold_the_loop" in each["stack"]]
        assert (event["event"], event["log_level"]) == ("event_loop_held", "warning")
        assert event["seconds"] >= 0.4
        assert event["is_over"]
        assert event["stack"].splitlines()[-1].endswith(" hold_the_loop")
        assert "test_watchdog.py" in event["stack"].splitlines()[-1]

    def test_the_console_shows_it(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ):
        logging.configure("console")
        # A logger keeps the configuration of its first use.
        monkeypatch.setattr(watchdog, "log", logging.get("stepiq.core.watchdog"))

        watchdog._write(0.5, ["a.py:1 outer", "b.py:2 inner"])

        assert "a.py:1 outer\nb.py:2 inner" in capsys.readouterr().err

    async def test_a_loop_that_is_still_held_is_logged_before_it_is_free(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(watchdog, "_LONG_SECONDS", 0.2)
        with capture_logs() as logs, Watchdog() as dog:
            await beats(dog)
            hold_the_loop(0.6)
            seen_while_held = [each["is_over"] for each in logs]
            await beats(dog)

        assert False in seen_while_held
        assert logs[-1]["is_over"]
        assert logs[-1]["seconds"] >= 0.5

    async def test_the_log_is_not_flooded(self):
        with capture_logs() as logs, Watchdog() as dog:
            for _ in range(3):
                hold_the_loop(0.2)
                await beats(dog)
            dog._next_report = 0.0
            hold_the_loop(0.2)
            await beats(dog)

        first, second = logs
        assert first["unreported"] == 0
        assert second["unreported"] >= 2

    async def test_it_ends_with_its_block(self):
        with Watchdog() as dog:
            await beats(dog)

        assert dog._thread not in threading.enumerate()
        assert dog._timer is not None
        assert dog._timer.cancelled()
