"""Resource limits and termination of a child. Skips what the system does not support."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
import threading

from stepiq.sandbox import seccomp
from stepiq.sandbox.limits import ADDRESS_SPACE_BYTES

_NICENESS = 5
"""Gives a server on the same processors precedence."""
_SPARE_CPU_SECONDS = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4

_LIMITS = {
    resource.RLIMIT_AS: ADDRESS_SPACE_BYTES,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 0,
    resource.RLIMIT_NPROC: 0,
}

# Loaded before the fork.
_libc = ctypes.CDLL(None)


def detach() -> None:
    """Leave the parent's process group, reset its signal handling, and discard stray output."""
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.nice(_NICENESS)
    seccomp.gain_nothing()


def hide_memory() -> None:
    """Prevent other processes of the same user from reading or tracing this one."""
    _control(_PR_SET_DUMPABLE, 0)


def die_with(lifeline: int) -> None:
    """Kill this process and all that it started when the other end of `lifeline` closes. Starts a thread."""
    threading.Thread(target=watch, args=(lifeline,), daemon=True).start()


def watch(lifeline: int) -> None:
    """Wait until the other end of `lifeline` closes, then kill this process and all that it started."""
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def die_with_parent(parent: int) -> None:
    """Kill this process, but not what it started, when its parent dies. Works even while no Python code can run."""
    _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.killpg(0, signal.SIGKILL)


def confine(seconds: float) -> None:
    """Prohibit new files, processes and threads in this process, and limit its memory and CPU time."""
    for kind, most in _limits(seconds):
        # Skips a limit that is already lower or that the system does not support.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def confine_worker(pid: int, seconds: float) -> None:
    """Apply the limits of `confine` to a process that this one started. Linux only."""
    if sys.platform != "linux":
        return
    for kind, most in _limits(seconds):
        with contextlib.suppress(ValueError, OSError):
            resource.prlimit(pid, kind, (most, most))


def _limits(seconds: float) -> list[tuple[int, int]]:
    processor = math.ceil(seconds) + _SPARE_CPU_SECONDS
    return [*_LIMITS.items(), (resource.RLIMIT_CPU, processor)]


def _control(option: int, value: int) -> None:
    if sys.platform == "linux":
        _libc.prctl(option, value, 0, 0, 0)
