"""Ports for servers that tests start."""

import socket
import sys

_kept: list[socket.socket] = []


def free_port() -> int:
    """A port on which a server can listen. On Linux, it stays reserved for this process while the tests run."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    if sys.platform == "linux":
        # A server with SO_REUSEADDR can use a port that is bound but not listening. The system does not select such a
        # port for connections, or for servers that bind to port 0.
        _kept.append(reserved)
        return reserved.getsockname()[1]
    with reserved:
        return reserved.getsockname()[1]
