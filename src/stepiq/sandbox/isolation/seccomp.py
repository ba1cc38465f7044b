"""Filters the system calls of a thread, and of all threads and processes that it starts (Linux)."""

import ctypes
import platform
import struct
import sys
from functools import cache

from stepiq.sandbox.syscalls import AARCH64, NUMBERS, X86_64, ArgumentCheck, Policy

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
