"""Reads server-sent events in linear time, as the HTML standard defines them.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from collections.abc import Iterator


class EventReader:
    """Collects the data of events from the pieces of a body, which may end anywhere."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        """The beginning of a line whose end has not arrived."""
        self._data: list[bytes] = []
        self._ended_with_return = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of each event that ends in this piece."""
        if not piece:
            return
        if self._ended_with_return and piece.startswith(b"\n"):
            # The second half of a line end.
            piece = piece[1:]
        self._ended_with_return = piece.endswith(b"\r") if piece else False
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = piece.split(b"\n")
        self._line.append(first)
        for begun in others:
            line = b"".join(self._line)
            self._line = [begun]
            if line:
                self._take(line)
            elif self._data:
                yield self._event()

    def rest(self) -> bytes | None:
        """The data of an event that no empty line has ended: some servers omit it at the end."""
        if line := b"".join(self._line):
            self._take(line)
        return self._event() if self._data else None

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))

    def _event(self) -> bytes:
        data = b"\n".join(self._data)
        self._data = []
        return data
