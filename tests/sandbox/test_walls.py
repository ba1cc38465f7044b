"""What native code in a sandboxed process can still do: nothing. Each process here gives up what it doesn't get back."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest

from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox.isolation import seccomp, walls
from stepiq.sandbox.isolation.seccomp import RUNNING, Policy
from stepiq.sandbox.sandbox import Sandbox
from tests.sandbox.processes import running
from tests.support import attempts, refusals

pytestmark = pytest.mark.skipif(seccomp.machine() is None, reason="system call filters are Linux's")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

REFUSALS = {1, 3, 9, 11, 13, 24, 38}
"""EPERM, ESRCH, EBADF, EAGAIN, EACCES, EMFILE, ENOSYS."""
SUCCEEDS_OUTSIDE = (
    "read the memory of another process",
    "write the memory of another process",
    "signal another process",
    "signal a thread of another process",
    "queue a signal",
    "signal through a handle",
    "open a handle of another process",
    "read a file",
    "read a system file",
    "read a library",
    attempts.LOOK,
    "look at a file in another way",
    "check the access to a file",
    "read a link",
    "write a file",
    "create a file",
    "truncate a file",
    "change the mode of a file",
    "rename a file",
    "create a link",
    "delete a file",
    "create anonymous memory files",
    "open a socket",
    "open a local socket",
    "open a pair of sockets",
    "fork",
    "use io_uring",
)

_PRELUDE = """
import json, os, signal, socket, sys, threading
from pathlib import Path
from stepiq.sandbox import child, frames
from stepiq.sandbox.interpreters import javascript
from stepiq.sandbox.interpreters import output as endings
from stepiq.sandbox.isolation import resources as confinement, seccomp, walls
from stepiq.sandbox.frames import Job
from stepiq.sandbox.isolation.seccomp import STARTING
from tests.support import attempts, refusals

folder, other = Path(sys.argv[1]), int(sys.argv[2])
# Opened before the walls are up, so that only the walls can keep it from being used.
handle = os.pidfd_open(other)
"""
_OUTSIDE = f"print(json.dumps(attempts.results(folder, other, handle, {SUCCEEDS_OUTSIDE})))"
_CHILD = """
walls = walls.Walls.prepare(walls.find_interpreter())
ours, theirs = socket.socketpair()
lifeline, held = os.pipe()
job = Job("javascript", "", 20, 0)
ours.sendall(frames.pack(frames.JOB, job.pack()) + frames.pack(frames.INPUT, b"null"))
javascript.run = lambda *_: endings.result(json.dumps(attempts.results(folder, other, handle)))
if os.fork() == 0:
    child.live(theirs, lifeline, walls)
    os._exit(0)
theirs.close()
assert frames.read_blocking(ours)[0] == frames.STARTED
print(frames.read_blocking(ours)[1].decode())
"""
_UNREACHABLE = """
sys.modules["opentelemetry"] = None
walls = walls.Walls.prepare(str(folder / "monty"))
ours, theirs = socket.socketpair()
lifeline, held = os.pipe()
job = Job("python", "def main(input): return {'result': input}", 20, 0)
ours.sendall(frames.pack(frames.JOB, job.pack()) + frames.pack(frames.INPUT, b"1"))
if os.fork() == 0:
    child.live(theirs, lifeline, walls)
    os._exit(0)
theirs.close()
assert frames.read_blocking(ours)[0] == frames.STARTED
print(frames.read_blocking(ours)[1].decode())
"""
_TELL = "os.write(out, json.dumps(attempts.results(folder, other, handle)).encode())"
_INTERPRETER = """
walls = walls.Walls.prepare(walls.find_interpreter())
filtered, limited = threading.Event(), threading.Event()
out = os.dup(1)

def interpreter():
    seccomp.install(STARTING)
    filtered.set()
    limited.wait()
    TELL

confinement.detach()
walls.enter()
thread = threading.Thread(target=interpreter)
thread.start()
filtered.wait()
confinement.confine(20)
limited.set()
thread.join()
""".replace("TELL", _TELL)
LOADERS = [str(path) for path in Path("/").glob("lib*/ld-linux-*.so.*")]
"""Programs in a folder of libraries, which load another program."""


@pytest.fixture(scope="module")
def other() -> Iterator[int]:
    """Another process of the same user."""
    with subprocess.Popen(["sleep", "3600"]) as process:
        yield process.pid
        process.kill()


def tried(script: str, folder: Path, other: int) -> dict[str, int]:
    folder.mkdir(exist_ok=True)
    for name in ("a", "b"):
        (folder / name).write_text(name)
    ran = subprocess.run(
        [sys.executable, "-c", _PRELUDE + script, folder, str(other)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return json.loads(ran.stdout or json.dumps({ran.stderr: 0}))


class TestAttempts:
    def test_without_walls_they_succeed(self, tmp_path: Path, other: int):
        found = tried(_OUTSIDE, tmp_path, other)

        # Some containers refuse a few of them to everybody.
        refused = [name for name in SUCCEEDS_OUTSIDE if found[name] not in (0, 1, 38)]
        assert refused == []
        everywhere = ("read a file", "delete a file", "open a socket", "queue a signal")
        assert [found[name] for name in everywhere] == [0, 0, 0, 0]

    @pytest.mark.parametrize(
        ("script", "succeeding"),
        # The loader of the interpreter looks at each library that it opens.
        [(_CHILD, {}), (_INTERPRETER, {attempts.LOOK: 0})],
        ids=["child", "interpreter"],
    )
    def test_behind_the_walls_all_fail_except_looks_of_the_interpreter(
        self, tmp_path: Path, other: int, script: str, succeeding: dict[str, int]
    ):
        found = tried(script, tmp_path, other)

        assert {name: error for name, error in found.items() if error not in REFUSALS} == succeeding
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
        assert len(found) == len(attempts.attempts(tmp_path, other, -1))

    def test_landlock_alone_keeps_files_from_an_interpreter(self, tmp_path: Path, other: int):
        names = ("read a file", "create a file", "delete a file", "start a program")
        script = (
            _INTERPRETER.replace("seccomp.install(STARTING)", "")
            .replace("confinement.confine(20)", "")
            .replace("results(folder, other, handle)", f"results(folder, other, handle, {names})")
        )

        found = tried(script, tmp_path, other)

        assert set(found) == set(names)
        assert set(found.values()) == {13}

    @pytest.mark.skipif(not LOADERS, reason="this system has no loader of glibc")
    @pytest.mark.parametrize(("ended", "walls"), [(0, False), (127, True)])
    def test_a_program_in_place_of_an_interpreter_cannot_load_its_libraries(
        self, tmp_path: Path, other: int, ended: int, walls: bool
    ):
        arguments = (LOADERS[0], sys.executable, "-c", "")
        script = _INTERPRETER.replace(_TELL, f"os.execv({LOADERS[0]!r}, {arguments})")
        if not walls:
            for line in ("seccomp.install(STARTING)", "walls.enter()", "confinement.confine(20)"):
                script = script.replace(line, "")

        ran = subprocess.run(
            [sys.executable, "-c", _PRELUDE + script, tmp_path, str(other)],
            timeout=30,
            check=False,
        )

        assert ran.returncode == ended


def facts(pids: Iterable[int]) -> list[dict[str, list[str]]]:
    """What the system says about each thread of these processes."""
    return [
        {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
        for pid in pids
        for thread in Path(f"/proc/{pid}/task").iterdir()
        if (lines := (thread / "status").read_text().splitlines())
    ]


class TestProcesses:
    """The processes of a real run."""

    @pytest.fixture
    async def alone(self, measured: None) -> AsyncIterator[Sandbox]:
        """A sandbox of its own: no child of another test is still there."""
        sandbox = Sandbox()
        yield sandbox
        await sandbox.close()

    @pytest.mark.parametrize("language", list(CodeLanguage))
    async def test_all_threads_are_behind_the_walls(self, alone: Sandbox, language: CodeLanguage):
        async with running(alone, language) as code:
            found = facts(code.pids)

        assert len(found) >= len(code.pids)
        for fact in found:
            assert fact["Seccomp"] == ["2"]
            assert fact["NoNewPrivs"] == ["1"]
            assert fact["CapEff"] == ["0000000000000000"] or os.geteuid() != 0

    @root
    @pytest.mark.parametrize("language", list(CodeLanguage))
    async def test_as_root_they_run_as_another_user(self, alone: Sandbox, language: CodeLanguage):
        async with running(alone, language) as code:
            found = facts(code.pids)

        assert len(found) >= len(code.pids)
        for fact in found:
            assert len(set(fact["Uid"] + fact["Gid"])) == 1
            assert int(fact["Uid"][0]) >= 61_184
            assert fact["Groups"] == []


class TestAsRoot:
    @root
    def test_an_interpreter_that_others_cannot_reach_still_starts(self, tmp_path: Path, other: int):
        shutil.copy(walls.find_interpreter(), tmp_path / "monty")

        assert tried(_UNREACHABLE, tmp_path, other) == {"result": 1}


_REFUSING = """
import asyncio, sys
from datetime import timedelta
from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox.sandbox import Sandbox
from tests.support.refusals import refuse

async def run():
    sandbox = Sandbox()
    for language in CodeLanguage:
        print((await sandbox.run(language, "", None, timeout=timedelta(seconds=5), log=print)).reason)
    await sandbox.close()

refuse(sys.argv[1])
asyncio.run(run())
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(walls.missing()), reason="this system lacks some of the walls")
@pytest.mark.parametrize("wall", list(refusals.REFUSED))
def test_code_in_both_languages_does_not_run_if_the_system_refuses(wall: str):
    ran = subprocess.run(
        [sys.executable, "-c", _REFUSING, wall],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    reasons = ran.stdout.splitlines()
    assert len(reasons) == 2, ran
    assert all(reason.startswith(f"{wall}: ") for reason in reasons), ran


def test_a_filter_that_the_system_refuses_is_a_missing_wall(monkeypatch: pytest.MonkeyPatch):
    def refuse(policy: Policy, *, all_threads: bool) -> None:
        raise PermissionError

    monkeypatch.setattr(seccomp, "install", refuse)

    with pytest.raises(walls.WallMissing):
        walls._filter(RUNNING)
