"""Determines why a PostgreSQL server refuses a connection, whatever the language of its messages.

For a failed connection, the driver has no SQLSTATE, only a message, which the server translates. libpq adds the code to
verbose messages. The driver does not offer this setting, so it is made in the libpq that the driver has loaded.
"""

import ctypes
import re
import sys
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from psycopg import waiting
from psycopg.abc import PQGenConn
from psycopg.pq import PGconn, PollingStatus

_VERBOSE = 2
_CODE = re.compile(rb"(?:^|: )\S+:  ([0-9A-Z]{5}): ", re.MULTILINE)
_FUNCTION = re.compile(rb"^LOCATION:  (\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server's report about a refused connection."""

    code: str
    function: str
    """The server function that reports it; empty if the report does not name one."""


def refusal(conninfo: str, seconds: float) -> Refusal | None:
    """Connect once more, and return why the server refuses; None if it does not refuse, or no server answers.

    Args:
        conninfo: URL of the database, with its password.
        seconds: time limit.
    """
    try:
        report = waiting.wait_conn(_attempt(conninfo), interval=0.1, timeout=seconds)
    except (psycopg.Error, OSError, AttributeError):
        # OSError and AttributeError: the libpq of this driver cannot be found.
        return None
    code, function = _CODE.search(report), _FUNCTION.search(report)
    if code is None:
        return None
    return Refusal(code[1].decode(), function[1].decode() if function else "")


def _attempt(conninfo: str) -> PQGenConn[bytes]:
    """Connect and disconnect. Returns the report of libpq, which is empty if the connection succeeds."""
    connection = PGconn.connect_start(conninfo.encode())
    try:
        # The driver's interface does not declare the pointer, but all its implementations have it.
        pointer = cast("Any", connection).pgconn_ptr
        _libpq().PQsetErrorVerbosity(ctypes.c_void_p(pointer), _VERBOSE)
        while (status := connection.connect_poll()) not in (
            PollingStatus.OK,
            PollingStatus.FAILED,
        ):
            wait = waiting.Wait.R if status == PollingStatus.READING else waiting.Wait.W
            while not (yield connection.socket, wait):
                pass
        return connection.error_message
    finally:
        connection.finish()


def _libpq() -> ctypes.CDLL:
    # The lookup of symbols includes the driver's module and the libraries linked to it.
    return ctypes.CDLL(sys.modules[PGconn.__module__].__file__)
