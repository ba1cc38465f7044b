"""What a user's code prints, taken apart into lines and kept within its limit."""

from collections.abc import Callable

from stepiq.sandbox.limits import LOG_CUT, MAX_LOG_BYTES


class Printed:
    """Passes on whole lines as they come, `MAX_LOG_BYTES` of them, then one that says that the rest is dropped."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._left = MAX_LOG_BYTES
        self._unended: list[str] = []
        self._full = False

    def write(self, text: str) -> None:
        """Take text as it was printed: parts of lines, or many lines."""
        if self._full:
            return
        # A character has at least a byte, so a print of 60 MB is cut before it is encoded.
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
        """Pass on a last line that has no end."""
        if self._unended:
            self._send("".join(self._unended))
            self._unended.clear()
