"""Meters of work, and the limits of rendering: operations, and the size of the output."""

import math
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
    """The work exceeds the caller's budget; it may still be within the limits."""


class WorkMeter:
    """Counts operations, and stops the work at a limit.

    Args:
        limit: maximum number of operations.
        budget: operations after which `OverBudget` is raised, far below the limit.
        pause: called regularly during the work; an exception from it ends the work.
    """

    __slots__ = ("_budget", "_left", "_limit", "_pause", "_span", "_spent")

    def __init__(
        self,
        limit: float = math.inf,
        *,
        budget: int | None = None,
        pause: Callable[[], None] | None = None,
    ) -> None:
        self._limit, self._budget, self._pause = limit, budget, pause
        self._spent: float = 0
        self._span = self._left = self._next_span()

    def spend(self, operations: int = 1) -> None:
        """Charge for work to be done."""
        self._left -= operations
        if self._left < 0:
            self._look_up()

    def exceeded(self) -> Exception:
        """The exception for work beyond the limit."""
        return OverBudget()

    def _look_up(self) -> None:
        self._spent += self._span - self._left
        if self._spent > self._limit:
            raise self.exceeded()
        if self._budget is not None:
            raise OverBudget
        if self._pause is not None:
            self._pause()
        self._span = self._left = self._next_span()

    def _next_span(self) -> float:
        left = self._limit - self._spent
        if self._budget is not None:
            return min(left, self._budget - self._spent)
        return left if self._pause is None else min(left, OPERATIONS_PER_PAUSE)


class RenderMeter(WorkMeter):
    """Counts the work of one rendering, or of several that share a limit."""

    __slots__ = ("_bytes_left",)

    def __init__(
        self, *, budget: int | None = None, pause: Callable[[], None] | None = None
    ) -> None:
        super().__init__(MAX_OPERATIONS, budget=budget, pause=pause)
        self._bytes_left = MAX_OUTPUT_BYTES

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

    def exceeded(self) -> Exception:
        return TemplateLimit(
            f"The template needs more than {MAX_OPERATIONS:,} operations. Loop over fewer items, or split the step."
        )
