"""What the child sends about a run: printed text, and the last frame with the result or the error."""

from collections.abc import Callable
from dataclasses import dataclass

from stepiq.sandbox import frames
from stepiq.sandbox.limits import (
    LOG_CUT,
    MAX_LOG_BYTES,
    MAX_MESSAGE_CHARACTERS,
    MAX_OUTPUT_BYTES,
    OUTPUT_TOO_LARGE,
)


@dataclass(frozen=True, slots=True)
class ProcessEnding:
    """A frame of kind `RESULT`, `ERROR` or `LIMIT`, and its text."""

    kind: bytes
    text: str

    def pack(self) -> bytes:
        """Encode the frame."""
        return frames.pack(self.kind, self.text.encode(errors="replace"))


def error(message: str, line: int | None = None) -> ProcessEnding:
    """The code raised, is invalid, or returned a value that is not JSON."""
    return ProcessEnding(frames.ERROR, _at(line, message))


def limit(message: str, line: int | None = None) -> ProcessEnding:
    """The code exceeded a limit."""
    return ProcessEnding(frames.LIMIT, _at(line, message))


def result(text: str) -> ProcessEnding:
    """The JSON that `main` returned, or an error if it is too large. The server checks whether it can be stored."""
    if len(text.encode(errors="replace")) > MAX_OUTPUT_BYTES:
        return limit(OUTPUT_TOO_LARGE)
    return ProcessEnding(frames.RESULT, text)


def not_json(problem: str, types: str) -> ProcessEnding:
    """`main` returned a value with a part that JSON cannot represent; `problem` names the part."""
    return error(f"The result of `main` is not JSON: {problem} Return only {types}.")


def _at(line: int | None, message: str) -> str:
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = message[: MAX_MESSAGE_CHARACTERS - 1] + "…"
    return message if line is None else f"Line {line} of the code: {message}"


class Printed:
    """Sends complete lines as they are printed, up to `MAX_LOG_BYTES`, then `LOG_CUT`."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._left = MAX_LOG_BYTES
        self._unended: list[str] = []
        self._full = False

    def write(self, text: str) -> None:
        """Add printed text: a part of a line, or many lines."""
        if self._full:
            return
        # Cut before encoding, because the text may have 60 MB. Each character has at least one byte.
        data = text[: self._left + 1].encode(errors="replace")
        self._full = len(data) > self._left
        kept = data[: self._left].decode(errors="ignore")
        self._left -= len(data)
        ended, newline, rest = kept.rpartition("\n")
        if newline:
            self._send("".join(self._unended) + ended)
            self._unended.clear()
        if rest:
            self._unended.append(rest)
        if self._full:
            self.finish()
            self._send(LOG_CUT)

    def finish(self) -> None:
        """Send the last line if it has no line end."""
        if self._unended:
            self._send("".join(self._unended))
            self._unended.clear()
