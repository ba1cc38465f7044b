"""A system that has a call but refuses it, as containers and services can."""

import ctypes
import resource
import struct

from stepiq.sandbox.isolation import seccomp
from stepiq.sandbox.isolation.seccomp import NUMBERS

REFUSED = {
    # The call, and the number and value of the argument with which it is refused.
    "a system call filter (seccomp)": (seccomp._SECCOMP, 0, seccomp._SET_MODE_FILTER),
    "Landlock": ((446, 446), 1, 0),
    "limits": (NUMBERS["prlimit64"], 1, resource.RLIMIT_NPROC),
    "not dumpable": (NUMBERS["prctl"], 0, 4),
}
"""What sets up each wall, by the name of the wall."""
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARGUMENTS = 0, 16
_ALLOW, _EPERM = 0x7FFF0000, 0x00050001


def refuse(wall: str) -> None:
    """Refuse a wall to this process and all that it starts."""
    column = seccomp.machine()
    assert column is not None
    numbers, argument, value = REFUSED[wall]
    program = b"".join(
        struct.pack("<HBBI", *instruction)
        for instruction in (
            (_LOAD, 0, 0, _NUMBER),
            (_EQUAL, 0, 3, numbers[column]),
            (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
            (_EQUAL, 0, 1, value),
            (_RETURN, 0, 0, _EPERM),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    instructions = ctypes.create_string_buffer(program, len(program))
    wanted = seccomp.SyscallFilter(len(program) // 8, ctypes.addressof(instructions))
    seccomp.gain_nothing()
    number = seccomp._SECCOMP[column]
    assert seccomp._call(number, seccomp._SET_MODE_FILTER, 0, ctypes.addressof(wanted)) == 0
