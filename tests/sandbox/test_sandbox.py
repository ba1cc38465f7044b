"""The sandbox from outside: its processes, what they are given, and how they end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from stepiq.core.concurrency.fairness import act_for
from stepiq.core.json import Json
from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox import conversation, limits
from stepiq.sandbox.conversation import CodeFailed, Conversation, Outcome, Ran
from stepiq.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Code
from tests.sandbox.processes import FOREVER, below, children, ended, opened, running, told
from tests.support import loop_time

IDENTITY = {
    CodeLanguage.PYTHON: "def main(input): return input",
    CodeLanguage.JAVASCRIPT: "function main(input) { return input }",
}

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
languages = pytest.mark.parametrize("language", list(CodeLanguage))
pytestmark = linux


def server() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE)


async def identity(sandbox: Sandbox, language: CodeLanguage, value: Json) -> Outcome:
    return await sandbox.run(
        language, IDENTITY[language], value, timeout=timedelta(seconds=10), log=print
    )


@pytest.fixture
async def sandbox(measured: None) -> AsyncIterator[Sandbox]:
    """One for each test: those that wait for a turn belong to its event loop."""
    sandbox = Sandbox()
    yield sandbox
    await sandbox.close()


class TestRun:
    @languages
    async def test_the_output_is_what_main_returns(self, sandbox: Sandbox, language: CodeLanguage):
        assert await identity(sandbox, language, {"a": [1]}) == Ran({"a": [1]})

    @languages
    async def test_lines_come_while_the_code_runs(self, sandbox: Sandbox, language: CodeLanguage):
        async with running(sandbox, language) as code:
            assert not code.task.done()

    async def test_a_limit_of_more_than_thirty_seconds_is_thirty(self, code: Code):
        outcome = await code.python("def main(input): return 1", seconds=10_000)

        assert outcome == Ran(1)

    @pytest.mark.parametrize("value", [float("nan"), ["\ud800"]])
    async def test_an_input_that_is_no_json_is_told(self, code: Code, value: Json):
        outcome = await code.javascript("function main() {}", value)

        assert outcome == CodeFailed("code_error", limits.INPUT_NOT_JSON)

    async def test_what_the_log_raises_reaches_the_caller(self, sandbox: Sandbox):
        def full(_: str) -> None:
            raise KeyError("full")

        with pytest.raises(KeyError):
            await sandbox.run(
                CodeLanguage.PYTHON,
                FOREVER[CodeLanguage.PYTHON],
                None,
                timeout=timedelta(seconds=10),
                log=full,
            )


class TestManyAtOnce:
    async def test_fifty_runs_get_each_its_own_result(self, sandbox: Sandbox):
        outcomes = await asyncio.gather(
            *(identity(sandbox, list(CodeLanguage)[n % 2], {"n": n}) for n in range(50))
        )

        assert outcomes == [Ran({"n": n}) for n in range(50)]

    async def test_no_more_processes_than_processors_run_code(self, sandbox: Sandbox):
        seen: list[int] = []
        most = max(2, len(os.sched_getaffinity(0)))

        def count(_: str) -> None:
            assert sandbox.pid is not None
            seen.append(len(children(sandbox.pid)))

        source = "function main() { for (let i = 0; i < 1e6; i++); console.log('x') }"
        await asyncio.gather(
            *(
                sandbox.run(
                    CodeLanguage.JAVASCRIPT, source, None, timeout=timedelta(seconds=10), log=count
                )
                for _ in range(12)
            )
        )

        # One that has ended is listed until its parent has waited for it.
        assert max(seen) <= most + 2

    async def test_a_system_that_does_not_say_which_processors_it_gives_has_all(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.delattr(os, "sched_getaffinity")

        sandbox = Sandbox()

        assert await identity(sandbox, CodeLanguage.PYTHON, 1) == Ran(1)
        await sandbox.close()

    @pytest.mark.slow
    async def test_a_run_that_waits_for_its_turn_loses_no_time_by_it(self, code: Code):
        most = max(2, len(os.sched_getaffinity(0)))
        slow = [code.python("while True: pass", seconds=3) for _ in range(most)]
        quick = code.python("def main(input): return 1", seconds=2)

        *stopped, outcome = await asyncio.gather(*slow, quick)

        assert all(isinstance(ending, CodeFailed) for ending in stopped)
        assert outcome == Ran(1)

    async def test_one_that_waits_for_its_turn_can_be_cancelled(self, code: Code):
        most = max(2, len(os.sched_getaffinity(0)))
        slow = [asyncio.ensure_future(code.python("while True: pass")) for _ in range(most)]
        waiting = asyncio.ensure_future(code.python("def main(input): return 1"))
        await asyncio.wait([waiting], timeout=0.2)

        for run in (waiting, *slow):
            run.cancel()
        ends = await asyncio.gather(waiting, *slow, return_exceptions=True)

        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        assert await code.python("def main(input): return 1") == Ran(1)


class TestWorkspaces:
    async def test_endless_code_of_one_does_not_delay_code_of_another(self, sandbox: Sandbox):
        most = max(2, len(os.sched_getaffinity(0)))
        act_for("hostile")
        async with AsyncExitStack() as stack:
            for _ in range(most):
                await stack.enter_async_context(running(sandbox, CodeLanguage.JAVASCRIPT))
            waiting = asyncio.create_task(identity(sandbox, CodeLanguage.JAVASCRIPT, "hostile"))
            act_for("bystander")
            async with asyncio.timeout(10):
                outcome = await identity(sandbox, CodeLanguage.JAVASCRIPT, "bystander")

            assert outcome == Ran("bystander")
            assert not waiting.done()
            waiting.cancel()

    async def test_one_workspace_leaves_half_of_the_places_to_others(self):
        sandbox = Sandbox(places=4)
        async with AsyncExitStack() as stack:
            for name in ("a", "b"):
                act_for(name)
                await stack.enter_async_context(running(sandbox, CodeLanguage.JAVASCRIPT))
            act_for("a")
            waiting = asyncio.create_task(identity(sandbox, CodeLanguage.JAVASCRIPT, "more"))
            act_for("c")
            outcome = await identity(sandbox, CodeLanguage.JAVASCRIPT, 1)

            assert outcome == Ran(1)
            assert not waiting.done()
            waiting.cancel()
        await sandbox.close()

    @languages
    async def test_code_that_has_run_for_a_while_gives_way_to_new_code(
        self, sandbox: Sandbox, language: CodeLanguage
    ):
        demotions = loop_time.quicken(1)
        async with running(sandbox, language) as code:
            demotions.stop()
            loop_time.skip(1)
            await asyncio.sleep(0)
            # The forking process executes orders in sequence, so it has lowered the priority before this code runs.
            await identity(sandbox, language, 1)

            assert min(os.getpriority(os.PRIO_PROCESS, pid) for pid in code.pids) >= 19

    @languages
    async def test_new_code_of_a_workspace_that_uses_much_gives_way_at_once(
        self, sandbox: Sandbox, language: CodeLanguage, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(sandbox._places, "uses_little", lambda _: False)
        async with running(sandbox, language) as code:
            await identity(sandbox, language, 1)

            assert min(os.getpriority(os.PRIO_PROCESS, pid) for pid in code.pids) >= 19

    @languages
    async def test_new_code_of_others_does_not(self, sandbox: Sandbox, language: CodeLanguage):
        loop_time.hold(1)
        async with running(sandbox, language) as code:
            await identity(sandbox, language, 1)

            assert min(os.getpriority(os.PRIO_PROCESS, pid) for pid in code.pids) < 19


class TestCancel:
    @languages
    async def test_the_processes_are_killed_at_once(self, sandbox: Sandbox, language: CodeLanguage):
        async with running(sandbox, language) as code:
            code.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await code.task

            assert await ended(code.pids)

    async def test_a_builtin_that_never_looks_up_is_killed_too(self, sandbox: Sandbox):
        on = asyncio.Event()
        source = "function main() { console.log('on'); new Array(2**32 - 1).join(''); [].concat(new Array(2**31)) }"
        task = asyncio.create_task(
            sandbox.run(
                CodeLanguage.JAVASCRIPT,
                source,
                None,
                timeout=timedelta(seconds=20),
                log=lambda _: on.set(),
            )
        )
        await on.wait()
        assert sandbox.pid is not None
        pids = below(sandbox.pid)

        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await ended(pids)


class TestDeath:
    @languages
    async def test_a_killed_child_fails_the_run_and_takes_the_rest_along(
        self, sandbox: Sandbox, language: CodeLanguage
    ):
        async with running(sandbox, language) as code:
            os.kill(code.pids[0], signal.SIGKILL)

            assert await code.task == CodeFailed("code_limit", limits.DIED)
            assert await ended(code.pids)
        assert await identity(sandbox, language, 1) == Ran(1)

    async def test_a_killed_interpreter_fails_the_run(self, sandbox: Sandbox):
        async with running(sandbox, CodeLanguage.PYTHON) as code:
            os.kill(code.pids[1], signal.SIGKILL)

            outcome = await code.task

        assert isinstance(outcome, CodeFailed)
        assert outcome.code == "code_limit"

    @languages
    async def test_the_forking_process_takes_its_children_along_and_gets_a_successor(
        self, sandbox: Sandbox, language: CodeLanguage
    ):
        async with running(sandbox, language) as code:
            assert sandbox.pid is not None
            os.kill(sandbox.pid, signal.SIGKILL)

            outcome = await code.task

            assert outcome == CodeFailed("code_limit", limits.DIED)
            assert await ended(code.pids)
        assert await identity(sandbox, language, 1) == Ran(1)

    async def test_a_forking_process_that_is_stuck_is_replaced(
        self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ):
        await identity(sandbox, CodeLanguage.PYTHON, 1)
        stuck = sandbox.pid
        assert stuck is not None
        os.kill(stuck, signal.SIGSTOP)
        first, hold = iter([0.5]), Conversation.hold

        async def hold_within(talk: Conversation, connection: socket.socket) -> Any:
            # Only the process that is stuck has so little time: its successor loads the interpreters first.
            monkeypatch.setattr(conversation, "START_SECONDS", next(first, 30))
            return await hold(talk, connection)

        monkeypatch.setattr(Conversation, "hold", hold_within)

        outcome = await identity(sandbox, CodeLanguage.PYTHON, 2)

        assert outcome == Ran(2)
        assert await ended([stuck])

    async def test_stopping_signals_do_not_reach_the_code(self, sandbox: Sandbox):
        await identity(sandbox, CodeLanguage.PYTHON, 1)
        assert sandbox.pid is not None
        before = sandbox.pid
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(before, number)

        assert await identity(sandbox, CodeLanguage.PYTHON, 2) == Ran(2)
        assert sandbox.pid == before

    async def test_without_a_python_to_start_the_run_fails(self, monkeypatch: pytest.MonkeyPatch):
        sandbox = Sandbox()
        monkeypatch.setattr(sys, "executable", "/nowhere/python")

        outcome = await identity(sandbox, CodeLanguage.PYTHON, 1)

        assert outcome == CodeFailed("code_limit", limits.NOT_STARTED)


_SERVER = """
import asyncio, os, sys
from datetime import timedelta
from pathlib import Path
from stepiq.sandbox.sandbox import Sandbox
from stepiq.language.code_source import CodeLanguage

async def main():
    sandbox = Sandbox()
    on = asyncio.Queue()
    forever = timedelta(seconds=25)
    runs = [
        asyncio.create_task(sandbox.run(language, source, None, timeout=forever, log=on.put_nowait))
        for language, source in (
            (CodeLanguage.PYTHON, "def main(input):\\n  print('on')\\n  while True: pass"),
            (CodeLanguage.JAVASCRIPT, "function main() { console.log('on'); while (true); }"),
        )
    ]
    for _ in runs:
        await on.get()
    print("on", flush=True)
    await asyncio.gather(*runs)

asyncio.run(main())
"""


class TestServersDeath:
    async def test_kill_9_leaves_no_process(self):
        with server() as serving:
            assert serving.stdout is not None
            assert await asyncio.to_thread(serving.stdout.readline) == b"on\n"
            pids = below(serving.pid)
            assert len(pids) == 4  # what forks, two children, and an interpreter

            serving.kill()

        assert await ended(pids)

    async def test_kill_9_together_with_what_forks_leaves_no_process(self):
        with server() as serving:
            assert serving.stdout is not None
            assert await asyncio.to_thread(serving.stdout.readline) == b"on\n"
            pids = below(serving.pid)

            os.kill(pids[0], signal.SIGKILL)
            serving.kill()

        assert await ended(pids)


# A child is not dumpable, so its own user cannot read these files.
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root can look into a child.")


class TestWhatAChildHas:
    @needs_root
    @languages
    async def test_nothing_of_the_servers_environment(
        self, sandbox: Sandbox, language: CodeLanguage
    ):
        async with running(sandbox, language) as code:
            names = {
                entry.split("=")[0]
                for pid in code.pids
                for entry in told(pid, "environ").split("\0")
                if entry
            }

        assert names - {"COVERAGE_PROCESS_CONFIG"} <= {"TZ", "MALLOC_ARENA_MAX"}

    @needs_root
    @languages
    async def test_no_open_file_and_no_socket_but_the_one_it_talks_through(
        self, sandbox: Sandbox, language: CodeLanguage
    ):
        async with running(sandbox, language) as code:
            child, *workers = [opened(pid) for pid in code.pids]
        worker = [name for names in workers for name in names]

        if (
            language is CodeLanguage.JAVASCRIPT
        ):  # the other's library wakes its own threads through sockets
            assert child.count("socket") == 1
        assert set(child) <= {"/dev/null", "socket", "pipe", "anon_inode"}
        assert set(worker) <= {"/dev/null", "pipe"}

    @languages
    async def test_limits_on_all_that_it_could_take(self, sandbox: Sandbox, language: CodeLanguage):
        async with running(sandbox, language) as code:
            limited = [told(pid, "limits") for pid in code.pids]
            status = [told(pid, "status") for pid in code.pids]

        for text in limited:
            for limit in ("open files", "processes", "file size", "core file size"):
                assert f"Max {limit}".ljust(26) + "0 " in text
            assert "Max cpu time".ljust(26) + "22 " in text
            assert "Max address space".ljust(26) + f"{limits.ADDRESS_SPACE_BYTES} " in text
        assert all("NoNewPrivs:\t1\n" in text for text in status)


class TestClose:
    async def test_what_runs_ends(self):
        sandbox = Sandbox()
        async with running(sandbox, CodeLanguage.PYTHON) as code:
            forking = sandbox.pid
            assert forking is not None

            await sandbox.close()

            assert await ended([forking, *code.pids])
            assert isinstance(await code.task, CodeFailed)

    async def test_nothing_starts_afterwards(self):
        sandbox = Sandbox()
        await sandbox.close()

        outcome = await identity(sandbox, CodeLanguage.PYTHON, 1)

        assert outcome == CodeFailed("code_limit", limits.NOT_STARTED)

    async def test_one_that_is_stuck_is_killed(self, monkeypatch: pytest.MonkeyPatch):
        sandbox = Sandbox()
        await identity(sandbox, CodeLanguage.PYTHON, 1)
        stuck = sandbox.pid
        assert stuck is not None
        os.kill(stuck, signal.SIGSTOP)
        monkeypatch.setattr("stepiq.sandbox.fork_server_client.STOP_TRIES", 2)

        await sandbox.close()

        assert await ended([stuck])
