"""Resource limits and termination of a child. Skips what macOS does not support."""

import contextlib
import ctypes
import math
import os
import resource
import signal
import sys
import threading

from stepiq.sandbox.isolation import seccomp
from stepiq.sandbox.limits import ADDRESS_SPACE_BYTES

_NICENESS = 5
"""Gives a server on the same processors precedence."""
_SPARE_CPU_SECONDS = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4

Limit = tuple[int, int]
"""The soft and the hard limit."""

_LIMITS = {
    resource.RLIMIT_AS: ADDRESS_SPACE_BYTES,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 0,
    resource.RLIMIT_NPROC: 0,
}

# Loaded before the fork.
_libc = ctypes.CDLL(None, use_errno=True)


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
    """Prevent other processes of the same user from reading or tracing this one, until it executes another program.

    Raises:
        OSError: the system refused it.
    """
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
    """Prohibit new files, processes and threads in this process, and limit its memory and CPU time.

    Raises:
        ValueError, OSError: Linux refused a limit.
    """
    for kind, most in _limits(seconds):
        try:
            resource.setrlimit(kind, _lowered(resource.getrlimit(kind), most))
        except (ValueError, OSError):
            # macOS refuses some of them.
            if sys.platform == "linux":
                raise


def confine_worker(pid: int, seconds: float) -> None:
    """Apply the limits of `confine` to a process that this one started, if it is still running. Linux only.

    Raises:
        ValueError, OSError: the system refused a limit.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(ProcessLookupError):
        for kind, most in _limits(seconds):
            resource.prlimit(pid, kind, _lowered(resource.prlimit(pid, kind), most))


def _limits(seconds: float) -> list[tuple[int, int]]:
    processor = math.ceil(seconds) + _SPARE_CPU_SECONDS
    return [*_LIMITS.items(), (resource.RLIMIT_CPU, processor)]


def _lowered(current: Limit, most: int) -> Limit:
    _, hard = current
    # A limit that is already lower stays, although root could raise it.
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    return wanted, wanted


def _control(option: int, value: int) -> None:
    if sys.platform == "linux" and _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "`prctl` was refused.")
