"""The HTTP server: sockets, the protocol, and limits for connections."""
