"""How long a thread that computes leaves the processor to the event loop."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from stepiq.core.concurrency import pauses
from stepiq.language import offload

SHORT = offload._PAUSE_SECONDS


def stopped_job(
    monkeypatch: pytest.MonkeyPatch, loop_seconds: float
) -> tuple[SimpleNamespace, list[float]]:
    """The CPU time of the thread, which a test sets as `seconds`, and how long it slept.

    The loop has computed for `loop_seconds` after each sleep.
    """
    job, slept = SimpleNamespace(seconds=0.0), list[float]()
    clocks = SimpleNamespace(
        sleep=slept.append,
        thread_time=lambda: job.seconds,
        monotonic=lambda: sum(slept),
        pthread_getcpuclockid=lambda _: 0,
        clock_gettime=lambda _: loop_seconds * len(slept),
    )
    monkeypatch.setattr(offload, "time", clocks)
    monkeypatch.setattr(offload, "_pauses", offload._Pauses())
    return job, slept


class TestPause:
    @pytest.mark.parametrize(
        ("loop_seconds", "computed", "expected"),
        [
            (0.0, 0.01, [SHORT]),
            (1.0, 0.0, [SHORT, offload._BUSY_PAUSE_SECONDS]),
            (1.0, 0.01, [SHORT, 0.04]),
            (1.0, 9.0, [SHORT, offload._LONGEST_PAUSE_SECONDS]),
        ],
        ids=["idle", "busy", "busy after long work", "busy after work without an end"],
    )
    def test_it_is_longer_while_the_loop_is_busy(
        self,
        loop_seconds: float,
        computed: float,
        expected: list[float],
        monkeypatch: pytest.MonkeyPatch,
    ):
        job, slept = stopped_job(monkeypatch, loop_seconds)

        def work(pause: Callable[[], None]) -> None:
            job.seconds += computed
            pause()

        offload._Job(work).run(lambda _: None)

        assert slept == pytest.approx(expected)

    def test_it_is_longer_if_other_threads_compute(self, monkeypatch: pytest.MonkeyPatch):
        job, slept = stopped_job(monkeypatch, loop_seconds=1.0)
        with ThreadPoolExecutor(2) as threads:
            both_begun = threading.Barrier(2)

            def pause_once(seconds: float) -> None:
                both_begun.wait(30)
                offload._pauses.seconds(seconds)

            # How long the others pause makes no difference.
            list(threads.map(pause_once, [0.002, 0.2]))

        def work(pause: Callable[[], None]) -> None:
            job.seconds += 0.01
            pause()

        offload._Job(work).run(lambda _: None)

        assert slept == pytest.approx([SHORT, 3 * 0.04])

    def test_that_of_a_job_for_which_a_transaction_waits_does_not_depend_on_others(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        job, slept = stopped_job(monkeypatch, loop_seconds=1.0)
        with ThreadPoolExecutor(1) as threads:
            threads.submit(offload._pauses.seconds, 10).result()

        def work(pause: Callable[[], None]) -> None:
            job.seconds += 0.01
            pause()

        offload._Job(work, is_urgent=True).run(lambda _: None)

        assert slept == pytest.approx([SHORT, 0.04])

    def test_it_has_a_limit(self, monkeypatch: pytest.MonkeyPatch):
        stopped_job(monkeypatch, loop_seconds=1.0)
        with ThreadPoolExecutor(9) as threads:
            all_begun = threading.Barrier(9)

            def pause_once(_: int) -> float:
                all_begun.wait(30)
                return offload._pauses.seconds(0.2)

            longest = max(threads.map(pause_once, range(9)))

        assert longest == offload._LONGEST_SHARED_PAUSE_SECONDS

    def test_a_thread_whose_job_has_ended_does_not_count(self, monkeypatch: pytest.MonkeyPatch):
        job, _ = stopped_job(monkeypatch, loop_seconds=1.0)

        def work(pause: Callable[[], None]) -> None:
            job.seconds += 0.01

        with ThreadPoolExecutor(1) as threads:
            threads.submit(offload._Job(work).run, lambda _: None).result()

        assert offload._pauses.seconds(0.01) == 0.01

    def test_threads_that_no_longer_compute_do_not_count(self, monkeypatch: pytest.MonkeyPatch):
        _, slept = stopped_job(monkeypatch, loop_seconds=1.0)
        with ThreadPoolExecutor(1) as threads:
            threads.submit(offload._pauses.seconds, 0.01).result()

        slept.append(0.01 + offload._COMPUTING_SECONDS)

        assert offload._pauses.seconds(0.01) == 0.01

    def test_a_job_that_never_pauses_is_followed_by_a_pause(self, monkeypatch: pytest.MonkeyPatch):
        job, slept = stopped_job(monkeypatch, loop_seconds=1.0)

        def work(pause: Callable[[], None]) -> None:
            job.seconds += 0.01

        offload._Job(work).run(lambda _: None)

        assert slept == pytest.approx([SHORT, 0.04])

    def test_work_that_knows_nothing_of_threads_pauses_when_it_is_due(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        job, slept = stopped_job(monkeypatch, loop_seconds=0.0)
        monkeypatch.setattr(pauses, "time", SimpleNamespace(thread_time=lambda: job.seconds))

        def work(pause: Callable[[], None]) -> None:
            for _ in range(4):
                job.seconds += pauses.DUE_SECONDS * 0.6
                pauses.pause_if_due()

        offload._Job(work).run(lambda _: None)
        pauses.pause_if_due()

        assert slept == [SHORT, SHORT]

    def test_without_such_a_clock_the_loop_is_never_busy(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delattr(time, "pthread_getcpuclockid", raising=False)

        assert offload._cpu_clock()() == 0.0

    @pytest.mark.skipif(
        not hasattr(time, "pthread_getcpuclockid"), reason="the system has no such clock"
    )
    def test_another_thread_reads_how_much_the_loop_has_computed(self):
        clock = offload._cpu_clock()
        before = asyncio.run(asyncio.to_thread(clock))

        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

        assert asyncio.run(asyncio.to_thread(clock)) - before >= 0.02
