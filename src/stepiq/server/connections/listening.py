"""The sockets of a server."""

import errno
import os
import re
import socket

from stepiq.core.errors import Invalid, Unavailable
from stepiq.core.settings.model import Settings

BACKLOG = 2048
_HOST = re.compile(r"(?!\.)(?:[A-Za-z0-9_:%-]{1,63}(?:\.(?!\.)|$))*")
"""Addresses, and host names whose labels have a valid length."""


class AddressInUse(Unavailable):
    """Another program uses the server's port."""

    code = "address_in_use"


class AddressUnusable(Invalid):
    """This machine does not have the address that the server listens on, or the process may not use the port."""

    code = "address_unusable"


def bind(host: str, port: int, setting: str) -> socket.socket:
    """Create a listening socket. Errors name the port's setting, `setting`.

    Raises:
        AddressInUse: another process uses the port.
        AddressUnusable: the host or the port cannot be used.
    """
    if not _HOST.fullmatch(host):
        # Resolving such a name can take half a minute, and for some names `create_server` does not close its socket.
        raise _explained(None, host, port, setting)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise _explained(error.errno, host, port, setting) from None


def bind_metrics(settings: Settings) -> socket.socket | None:
    """The socket of `STEPIQ_METRICS_PORT` on 127.0.0.1, or None if no port is set.

    Raises:
        AddressInUse, AddressUnusable: the port cannot be used.
    """
    port = settings.metrics_port
    return None if port is None else bind("127.0.0.1", port, "STEPIQ_METRICS_PORT")


def _explained(
    number: int | None, host: str, port: int, setting: str
) -> AddressInUse | AddressUnusable:
    where = f"The server cannot listen on {host}:{port}"
    if number == errno.EADDRINUSE:
        return AddressInUse(
            f"{where}: {os.strerror(errno.EADDRINUSE)}. Stop the process that uses it, or set {setting} to another port (0 takes a free"
            " one)."
        )
    if number == errno.EACCES:
        return AddressUnusable(
            f"{where}: {os.strerror(errno.EACCES)}. Set {setting} to a port from 1024 to 65535."
        )
    return AddressUnusable(
        f"{where}: this machine has no address `{host}`. Set STEPIQ_HOST or --host to one of its addresses, such as 127.0.0.1,"
        " or to 0.0.0.0 for all of them."
    )
