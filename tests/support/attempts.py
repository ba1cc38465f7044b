"""Raw system calls with which native code could try to leave a sandbox, bypassing the interpreter's restrictions."""

import ctypes
import os
import struct
from collections.abc import Callable, Container
from pathlib import Path

from stepiq.sandbox.isolation import seccomp
from stepiq.sandbox.isolation.seccomp import NUMBERS

_libc = ctypes.CDLL(None, use_errno=True)
_HOSTILE: dict[str, tuple[int, int]] = {
    "bpf": (321, 280),
    "faccessat": (269, 48),
    "fchmodat": (268, 53),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "mount": (165, 40),
    "pidfd_send_signal": (424, 424),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "readlinkat": (267, 78),
    "renameat2": (316, 276),
    "rt_sigqueueinfo": (129, 138),
    "setns": (308, 268),
    "setresuid": (117, 147),
    "socket": (41, 198),
    "statx": (332, 291),
    "symlinkat": (266, 36),
    "tgkill": (234, 131),
    "truncate": (76, 45),
    "unlinkat": (263, 35),
    "unshare": (272, 97),
}
_AT_FDCWD = -100
_AF_INET, _AF_UNIX, _STREAM = 2, 1, 1
_PTRACE_TRACEME, _PTRACE_ATTACH = 0, 16
_NEW_USER = 0x10000000
_SIGCHLD = 17
_NO_SIGNAL, _SI_QUEUE = 0, -1
"""Signal 0 only checks the permission to send a signal. The second is an allowed code of a queued signal."""
_FIOASYNC, _F_SETOWN = 0x5452, 8
_RLIMIT_NOFILE = 7
_STATX_BASIC = 0x7FF
LOOK = "look at a file"
"""Shows whether a path exists, its owner, size and times."""

Attempts = dict[str, Callable[[], int]]


def _call(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    column = seccomp.machine()
    assert column is not None
    number = (_HOSTILE.get(name) or NUMBERS[name])[column]
    assert number is not None
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return _libc.syscall(ctypes.c_long(number), *given)


def attempts(folder: Path, other: int, handle: int) -> Attempts:
    """System calls by name. Each returns -1 if the system refuses it.

    Args:
        folder: Contains files `a` and `b` that the caller owns.
        other: Id of another process of the same user.
        handle: Descriptor of that process.
    """
    a, b, new = (os.fsencode(folder / name) for name in ("a", "b", "new"))
    memory, told = ctypes.create_string_buffer(64), ctypes.create_string_buffer(256)
    queued = ctypes.create_string_buffer(struct.pack("iii116x", _NO_SIGNAL, 0, _SI_QUEUE))
    limits = ctypes.create_string_buffer(b"\x00" * 16, 16)
    pair = ctypes.create_string_buffer(8)
    arguments = (ctypes.c_char_p * 2)(b"true", None)
    address = ctypes.cast(arguments, ctypes.c_void_p).value or 0
    return {
        "trace itself": lambda: _call("ptrace", _PTRACE_TRACEME, 0, 0, 0),
        "trace another process": lambda: _call("ptrace", _PTRACE_ATTACH, other, 0, 0),
        "read the memory of another process": lambda: _call("process_vm_readv", other, 0, 0, 0, 0, 0),
        "write the memory of another process": lambda: _call("process_vm_writev", other, 0, 0, 0, 0, 0),
        "signal another process": lambda: _call("kill", other, 0),
        "signal all processes": lambda: _call("kill", -1, 0),
        "signal a thread of another process": lambda: _call("tgkill", other, other, 0),
        "queue a signal": lambda: _call("rt_sigqueueinfo", other, _NO_SIGNAL, queued),
        "open a handle of another process": lambda: _call("pidfd_open", other, 0),
        "limit another process": lambda: _call("prlimit64", other, _RLIMIT_NOFILE, limits, 0),
        "raise its own limits": lambda: _call("prlimit64", 0, _RLIMIT_NOFILE, limits, 0),
        "read a file": lambda: _call("openat", _AT_FDCWD, a, os.O_RDONLY, 0),
        "read a system file": lambda: _call("openat", _AT_FDCWD, b"/etc/passwd", os.O_RDONLY, 0),
        "read a library": lambda: _call("openat", _AT_FDCWD, b"/etc/ld.so.cache", os.O_RDONLY, 0),
        "read the environment of another process": lambda: _call(
            "openat", _AT_FDCWD, f"/proc/{other}/environ".encode(), os.O_RDONLY, 0
        ),
        LOOK: lambda: _call("newfstatat", _AT_FDCWD, b"/etc/passwd", told, 0),
        "look at a file in another way": lambda: _call(
            "statx", _AT_FDCWD, b"/etc/passwd", 0, _STATX_BASIC, told
        ),
        "check the access to a file": lambda: _call("faccessat", _AT_FDCWD, b"/etc/passwd", os.R_OK),
        "read a link": lambda: _call("readlinkat", _AT_FDCWD, b"/proc/self/exe", told, 256),
        "write a file": lambda: _call("openat", _AT_FDCWD, a, os.O_WRONLY, 0),
        "create a file": lambda: _call("openat", _AT_FDCWD, new, os.O_CREAT | os.O_WRONLY, 0o600),
        "truncate a file": lambda: _call("truncate", a, 0),
        "change the mode of a file": lambda: _call("fchmodat", _AT_FDCWD, a, 0o777, 0),
        "rename a file": lambda: _call("renameat2", _AT_FDCWD, a, _AT_FDCWD, new, 0),
        "create a link": lambda: _call("symlinkat", b"/etc", _AT_FDCWD, b + b"link"),
        "delete a file": lambda: _call("unlinkat", _AT_FDCWD, b, 0),
        "create anonymous memory files": lambda: _call("memfd_create", b"x", 0),
        "mount": lambda: _call("mount", b"none", os.fsencode(folder), b"tmpfs", 0, 0),
        "leave its namespaces": lambda: _call("unshare", _NEW_USER),
        "enter other namespaces": lambda: _call("setns", 0, 0),
        "become root": lambda: _call("setresuid", 0, 0, 0),
        "open a socket": lambda: _call("socket", _AF_INET, _STREAM, 0),
        "open a local socket": lambda: _call("socket", _AF_UNIX, _STREAM, 0),
        "open a pair of sockets": lambda: _call("socketpair", _AF_UNIX, _STREAM, 0, pair),
        "fork": lambda: _forked(_call("clone", _SIGCHLD, 0, 0, 0, 0)),
        "start a program": lambda: _call("execve", b"/bin/true", address, 0),
        "use io_uring": lambda: _call("io_uring_setup", 1, memory),
        "load a kernel program": lambda: _call("bpf", 0, memory, 64),
        "use the keyring": lambda: _call("keyctl", 0, 0, 0, 0, 0),
        "signal through a handle": lambda: _call("pidfd_send_signal", handle, _NO_SIGNAL, 0, 0),
        "let another process own a descriptor": lambda: _call("fcntl", 0, _F_SETOWN, other),
        "ask for signals of a descriptor": lambda: _call("ioctl", 0, _FIOASYNC, memory),
    }  # fmt: skip


def results(
    folder: Path, other: int, handle: int, only: Container[str] | None = None
) -> dict[str, int]:
    """The error number of each attempt, or 0 if it succeeded."""
    found: dict[str, int] = {}
    for name, attempt in attempts(folder, other, handle).items():
        if only is None or name in only:
            ctypes.set_errno(0)
            found[name] = ctypes.get_errno() if attempt() == -1 else 0
    return found


def _forked(pid: int) -> int:
    if pid == 0:
        os._exit(0)
    return pid
