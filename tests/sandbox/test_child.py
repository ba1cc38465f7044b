import json
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress

import pytest

from stepiq.language.code_source import CodeLanguage
from stepiq.sandbox import child, frames, limits
from stepiq.sandbox.frames import Job
from stepiq.sandbox.interpreters import javascript
from tests.sandbox.conftest import Unconfined
from tests.sandbox.processes import PR_GET_DUMPABLE

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some limits")


def served(job: Job, value: object = None) -> tuple[list[tuple[bytes, bytes]], list[int | None]]:
    """The frames that the child sends, and what it asked to be confined with."""
    ours, theirs = socket.socketpair()
    confinement = Unconfined()

    def serve() -> None:
        with theirs:
            child.serve(theirs, job, json.dumps(value).encode(), confinement)

    server = threading.Thread(target=serve)
    server.start()
    heard: list[tuple[bytes, bytes]] = []
    with closing(ours), suppress(frames.BrokenFrame):
        while True:
            heard.append(frames.read_blocking(ours))
    server.join()
    return heard, confinement.workers


class TestServe:
    def test_python_is_told_line_by_line_and_last_of_all_its_result(self):
        source = "def main(input):\n  print('a')\n  print('b', end='')\n  return input"

        heard, workers = served(Job("python", source, 5, 0), {"x": 1})

        assert heard[0] == (frames.STARTED, b"")
        assert b"\n".join(payload for kind, payload in heard if kind == frames.LINES) == b"a\nb"
        assert heard[-1] == (frames.RESULT, b'{"x":1}')
        assert len(workers) == 1
        assert workers[0] is not None

    def test_javascript_is_confined_before_it_starts(self):
        source = "console.log('a'); function main(input) { return input }"

        heard, workers = served(Job("javascript", source, 5, 0), {"x": 1})

        assert heard == [
            (frames.STARTED, b""),
            (frames.LINES, b"a"),
            (frames.RESULT, b'{"x":1}'),
        ]
        assert workers == [None]

    def test_a_child_that_runs_out_of_memory_itself_says_so(self, monkeypatch: pytest.MonkeyPatch):
        def full(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(
            javascript, "new_context", full
        )  # as the library does when it gets no memory

        heard, _ = served(Job("javascript", "function main() {}", 5, 0))

        assert heard[-1] == (frames.LIMIT, limits.OUT_OF_MEMORY.encode())


def alive(script: str) -> subprocess.CompletedProcess[str]:
    """A process that is a child, as it is after the fork. It keeps its files, to note what was measured."""
    prelude = (
        "import json, os, resource, socket, sys\n"
        "from stepiq.sandbox import child, frames, limits\n"
        "from stepiq.sandbox.isolation import seccomp\n"
        "from stepiq.sandbox.frames import Job\n"
        "from stepiq.sandbox.isolation.walls import Walls, find_interpreter\n"
        "ours, theirs = socket.socketpair()\n"
        "lifeline, held = os.pipe()\n"
        "out = os.dup(1)\n"
        "taken = []\n"
        "resource.setrlimit = lambda kind, most: taken.append(kind)\n"
        "seccomp.available = lambda: False\n"
        "monty = find_interpreter()\n"
        "walls = Walls(monty, os.open(monty, os.O_RDONLY), None, switches_user=False)\n"
        "def live():\n"
        "  child.live(theirs, lifeline, walls)\n"
        "  theirs.close()\n"
        "def tell(job):\n"
        "  ours.sendall(frames.pack(frames.JOB, job.pack()) + frames.pack(frames.INPUT, b'[1]'))\n"
        "def hear():\n"
        "  while True:\n"
        "    kind, payload = frames.read_blocking(ours)\n"
        "    os.write(out, kind + payload + b'\\n')\n"
        "    if kind not in (frames.STARTED, frames.LINES): return\n"
    )
    return subprocess.run(
        [sys.executable, "-c", prelude + script], capture_output=True, text=True, timeout=30, check=False
    )  # fmt: skip


class TestLive:
    def test_a_server_that_leaves_before_it_has_told_the_job_ends_the_child(self):
        ran = alive("ours.close(); live(); os.write(out, b'ended')")

        assert (ran.returncode, ran.stdout) == (0, "ended")

    def test_javascript_is_run_under_its_limits(self):
        ran = alive(
            "tell(Job('javascript', 'function main(input) { return input }', 5, 0))\nlive()\nhear()\n"
            "os.write(out, str(len(taken)).encode())"
        )

        assert ran.stdout == "S\nR[1]\n6"

    def test_python_is_run_under_its_limits(self):
        ran = alive(
            "tell(Job('python', 'def main(input): return input', 5, 0))\nlive()\nhear()\n"
            "os.write(out, str(len(taken)).encode())"
        )

        assert ran.stdout == "S\nR[1]\n6"

    def test_without_a_wall_that_the_system_has_the_code_does_not_run(self):
        ran = alive(
            "tell(Job('python', 'def main(input): return input', 5, 0))\n"
            "walls = Walls(monty, 0, os.open('/dev/null', os.O_RDONLY), switches_user=False)\nlive()\nhear()"
        )

        assert ran.stdout.startswith("WLandlock: [Errno ")

    @linux
    @pytest.mark.parametrize("language", list(CodeLanguage))
    def test_without_a_limit_that_the_system_has_the_code_does_not_run(
        self, language: CodeLanguage
    ):
        ran = alive(
            f"tell(Job('{language}', 'def main(input): return input', 5, 0))\n"
            "def refuse(*_): raise ValueError('not allowed')\n"
            "resource.setrlimit = refuse\nlive()\nhear()"
        )

        assert ran.stdout == "Wlimits: not allowed\n"

    @linux
    def test_without_a_limit_of_its_interpreter_python_does_not_run(self):
        ran = alive(
            "tell(Job('python', 'def main(input): return input', 5, 0))\n"
            "def refuse(*_): raise PermissionError(1, 'not allowed')\n"
            "resource.prlimit = refuse\nlive()\nhear()"
        )

        assert ran.stdout == "Wlimits: [Errno 1] not allowed\n"

    @linux
    def test_its_memory_is_hidden_from_its_user(self):
        ran = alive(
            "import ctypes\n"
            "tell(Job('javascript', 'function main() {}', 5, 0))\nlive()\n"
            f"os.write(out, str(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0)).encode())"
        )

        assert ran.stdout == "0"

    def test_a_server_that_may_not_switch_users_runs_no_code(self):
        ran = alive(
            "tell(Job('javascript', 'function main() { return 1 }', 5, 0))\n"
            "def refuse(*_): raise PermissionError\n"
            "os.setgroups = refuse\n"
            "walls = Walls(monty, 0, None, switches_user=True)\nlive()\nhear()"
        )

        assert ran.stdout == "Wits own user: \n"
