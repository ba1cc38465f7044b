"""Splits the printed text of a user's code into lines, and limits it."""

from collections.abc import Callable

from stepiq.sandbox.limits import LOG_CUT, MAX_LOG_BYTES


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
