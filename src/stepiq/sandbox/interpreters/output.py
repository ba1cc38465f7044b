"""The end of a run in the child: the last frame that it sends."""

from dataclasses import dataclass

from stepiq.sandbox import frames
from stepiq.sandbox.limits import MAX_MESSAGE_CHARACTERS, MAX_OUTPUT_BYTES, OUTPUT_TOO_LARGE


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
