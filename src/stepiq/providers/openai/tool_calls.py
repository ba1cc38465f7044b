"""Collects the tool calls of a streamed Chat Completions answer, which arrive in pieces.

OpenAI sends the position of a call with every piece, and its id and name with the first one. Some servers leave out the
position or the id, give all calls the position 0, or repeat the id.
"""

from collections.abc import Mapping
from typing import Any, cast

from stepiq.core import json
from stepiq.providers.answers import ReceivedCall

MAX_CALLS = 200
"""Most calls of one answer."""


class _ArrivingCall:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class CallReader:
    """The tool calls of one answer."""

    def __init__(self) -> None:
        self._calls: list[_ArrivingCall] = []
        self._by_position: dict[int, _ArrivingCall] = {}

    @property
    def is_full(self) -> bool:
        """Whether there are more calls than allowed."""
        return len(self._calls) > MAX_CALLS

    def take(self, piece: Mapping[str, Any]) -> str:
        """Add a piece; returns its text, so that it can be counted."""
        call_id, position = _text(piece.get("id")), piece.get("index")
        function: object = piece.get("function")
        fields = cast("dict[str, Any]", function) if isinstance(function, dict) else {}
        name, arguments = _text(fields.get("name")), fields.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(cast("dict[str, Any]", arguments))
        call = self._of(call_id, position, is_new=bool(name))
        call.id = call.id or call_id
        call.name = call.name or name
        text = _text(arguments)
        if text:
            call.arguments.append(text)
        return call_id + name + text

    def calls(self) -> tuple[ReceivedCall, ...]:
        """The calls, in the order in which they began."""
        return tuple(
            ReceivedCall(call.id or f"call_{number}", call.name, "".join(call.arguments), {})
            for number, call in enumerate(self._calls, 1)
        )

    def _of(self, call_id: str, position: object, *, is_new: bool) -> _ArrivingCall:
        """The call that a piece belongs to."""
        known = next((call for call in self._calls if call_id and call.id == call_id), None)
        if known is not None:
            return known
        if isinstance(position, int) and (placed := self._by_position.get(position)) is not None:
            if not call_id or not placed.id:
                return placed
        elif position is None and self._calls and not call_id and not is_new:
            return self._calls[-1]
        call = _ArrivingCall()
        self._calls.append(call)
        if isinstance(position, int):
            self._by_position[position] = call
        return call


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
