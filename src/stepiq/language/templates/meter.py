"""What bounds the work of a rendering: operations, and the text that is written."""

from collections.abc import Callable

from stepiq.language.templates.errors import TemplateLimit

MAX_OPERATIONS = 200_000
"""Most work one rendering does: tags written, items visited, values compared."""
MAX_OUTPUT_BYTES = 1024 * 1024
"""Longest text one rendering gives, in UTF-8."""
CHARACTERS_PER_OPERATION = 64
"""So much text is made or compared in the time of one operation."""
OPERATIONS_PER_PAUSE = 256
"""Operations from one pause to the next; about 0.3 ms."""


class OverBudget(Exception):
    """The rendering is larger than the caller wants to do here; the template may be fine."""


class Meter:
    """Counts the work of a rendering, or of several that share its bounds, and stops it at the limit.

    Args:
        budget: operations after which `OverBudget` is raised, long before the limit.
        pause: called again and again during the work; what it raises ends the rendering.
    """

    __slots__ = ("_bytes_left", "_left", "_limit", "_over", "_pause", "_span", "_spent")

    def __init__(self, budget: int | None = None, pause: Callable[[], None] | None = None) -> None:
        self._limit = MAX_OPERATIONS if budget is None else min(budget, MAX_OPERATIONS)
        self._pause = pause
        self._spent = 0
        self._span = self._left = self._limit if pause is None else OPERATIONS_PER_PAUSE
        self._bytes_left = MAX_OUTPUT_BYTES

    def spend(self, operations: int = 1) -> None:
        """Charge for work that is about to be done."""
        self._left -= operations
        if self._left < 0:
            self._look_up()

    def spend_text(self, length: int) -> None:
        """Charge for characters that are about to be made or compared."""
        self.spend(1 + length // CHARACTERS_PER_OPERATION)

    def write(self, size: int) -> None:
        """Charge for bytes of the output."""
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise TemplateLimit(
                f"The result of the template is larger than {MAX_OUTPUT_BYTES:,} bytes. Use less data, or split the step."
            )

    def _look_up(self) -> None:
        self._spent += self._span - self._left
        if self._spent > MAX_OPERATIONS:
            raise TemplateLimit(
                f"The template needs more than {MAX_OPERATIONS:,} operations. Loop over fewer items, or split the step."
            )
        if self._spent > self._limit or self._pause is None:
            raise OverBudget
        self._pause()
        self._span = self._left = OPERATIONS_PER_PAUSE
