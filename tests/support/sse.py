"""Reads server-sent events as specified for browsers, so that tests detect injected frames."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Received:
    """One event as a browser would dispatch it."""

    type: str
    data: Any
    id: str | None

    @property
    def seq(self) -> int | None:
        return None if self.id is None else int(self.id)


def parse(text: str) -> list[Received]:
    """The events in a text, without comments."""
    events: list[Received] = []
    event_type, event_id, data = "message", None, []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            if data:
                events.append(Received(event_type, json.loads("\n".join(data)), event_id))
            event_type, event_id, data = "message", None, []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event_type = value
        elif field == "id":
            event_id = value
        elif field == "data":
            data.append(value)
    return events


async def received(frames: AsyncIterator[bytes]) -> list[Received]:
    """Read a stream to its end, and return its events."""
    return parse("".join([frame.decode() async for frame in frames]))
