"""The limits of rendering: operations, and the size of the output."""

from collections.abc import Callable

from stepiq.language.templates.errors import TemplateLimit

MAX_OPERATIONS = 200_000
"""Most work of one rendering: tags written, items visited, values compared."""
MAX_OUTPUT_BYTES = 1024 * 1024
"""Longest output of one rendering, in bytes of UTF-8."""
CHARACTERS_PER_OPERATION = 64
"""Characters created or compared in the time of one operation."""
OPERATIONS_PER_PAUSE = 256
"""Operations between two pauses; about 0.3 ms."""


class OverBudget(Exception):
    """The rendering exceeds the caller's budget; the template may still be within the limits."""


class RenderMeter:
    """Counts the work of one rendering, or of several that share a limit, and stops it at the limit.

    Args:
        budget: operations after which `OverBudget` is raised, far below the limit.
        pause: called regularly during the work; an exception from it ends the rendering.
    """

    __slots__ = ("_bytes_left", "_left", "_limit", "_over", "_pause", "_span", "_spent")

    def __init__(self, budget: int | None = None, pause: Callable[[], None] | None = None) -> None:
        self._limit = MAX_OPERATIONS if budget is None else min(budget, MAX_OPERATIONS)
        self._pause = pause
        self._spent = 0
        self._span = self._left = self._limit if pause is None else OPERATIONS_PER_PAUSE
        self._bytes_left = MAX_OUTPUT_BYTES

    def spend(self, operations: int = 1) -> None:
        """Charge for work to be done."""
        self._left -= operations
        if self._left < 0:
            self._look_up()

    def spend_text(self, length: int) -> None:
        """Charge for characters to be created or compared."""
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
