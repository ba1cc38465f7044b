"""The kinds of expected errors. A domain adds one in three lines; `server/problems` gives each kind its status.

    StepIQError
    ├── NotFound         no such thing, or not yours
    ├── Conflict         the thing is in a state that does not allow this
    ├── Invalid          understood, but not acceptable as it is; may list several issues
    │   └── Malformed    could not be read at all
    ├── Unauthenticated  no credential, or none that counts
    ├── Forbidden        known, but not allowed: plan or scope
    ├── LimitReached     too much at once or in this period
    └── Unavailable      something outside that we need did not answer

Whatever else escapes is a bug and becomes a 500.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong with a document or a body, and where it stands."""

    path: str
    """Where, as in `steps[2].prompt`; empty for the whole document."""
    code: str
    """Stable and documented, such as `unknown_field`."""
    message: str
    """A sentence that says what to do."""
    line: int | None = None
    """Line of the source text, counted from 1."""
    column: int | None = None
    """Column of the source text in characters, counted from 1."""


class StepIQError(Exception):
    """An error that is expected and that its reader can act on."""

    code: ClassVar[str] = "internal"
    """Stable name of the error: part of the API, listed in `docs/errors.md`."""

    def __init__(self, message: str, /, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        """What the message names, for the structured log; never a secret."""


class NotFound(StepIQError):
    """There is no such thing, or it belongs to somebody else: the two look the same."""

    code = "not_found"


class Conflict(StepIQError):
    """The thing is in a state that does not allow what was asked."""

    code = "conflict"


class Invalid(StepIQError):
    """What was sent can be read but not accepted."""

    code = "invalid"

    def __init__(self, message: str, /, issues: Sequence[Issue] = (), **facts: object) -> None:
        super().__init__(message, **facts)
        self.issues = tuple(issues)


class Malformed(Invalid):
    """What was sent cannot be read at all."""

    code = "malformed"


class Unauthenticated(StepIQError):
    """There is no credential, or none that counts."""

    code = "unauthenticated"


class Forbidden(StepIQError):
    """The caller is known but may not do this: `code` says whether plan, scope or role."""

    code = "forbidden"


class LimitReached(StepIQError):
    """Too much at once, or in this period."""

    code = "limit_reached"

    def __init__(
        self, message: str, /, retry_after: timedelta = timedelta(seconds=1), **facts: object
    ) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class Unavailable(StepIQError):
    """Something outside that is needed did not answer; trying again later may help."""

    code = "unavailable"

    def __init__(
        self, message: str, /, retry_after: timedelta = timedelta(seconds=2), **facts: object
    ) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after
