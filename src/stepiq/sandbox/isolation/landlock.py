"""Removes access to files and the network from a thread and all that it starts (Landlock, Linux 5.13 or later)."""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""System call numbers, the same on all machines."""
_VERSION = 1
_BENEATH = 1
_EXECUTE, _READ_FILE, _READ_DIR = 1, 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""Number of file access rights, for each version that added some."""
_NETWORK_RIGHTS = 0b11
_SCOPES = 0b11
"""Abstract sockets of other processes, and signals to them."""
_NETWORK_VERSION, _SCOPE_VERSION = 4, 6

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The Landlock version of the kernel; 0 if it has none."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(_CREATE_RULESET, 0, 0, _VERSION))


def ruleset(readable: Iterable[Path]) -> int | None:
    """Create a ruleset that allows only reading and executing what is in `readable`.

    Returns:
        A file descriptor for `restrict`; None if the system has no Landlock.

    Raises:
        OSError: the system refused it.
    """
    found = version()
    if not found:
        return None
    handled = bytearray(struct.pack("=Q", (1 << _highest(found)) - 1))
    if found >= _NETWORK_VERSION:
        handled += struct.pack("=Q", _NETWORK_RIGHTS)
    if found >= _SCOPE_VERSION:
        handled += struct.pack("=Q", _SCOPES)
    attributes = ctypes.create_string_buffer(bytes(handled), len(handled))
    descriptor = _call(_CREATE_RULESET, ctypes.addressof(attributes), len(handled), 0)
    _require(descriptor)
    for path in readable:
        if path.exists():
            _allow(descriptor, path)
    return descriptor


def restrict(descriptor: int) -> None:
    """Apply a ruleset to the calling thread and all that it starts.

    Raises:
        OSError: the system refused it.
    """
    _require(_call(_RESTRICT_SELF, descriptor, 0))


def _highest(found: int) -> int:
    return max(count for since, count in _FILE_RIGHTS.items() if since <= found)


def _allow(descriptor: int, path: Path) -> None:
    rights = _READ_FILE | _EXECUTE | (_READ_DIR if path.is_dir() else 0)
    opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, opened)
        attributes = ctypes.create_string_buffer(rule, len(rule))
        _require(_call(_ADD_RULE, descriptor, _BENEATH, ctypes.addressof(attributes), 0))
    finally:
        os.close(opened)


def _require(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock was refused.")


def _call(number: int, *arguments: int) -> int:
    return _libc.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments))
