"""Ports for servers that tests start."""

import socket
import sys

_kept: list[socket.socket] = []


def free_port() -> int:
    """A port that a server can listen on, and that no other program gets while the tests run."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    if sys.platform == "linux":
        # A server with the same option can have a port that is bound but not listened on. The system chooses others for
        # connections, and for servers that leave the choice to it.
        _kept.append(reserved)
        return reserved.getsockname()[1]
    with reserved:
        return reserved.getsockname()[1]
