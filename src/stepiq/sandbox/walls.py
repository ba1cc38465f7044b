"""The walls of the system around a child: another user, Landlock, a filter of system calls, limits.

The interpreters offer code no files, sockets or processes. The walls hold even if code takes over its interpreter.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Self, TypeVar

from stepiq.sandbox import confinement, landlock, seccomp
from stepiq.sandbox.syscalls import RUNNING, STARTING, Policy

Started = TypeVar("Started")

_FIRST_USER, _USERS = 61_184, 4_096
"""User ids that no account has: systemd gives them to services for the time that they run."""
_LIBRARIES = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store", "/etc/ld.so.cache",
)  # fmt: skip
"""What an interpreter with a process of its own loads when it starts."""
_SWITCH_SECONDS = 10


class WallMissing(Exception):
    """A wall that the system has could not be put up, so no code may run."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """Puts up the walls that can't stand from the start."""

    interpreter: str
    parent: int
    lifeline: int
    seconds: float
    opened: int | None = None
    """What is open until the last walls are up."""

    def launch(self, start: Callable[[], Started]) -> Started:
        """Call `start` where all processes and threads that it starts get a filter of system calls.

        This thread gets its own filter later: it still has to set the limits of the new process.

        Raises:
            WallMissing: the system refused the filter.
        """
        started: Future[Started] = Future()

        def run() -> None:
            try:
                _filter(STARTING)
                started.set_result(start())
            except BaseException as error:
                started.set_exception(error)
            else:
                confinement.watch(self.lifeline)

        Thread(target=run, daemon=True).start()
        return started.result()

    def close(self, worker: int | None) -> None:
        """Put up the last walls. From here on, nothing can be opened, started or reached.

        Args:
            worker: The process that `launch` started for the code; None: the code runs in this process.

        Raises:
            WallMissing: one of them failed.
        """
        if worker is None:
            confinement.die_with_parent(self.parent)
            confinement.die_with(self.lifeline)
        else:
            confinement.confine_worker(worker, self.seconds)
        if self.opened is not None:
            os.close(self.opened)
        confinement.confine(self.seconds)
        _filter(RUNNING, all_threads=worker is None)


@dataclass(frozen=True, slots=True)
class Walls:
    """What the forking process prepares once for all its children."""

    path: str
    """The interpreter that runs Python in a process of its own."""
    opened: int
    """The same, opened."""
    ruleset: int | None
    switches_user: bool

    @classmethod
    def prepare(cls, interpreter: str) -> Self:
        """Open what the children need."""
        ruleset = landlock.ruleset([*map(Path, _LIBRARIES), Path(interpreter)])
        opened = os.open(interpreter, os.O_RDONLY | os.O_CLOEXEC)
        for policy in (RUNNING, STARTING):
            seccomp.prepare(policy)
        return cls(interpreter, opened, ruleset, switches_user=os.geteuid() == 0)

    @property
    def interpreter(self) -> str:
        """Where a child finds the interpreter. Another user might not be allowed to reach its path."""
        by_descriptor = self.switches_user and sys.platform == "linux"
        return f"/proc/self/fd/{self.opened}" if by_descriptor else self.path

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child must not close."""
        return (self.opened,) if self.ruleset is None else (self.opened, self.ruleset)

    def enter(self) -> None:
        """Put up the walls that can stand from the start, in a child that has only one thread.

        Raises:
            WallMissing: one of them failed.
        """
        try:
            if self.switches_user:
                switch_user()
            confinement.hide_memory()
            if self.ruleset is not None:
                landlock.restrict(self.ruleset)
                os.close(self.ruleset)
        except OSError as error:
            raise WallMissing from error

    def confine(self, parent: int, lifeline: int, seconds: float) -> Confinement:
        """Give what puts up the other walls, once the job is known.

        Args:
            parent: Process id of the forking process.
            lifeline: Closes when the forking process ends.
            seconds: How long the code may run.
        """
        return Confinement(self.interpreter, parent, lifeline, seconds, self.opened)


def switch_user() -> None:
    """Become a user that owns nothing, and that other children don't share. Only root may do this.

    Raises:
        OSError: the process lacks the rights, or the container doesn't have these users.
    """
    user = _FIRST_USER + os.getpid() % _USERS
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def can_switch_user() -> bool:
    """Whether `switch_user` works. Tries it in another process."""
    script = f"from {__name__} import switch_user; switch_user()"
    try:
        tried = subprocess.run(  # noqa: S603 - runs this Python with a module of stepiq
            [sys.executable, "-I", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SWITCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


def missing() -> list[str]:
    """The walls that this system doesn't have, in words for its operator."""
    walls = {
        "a system call filter (seccomp)": seccomp.available(),
        "Landlock": landlock.version() > 0,
    }
    return [wall for wall, stands in walls.items() if not stands]


def _filter(policy: Policy, *, all_threads: bool = False) -> None:
    try:
        seccomp.install(policy, all_threads=all_threads)
    except OSError as error:
        raise WallMissing from error
