"""The base of all topics."""

from stepiq.client.aio.transport import AsyncTransport


class AsyncResource:
    """Operations that share a connection."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
