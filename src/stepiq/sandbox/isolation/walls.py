"""Operating-system isolation of a child ("walls"): another user, Landlock, a system call filter, resource limits.

The interpreters provide no access to files, sockets or processes. The walls hold even if code takes over its
interpreter.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Self, TypeVar

from stepiq.sandbox.isolation import landlock, resources, seccomp
from stepiq.sandbox.isolation.seccomp import RUNNING, STARTING, Policy

Started = TypeVar("Started")

_FIRST_USER, _USERS = 61_184, 4_096
"""User ids that no account has. systemd assigns them to services with `DynamicUser=`."""
_LIBRARIES = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store", "/etc/ld.so.cache",
)  # fmt: skip
"""Files that an interpreter in its own process loads when it starts."""
_SWITCH_SECONDS = 10
_SECCOMP, _LANDLOCK = "a system call filter (seccomp)", "Landlock"


class WallMissing(Exception):
    """A wall that the system supports could not be set up, so no code may run. The text names it and the error."""


def find_interpreter() -> str:
    """Find the interpreter of Python code. Its package installs it with the scripts of this environment."""
    user = sysconfig.get_preferred_scheme("user")
    folders = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", user)]
    return shutil.which("monty", path=os.pathsep.join(folders)) or "monty"


@dataclass(frozen=True, slots=True)
class Confinement:
    """Sets up the walls that cannot be active from the start."""

    interpreter: str
    parent: int
    lifeline: int
    seconds: float
    opened: int | None = None
    """A descriptor that is closed before the last walls are set up."""

    def launch(self, start: Callable[[], Started]) -> Started:
        """Call `start` in a thread with a system call filter, which all processes and threads that it starts inherit.

        The calling thread gets its own filter later, because it still has to set the limits of the new process.

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
                resources.watch(self.lifeline)

        Thread(target=run, daemon=True).start()
        return started.result()

    def close(self, worker: int | None) -> None:
        """Set up the last walls. After this, the code cannot open files, start processes or use the network.

        Args:
            worker: The process that `launch` started for the code; None if the code runs in this process.

        Raises:
            WallMissing: the system refused the limits or the filter.
        """
        with _required("limits"):
            if worker is None:
                resources.die_with_parent(self.parent)
                resources.die_with(self.lifeline)
            else:
                resources.confine_worker(worker, self.seconds)
            if self.opened is not None:
                os.close(self.opened)
            resources.confine(self.seconds)
        _filter(RUNNING, all_threads=worker is None)


@dataclass(frozen=True, slots=True)
class Walls:
    """Resources that the fork server prepares once for all its children."""

    path: str
    """The interpreter that runs Python in its own process."""
    opened: int
    """Open descriptor of the same file."""
    ruleset: int | None
    switches_user: bool

    @classmethod
    def prepare(cls, interpreter: str) -> Self:
        """Open the files that the children need."""
        ruleset = landlock.ruleset([*map(Path, _LIBRARIES), Path(interpreter)])
        opened = os.open(interpreter, os.O_RDONLY | os.O_CLOEXEC)
        for policy in (RUNNING, STARTING):
            seccomp.prepare(policy)
        return cls(interpreter, opened, ruleset, switches_user=os.geteuid() == 0)

    @property
    def interpreter(self) -> str:
        """Path of the interpreter for a child, whose user may have no access to the original path."""
        by_descriptor = self.switches_user and sys.platform == "linux"
        return f"/proc/self/fd/{self.opened}" if by_descriptor else self.path

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors that a child must not close."""
        return (self.opened,) if self.ruleset is None else (self.opened, self.ruleset)

    def enter(self) -> None:
        """Set up the walls that can be active from the start, in a child that has only one thread.

        Raises:
            WallMissing: one of them failed.
        """
        if self.switches_user:
            with _required("its own user"):
                switch_user()
        with _required("not dumpable"):
            resources.hide_memory()
        if self.ruleset is not None:
            with _required(_LANDLOCK):
                landlock.restrict(self.ruleset)
                os.close(self.ruleset)

    def confine(self, parent: int, lifeline: int, seconds: float) -> Confinement:
        """Create the object that sets up the other walls, once the job is known.

        Args:
            parent: Process id of the fork server.
            lifeline: Closes when the fork server ends.
            seconds: How long the code may run.
        """
        return Confinement(self.interpreter, parent, lifeline, seconds, self.opened)


def switch_user() -> None:
    """Switch to a user that owns nothing, and that other children rarely share. Only root may do this.

    Raises:
        OSError: the process lacks the rights, or the container doesn't have these users.
    """
    user = _FIRST_USER + os.getpid() % _USERS
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def can_switch_user() -> bool:
    """Whether `switch_user` works. Tests it in another process."""
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
    """The walls that this system doesn't support, described for its operator."""
    walls = {_SECCOMP: seccomp.available(), _LANDLOCK: landlock.version() > 0}
    return [wall for wall, stands in walls.items() if not stands]


@contextmanager
def _required(wall: str) -> Generator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise WallMissing(f"{wall}: {error}") from error


def _filter(policy: Policy, *, all_threads: bool = False) -> None:
    with _required(_SECCOMP):
        seccomp.install(policy, all_threads=all_threads)
