import asyncio

import pytest
from structlog.testing import capture_logs

from stepiq.core.concurrency import tasks


async def fail() -> None:
    raise RuntimeError("broke")


async def run_for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        ended.append("clean")


class TestEnd:
    async def test_a_cancel_of_the_caller_applies_when_all_have_ended(self):
        may_end, ending = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await may_end.wait()

        working = asyncio.create_task(work())
        await asyncio.sleep(0)
        caller = asyncio.create_task(tasks.end([working]))
        await ending.wait()
        caller.cancel("late")
        await asyncio.sleep(0)
        assert not caller.done()
        may_end.set()

        with pytest.raises(asyncio.CancelledError, match="late"):
            await caller
        assert working.cancelled()

    async def test_the_caller_reads_what_has_failed(self):
        failed = asyncio.create_task(fail())
        await asyncio.wait({failed})

        with capture_logs() as logs:
            await tasks.end([failed])

        assert logs == []


class TestCancel:
    async def test_all_have_ended_even_if_one_has_failed(self):
        ended: list[str] = []
        started = [asyncio.create_task(each) for each in (fail(), run_for_ever(ended))]
        await asyncio.sleep(0)

        with capture_logs() as logs:
            await tasks.cancel(started)

        assert ended == ["clean"]
        assert [line["event"] for line in logs] == ["task_failed"]
        assert isinstance(logs[0]["exc_info"], RuntimeError)

    async def test_no_tasks_need_no_wait(self):
        await tasks.cancel([])


class TestFinish:
    async def test_the_others_are_finished_if_one_fails_or_is_cancelled(self):
        done: list[str] = []

        async def work() -> None:
            await asyncio.sleep(0)
            done.append("work")

        cancelled = asyncio.create_task(asyncio.sleep(3_600, None))
        started = [asyncio.create_task(fail()), cancelled, asyncio.create_task(work())]
        cancelled.cancel()

        with capture_logs() as logs:
            await tasks.finish(started)

        assert done == ["work"]
        assert [line["event"] for line in logs] == ["task_failed"]


class TestUninterrupted:
    async def test_the_work_ends_however_often_its_caller_is_cancelled(self):
        may_end, told = asyncio.Event(), asyncio.Event()

        async def work() -> str:
            told.set()
            await may_end.wait()
            return "done"

        caller = asyncio.create_task(tasks.uninterrupted(work()))
        await told.wait()
        for _ in range(3):
            caller.cancel()
            await asyncio.sleep(0)
        may_end.set()

        assert await caller == "done"

    async def test_an_error_of_the_work_reaches_the_caller(self):
        with pytest.raises(RuntimeError, match="broke"):
            await tasks.uninterrupted(fail())
