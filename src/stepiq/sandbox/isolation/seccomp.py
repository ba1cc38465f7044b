"""Filters the system calls of a thread, and of all threads and processes that it starts (Linux).

The lists of calls were measured with `strace` on CPython, QuickJS and Monty. A call that isn't listed fails with EPERM,
so a library that can do without it continues.
"""

import ctypes
import platform
import struct
import sys
from dataclasses import dataclass
from functools import cache

X86_64 = "x86_64"
AARCH64 = "aarch64"

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # On x86_64 and aarch64. None: the machine doesn't have the call, because a newer one replaces it.
    "arch_prctl": (158, None),
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "clone": (56, 220),
    "clone3": (435, 435),
    "close": (3, 57),
    "dup": (32, 23),
    "dup2": (33, None),
    "dup3": (292, 24),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_pwait": (281, 22),
    "epoll_wait": (232, None),
    "eventfd2": (290, 19),
    "execve": (59, 221),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "lseek": (8, 62),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "open": (2, None),
    "openat": (257, 56),
    "pidfd_open": (434, 434),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "prctl": (157, 167),
    "pread64": (17, 67),
    "prlimit64": (302, 261),
    "read": (0, 63),
    "readv": (19, 65),
    "recvfrom": (45, 207),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "sendto": (44, 206),
    "set_robust_list": (273, 99),
    "set_tid_address": (218, 96),
    "sigaltstack": (131, 132),
    "socketpair": (53, 199),
    "time": (201, None),
    "uname": (63, 160),
    "wait4": (61, 260),
    "waitid": (247, 95),
    "write": (1, 64),
    "writev": (20, 66),
}


@dataclass(frozen=True, slots=True)
class ArgumentCheck:
    """Allows a call only if the bits `mask` of one of its arguments have one of the values."""

    argument: int
    values: tuple[int, ...]
    mask: int = (1 << 64) - 1


Policy = dict[str, tuple[ArgumentCheck, ...]]
"""The allowed calls. With checks, one of them must pass."""

_CLONE_THREAD = 0x10000
_SPAWN = 0x4000 | 0x100 | 17
"""CLONE_VFORK, CLONE_VM and SIGCHLD: the flags of `posix_spawn`."""
_WRITING = 0o3 | 0o100 | 0o1000 | 0o2000 | 0o20000000
"""O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND and the bit of O_TMPFILE; the same on both machines."""
_PR_SET_NAME, _PR_SET_VMA = 15, 0x53564D41
_DESCRIPTOR_FLAGS = (1, 2, 3, 4, 1030)
"""F_GETFD, F_SETFD, F_GETFL, F_SETFL and F_DUPFD_CLOEXEC. F_SETOWN could send signals to other processes."""
_FIONBIO, _FIOCLEX, _TCGETS = 0x5421, 0x5451, 0x5401
_AF_UNIX = 1

_RUNNING = (
    "brk clock_getres clock_gettime clock_nanosleep close epoll_ctl epoll_pwait epoll_wait exit exit_group fstat futex"
    " getpid getppid getrandom gettid gettimeofday lseek madvise membarrier mmap mprotect mremap munmap nanosleep poll"
    " ppoll read readv recvfrom restart_syscall rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity"
    " sched_yield sendto set_robust_list sigaltstack time wait4 waitid write writev"
)
_STARTING = (
    "arch_prctl dup dup2 dup3 epoll_create1 eventfd2 execve getegid geteuid getgid getuid newfstatat pidfd_open pipe2"
    " pread64 set_tid_address uname"
)

RUNNING: Policy = {
    **dict.fromkeys(_RUNNING.split(), ()),
    # Only the own process group: the child and its interpreter.
    "kill": (ArgumentCheck(0, (0,)),),
    "prctl": (ArgumentCheck(0, (_PR_SET_NAME, _PR_SET_VMA)),),
}
"""For a child that runs code."""

STARTING: Policy = {
    **RUNNING,
    **dict.fromkeys(_STARTING.split(), ()),
    "clone": (ArgumentCheck(0, (_CLONE_THREAD,), mask=_CLONE_THREAD), ArgumentCheck(0, (_SPAWN,))),
    "fcntl": (ArgumentCheck(1, _DESCRIPTOR_FLAGS),),
    "ioctl": (ArgumentCheck(1, (_FIONBIO, _FIOCLEX, _TCGETS)),),
    "open": (ArgumentCheck(1, (0,), mask=_WRITING),),
    "openat": (ArgumentCheck(2, (0,), mask=_WRITING),),
    # Reads a limit. To set one, the third argument must be an address.
    "prlimit64": (ArgumentCheck(2, (0,)),),
    "socketpair": (ArgumentCheck(0, (_AF_UNIX,)),),
}
"""For an interpreter in its own process, which must load itself first.

It keeps this filter. Limits refuse calls that it no longer needs after startup: with RLIMIT_NOFILE and RLIMIT_NPROC of
0, it can't open files or start processes. No limit refuses `newfstatat`, which shows whether a path exists, its owner,
size and times: glibc 2.33 to 2.38 use it for each library that they load. No limit refuses `execve`, but Landlock allows it only for programs in
folders of libraries. Such a program keeps the filter, Landlock and the limits, so it can't load its libraries.
"""


_MACHINES = {X86_64: 0, AARCH64: 1}
_ARCHITECTURES = (0xC000003E, 0xC00000B7)
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP = (317, 277)
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_ALL_THREADS = 1

_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
# Instructions of a filter: load 32 bits of the call, compare, mask, return.
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000
"""First number of the calls with 32-bit addresses on x86_64, which would bypass the list."""

_libc = ctypes.CDLL(None, use_errno=True)


class SyscallFilter(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def machine() -> int | None:
    """The column of `NUMBERS` for this machine, or None if it isn't supported."""
    if sys.platform != "linux" or sys.maxsize < 1 << 32 or sys.byteorder != "little":
        return None
    return _MACHINES.get({"arm64": AARCH64}.get(platform.machine(), platform.machine()))


@cache
def available() -> bool:
    """Whether the system has such filters."""
    column = machine()
    if column is None:
        return False
    action = ctypes.c_uint32(_ERRNO)
    return _call(_SECCOMP[column], _GET_ACTION_AVAIL, 0, ctypes.addressof(action)) == 0


def prepare(policy: Policy) -> None:
    """Assemble the filter ahead of time, so that forked processes inherit it."""
    if available() and (column := machine()) is not None:
        assemble(policy, column)


def install(policy: Policy, *, all_threads: bool = False) -> None:
    """Allow the calling thread only the calls of `policy`. Does nothing if the system has no filters.

    Args:
        policy: The allowed calls.
        all_threads: Filter the other threads of the process too.

    Raises:
        OSError: the system refused the filter.
    """
    column = machine()
    if column is None or not available():
        return
    program = assemble(policy, column)
    instructions = ctypes.create_string_buffer(program, len(program))
    wanted = SyscallFilter(len(program) // 8, ctypes.addressof(instructions))
    gain_nothing()
    flags = _ALL_THREADS if all_threads else 0
    if _call(_SECCOMP[column], _SET_MODE_FILTER, flags, ctypes.addressof(wanted)) != 0:
        raise OSError(ctypes.get_errno(), "The system call filter was refused.")


def gain_nothing() -> None:
    """Prevent the calling thread, and all that it starts, from gaining rights by executing a program."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def assemble(policy: Policy, column: int) -> bytes:
    """Assemble the filter as a BPF program."""
    return _assemble(tuple(policy.items()), column)


@cache
def _assemble(policy: tuple[tuple[str, tuple[ArgumentCheck, ...]], ...], column: int) -> bytes:
    program = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, _ARCHITECTURES[column], 1, 0),
        _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
        _instruction(_AT_LEAST, _X32, 0, 1),
        _instruction(_RETURN, _ERRNO | _ENOSYS),
        # glibc then uses `clone`, whose flags a filter can read.
        *_answer("clone3", column, _ERRNO | _ENOSYS),
    ]
    for name, checks in policy:
        program += _checked(name, checks, column) if checks else _answer(name, column, _ALLOW)
    return b"".join([*program, _instruction(_RETURN, _ERRNO | _EPERM)])


def _answer(name: str, column: int, action: int) -> list[bytes]:
    number = NUMBERS[name][column]
    if number is None:
        return []
    return [_instruction(_EQUAL, number, 0, 1), _instruction(_RETURN, action)]


def _checked(name: str, checks: tuple[ArgumentCheck, ...], column: int) -> list[bytes]:
    number = NUMBERS[name][column]
    if number is None:
        return []
    tests = [each for check in checks for value in check.values for each in _test(check, value)]
    tests.append(_instruction(_RETURN, _ERRNO | _EPERM))
    return [_instruction(_EQUAL, number, 0, len(tests)), *tests]


def _test(check: ArgumentCheck, value: int) -> list[bytes]:
    """Allow the call if the argument has the value; otherwise continue with the next instruction."""
    low = _ARGUMENTS + 8 * check.argument
    return [
        _instruction(_LOAD, low),
        _instruction(_AND, check.mask & 0xFFFFFFFF),
        _instruction(_EQUAL, value, 0, 4),
        _instruction(_LOAD, low + 4),
        _instruction(_AND, check.mask >> 32),
        _instruction(_EQUAL, 0, 0, 1),
        _instruction(_RETURN, _ALLOW),
    ]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _call(number: int, *arguments: int) -> int:
    return _libc.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments))
