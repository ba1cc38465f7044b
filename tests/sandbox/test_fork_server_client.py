import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from stepiq.sandbox import fork_server_client, frames
from stepiq.sandbox.fork_server_client import Child, ForkServerClient
from tests.sandbox.processes import PR_GET_DUMPABLE

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot hide memory")


@pytest.fixture
async def nursery_(measured: None) -> AsyncIterator[ForkServerClient]:
    fork_server_client = ForkServerClient()
    yield fork_server_client
    await fork_server_client.close()


def hears_end(child: Child) -> bool:
    """Wait until the child is gone."""
    child.connection.settimeout(10)
    with child.connection:
        return child.connection.recv(1) == b""


class TestBear:
    async def test_nothing_is_started_before_the_first(self, nursery_: ForkServerClient):
        assert nursery_.pid is None

    async def test_one_process_has_all_children(self, nursery_: ForkServerClient):
        first, second = nursery_.bear(), nursery_.bear()
        before = nursery_.pid
        nursery_.kill(first)
        nursery_.kill(second)

        assert hears_end(first)
        assert hears_end(second)
        assert nursery_.pid == before

    async def test_a_child_whose_server_leaves_ends(self, nursery_: ForkServerClient):
        child = nursery_.bear()
        with child.connection:
            child.connection.shutdown(socket.SHUT_WR)
            child.connection.settimeout(10)

            assert child.connection.recv(1) == b""

    async def test_a_forking_process_that_died_gets_a_successor(self, nursery_: ForkServerClient):
        child = nursery_.bear()
        before = nursery_.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        assert hears_end(child)
        await asyncio.to_thread(os.waitid, os.P_PID, before, os.WEXITED | os.WNOWAIT)

        child = nursery_.bear()
        nursery_.kill(child)

        assert hears_end(child)
        assert nursery_.pid != before

    async def test_one_that_no_longer_reads_is_given_up(self, nursery_: ForkServerClient):
        first = nursery_.bear()
        stuck = nursery_.pid
        assert stuck is not None
        os.kill(stuck, signal.SIGSTOP)
        while nursery_.pid == stuck:
            nursery_.kill(first)
        first.connection.close()

        child = nursery_.bear()
        nursery_.kill(child)

        assert hears_end(child)
        assert nursery_.pid != stuck

    async def test_one_that_no_longer_forks_is_given_up(self, nursery_: ForkServerClient):
        nursery_.bear().connection.close()
        stuck = nursery_.pid
        assert stuck is not None
        os.kill(stuck, signal.SIGSTOP)

        def bear_on() -> None:
            while True:
                nursery_.bear().connection.close()

        with pytest.raises(OSError):  # noqa: PT011 - of two kinds: too many bytes, or too many connections, under way
            bear_on()

        assert nursery_.pid is None

    async def test_without_a_python_it_says_so(
        self, nursery_: ForkServerClient, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(sys, "executable", "/nowhere/python")

        with pytest.raises(FileNotFoundError):
            nursery_.bear()

    async def test_a_closed_one_has_no_more(self, nursery_: ForkServerClient):
        await nursery_.close()

        with pytest.raises(OSError, match="closed"):
            nursery_.bear()


class TestKill:
    async def test_a_child_that_has_ended_is_none_to_kill(self, nursery_: ForkServerClient):
        first = nursery_.bear()
        nursery_.kill(first)
        assert hears_end(first)

        nursery_.kill(first)

        second = nursery_.bear()
        nursery_.kill(second)
        assert hears_end(second)

    async def test_a_child_of_a_forking_process_that_is_gone_is_gone(
        self, nursery_: ForkServerClient
    ):
        child = nursery_.bear()
        nursery_.stop()

        nursery_.kill(child)

        assert hears_end(child)


class TestClose:
    async def test_children_end_with_it(self, nursery_: ForkServerClient):
        child = nursery_.bear()

        await nursery_.close()

        assert hears_end(child)

    async def test_one_that_does_not_listen_is_killed(
        self, nursery_: ForkServerClient, monkeypatch: pytest.MonkeyPatch
    ):
        nursery_.bear().connection.close()
        stuck = nursery_.pid
        assert stuck is not None
        os.kill(stuck, signal.SIGSTOP)
        monkeypatch.setattr(fork_server_client, "STOP_TRIES", 2)

        await nursery_.close()

        assert nursery_.pid is None


class TestForkServer:
    """What forks, spoken to directly."""

    async def test_without_processes_left_the_connection_closes(self):
        # A limit of its own user's processes is the only one that a test can set; root has none.
        script = (
            "import os, socket\n"
            "from stepiq.sandbox import fork_server\n"
            "def full(): raise BlockingIOError\n"
            "os.fork = full\n"
            "fork_server.main(socket.socket(fileno=0))\n"
        )
        ours, theirs = socket.socketpair()
        connection, other = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, stdin=theirs.fileno()
            )
        with ours, connection:
            with other:
                socket.send_fds(
                    ours,
                    [fork_server_client.Order(fork_server_client.FORK, 1).pack()],
                    [other.fileno()],
                )
            connection.settimeout(10)

            assert connection.recv(1) == b""

        assert await process.wait() == 0

    async def test_an_order_may_come_in_pieces(self):
        ours, theirs = socket.socketpair()
        connection, other = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "stepiq.sandbox.fork_server", stdin=theirs.fileno()
            )
        order = fork_server_client.Order(fork_server_client.FORK, 1).pack()
        with ours, connection:
            with other:
                socket.send_fds(ours, [order[:4]], [other.fileno()])
                ours.send(order[4:])
            connection.sendall(frames.pack(frames.JOB, b"{}")[:3])
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(10)

            assert connection.recv(1) == b""

        assert await process.wait() == 0

    def test_it_needs_nothing_but_its_end_of_the_pair(self):
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-m", "stepiq.sandbox.fork_server"],
                stdin=theirs.fileno(),
                env={},
                cwd="/",
            )
        ours.close()

        assert process.wait(30) == 0

    @linux
    def test_its_memory_is_hidden_from_its_user(self):
        script = (
            "import ctypes, socket\n"
            "from stepiq.sandbox import fork_server\n"
            f"told = lambda _: print(ctypes.CDLL(None).prctl({PR_GET_DUMPABLE}, 0, 0, 0, 0))\n"
            "fork_server._Parent.serve = told\n"
            "fork_server.main(socket.socketpair()[0])\n"
        )

        ran = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
        )

        assert ran.stdout == "0\n", ran.stderr
