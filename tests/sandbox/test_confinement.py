"""Each test is a process of its own: what it gives up, it does not get back."""

import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stepiq.sandbox.isolation import resources
from stepiq.sandbox.limits import ADDRESS_SPACE_BYTES

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def run(script: str) -> subprocess.CompletedProcess[str]:
    """A script that prints to a copy of its output."""
    prelude = (
        "import os, signal, sys, threading\n"
        "from stepiq.sandbox.isolation import resources as confinement\n"
        "out = os.dup(1)\n"
        "def say(text): os.write(out, f'{text}\\n'.encode())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", prelude + script], capture_output=True, text=True, timeout=30, check=False
    )  # fmt: skip


class TestDetach:
    def test_the_process_leads_a_group_of_its_own(self):
        assert run("confinement.detach(); say(os.getpgrp() == os.getpid())").stdout == "True\n"

    def test_what_it_prints_goes_nowhere(self):
        ran = run(
            "confinement.detach(); print('x', flush=True); print('y', file=sys.stderr, flush=True)"
        )

        assert (ran.stdout, ran.stderr) == ("", "")

    @linux
    def test_it_gains_no_privileges_and_yields_to_others(self):
        ran = run(
            "before = os.nice(0)\nconfinement.detach()\nsay(open('/proc/self/status').read())\n"
            "say(os.nice(0) == min(before + 5, 19))"
        )

        assert "NoNewPrivs:\t1\n" in ran.stdout
        assert ran.stdout.endswith("True\n")


class TestConfine:
    @pytest.mark.parametrize(
        "attempt",
        [
            "open('/etc/passwd')",
            "os.open('/', os.O_RDONLY)",
            "os.pipe()",
            "__import__('socket').socket()",
            "bytearray(10**9)",
            "open('/dev/null')",
        ],
    )
    def test_it_can_no_longer(self, attempt: str):
        ran = run(
            f"import socket\nconfinement.confine(5)\ntry:\n  {attempt}\n"
            "except (OSError, MemoryError) as error:\n  say(type(error).__name__)"
        )

        assert ran.stdout in ("OSError\n", "MemoryError\n")

    @pytest.mark.parametrize("error", [ValueError, OSError])
    def test_a_limit_that_macos_refuses_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
    ):
        tried: list[int] = []

        def refuse(kind: int, _: tuple[int, int]) -> None:
            tried.append(kind)
            raise error

        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(resource, "setrlimit", refuse)

        resources.confine(5)

        assert resource.RLIMIT_NPROC in tried

    @linux
    @pytest.mark.parametrize("limit", ["AS", "CORE", "FSIZE", "NOFILE", "NPROC", "CPU"])
    def test_a_limit_that_linux_refuses_is_an_error(
        self, monkeypatch: pytest.MonkeyPatch, limit: str
    ):
        def refuse(kind: int, _: tuple[int, int]) -> None:
            if kind == getattr(resource, f"RLIMIT_{limit}"):
                raise ValueError("refused")

        monkeypatch.setattr(resource, "setrlimit", refuse)

        with pytest.raises(ValueError, match="refused"):
            resources.confine(5)

    def test_a_limit_that_is_already_lower_stays(self):
        ran = run(
            "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (3, 3))\n"
            "confinement.confine(20)\nsay(resource.getrlimit(resource.RLIMIT_CPU))"
        )

        assert ran.stdout == "(3, 3)\n"

    def test_more_processor_time_than_allowed_ends_it(self):
        assert run("confinement.confine(-1)\nwhile True: pass").returncode < 0


class TestHideMemory:
    @linux
    def test_a_system_that_refuses_it_is_an_error(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(resources, "_PR_SET_DUMPABLE", -1)

        with pytest.raises(OSError, match="`prctl` was refused"):
            resources.hide_memory()


class TestConfineWorker:
    @linux
    def test_another_process_is_bounded_alike(self):
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
            resources.confine_worker(other.pid, 5)
            told = Path(f"/proc/{other.pid}/limits").read_text()

        for limit, most in {
            "Max open files": 0,
            "Max processes": 0,
            "Max file size": 0,
            "Max core file size": 0,
            "Max cpu time": 7,
            "Max address space": ADDRESS_SPACE_BYTES,
        }.items():
            assert f"{limit:<26}{most:<21}{most:<21}" in told

    @linux
    @pytest.mark.skipif(os.geteuid() == 0, reason="root may limit all processes")
    def test_a_limit_that_the_system_refuses_is_an_error(self):
        with pytest.raises(PermissionError):
            resources.confine_worker(1, 5)

    def test_a_system_that_cannot_is_left_alone(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "platform", "darwin")

        resources.confine_worker(-1, 5)

    def test_one_that_is_gone_does_no_harm(self):
        with subprocess.Popen(["true"]) as other:
            other.wait()

            resources.confine_worker(other.pid, 5)


class TestDieWith:
    def test_the_group_ends_when_the_other_end_closes(self):
        ran = run(
            "read, write = os.pipe()\nconfinement.detach()\nconfinement.die_with(read)\n"
            "os.close(write)\nthreading.Event().wait()"
        )

        assert ran.returncode == -9

    def test_it_is_the_whole_group_that_ends(self, monkeypatch: pytest.MonkeyPatch):
        killed: list[tuple[int, int]] = []
        done = threading.Event()

        def record(group: int, number: int) -> None:
            killed.append((group, number))
            done.set()

        monkeypatch.setattr(os, "killpg", record)
        reading, writing = os.pipe()

        resources.die_with(reading)
        os.close(writing)

        assert done.wait(10)
        assert killed == [(0, signal.SIGKILL)]
        os.close(reading)


class TestDieWithParent:
    def test_a_system_that_has_no_such_thing_is_left_alone(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sys, "platform", "darwin")

        resources.die_with_parent(os.getppid())

    def test_it_is_the_group_of_a_process_whose_parent_is_gone_that_ends(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        killed: list[tuple[int, int]] = []
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(os, "killpg", lambda *told: killed.append(told))

        resources.die_with_parent(-1)

        assert killed == [(0, signal.SIGKILL)]

    @linux
    def test_a_process_whose_parent_is_gone_already_ends(self):
        assert run("confinement.detach(); confinement.die_with_parent(1)").returncode == -9

    @linux
    def test_a_process_ends_when_its_parent_does(self):
        ran = run(
            "parent = os.getpid()\n"
            "read, write = os.pipe()\n"
            "ready, told = os.pipe()\n"
            "if os.fork() == 0:\n"
            "  confinement.detach()\n"
            "  confinement.die_with_parent(parent)\n"
            "  os.write(told, b'x')\n"
            "  threading.Event().wait()\n"
            "os.read(ready, 1)\n"
            "say('born')\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )

        # The run waits for the end of the child's output too: it would not return while the child lived.
        assert ran.stdout == "born\n"
