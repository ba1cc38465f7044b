"""Server-sent events: from bytes to events."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event of a stream, or a comment, which only shows that the connection works."""

    type: str
    data: str
    id: str | None = None
    is_comment: bool = False


COMMENT = ServerSentEvent("", "", is_comment=True)


class EventParser:
    """Reads a stream in pieces of any size. Only complete events are returned."""

    def __init__(self) -> None:
        self._rest = b""
        self._type = ""
        self._data: list[str] = []
        self._id: str | None = None

    def feed(self, piece: bytes) -> Iterator[ServerSentEvent]:
        """The events and comments that this piece completes."""
        for line in self._lines(piece):
            if not line:
                yield from self._event()
            elif line.startswith(":"):
                yield COMMENT
            else:
                self._field(line)

    def _lines(self, piece: bytes) -> list[str]:
        # A line separator of Unicode in the data does not end a line.
        text = self._rest + piece
        # A CR at the end can be the first half of a CRLF.
        held = text[-1:] if text.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(text[: len(text) - len(held)])
        self._rest = rest + held
        return [line.decode(errors="replace") for line in lines]

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
            case _:
                pass

    def _event(self) -> Iterator[ServerSentEvent]:
        if self._data:
            yield ServerSentEvent(self._type or "message", "\n".join(self._data), self._id)
        self._type, self._data, self._id = "", [], None
