"""The kinds of expected errors. Packages define subclasses; `web.problems` assigns a status to each kind.

    StepIQError
    ├── NotFound         it does not exist, or belongs to another workspace
    ├── Conflict         the current state does not allow this
    ├── Invalid          readable, but not valid; may list several issues
    │   └── Malformed    cannot be parsed
    ├── Unauthenticated  no credential, or an invalid one
    ├── Forbidden        known, but not allowed: plan or scope
    ├── LimitReached     too much at once or in this period
    └── Unavailable      a system that the server needs did not answer

Any other exception is a bug and becomes a 500.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Issue:
    """One problem of a document or a body, and its location."""

    path: str
    """Location, such as `steps[2].prompt`; empty for the whole document."""
    code: str
    """Stable and documented, such as `unknown_field`."""
    message: str
    """A sentence that states what to do."""
    line: int | None = None
    """Line of the source text, counted from 1."""
    column: int | None = None
    """Column of the source text in characters, counted from 1."""


def first_of(issues: Sequence[Issue]) -> str:
    """The message of the first issue, and how many others there are."""
    first, *others = issues
    match len(others):
        case 0:
            return first.message
        case 1:
            return f"{first.message} There is 1 more error."
        case more:
            return f"{first.message} There are {more} more errors."


class StepIQError(Exception):
    """An expected error on which its reader can act."""

    code: ClassVar[str] = "internal"
    """Stable name of the error. Part of the API, listed in `docs/errors.md`."""
    message: str = ""
    """A class with a message of its own is raised without one."""

    def __init__(self, message: str | None = None, /, **facts: object) -> None:
        self.message = self.message if message is None else message
        super().__init__(self.message)
        self.facts = facts
        """Values in the message, for the structured log. They must not contain secrets."""


class NotFound(StepIQError):
    """It does not exist, or belongs to another workspace: the answer is the same."""

    code = "not_found"


class Conflict(StepIQError):
    """The current state does not allow this."""

    code = "conflict"


class Invalid(StepIQError):
    """The request can be read, but is not valid."""

    code = "invalid"

    def __init__(
        self, message: str | None = None, /, issues: Sequence[Issue] = (), **facts: object
    ) -> None:
        super().__init__(message, **facts)
        self.issues = tuple(issues)


class Malformed(Invalid):
    """The request cannot be parsed."""

    code = "malformed"


class Unauthenticated(StepIQError):
    """The request has no credential, or an invalid one."""

    code = "unauthenticated"


class Forbidden(StepIQError):
    """The caller may not do this. `code` shows whether the plan, a scope or a role prevents it."""

    code = "forbidden"


class LimitReached(StepIQError):
    """Too many requests or runs at once, or in this period."""

    code = "limit_reached"

    def __init__(
        self,
        message: str | None = None,
        /,
        retry_after: timedelta = timedelta(seconds=1),
        **facts: object,
    ) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after


class Unavailable(StepIQError):
    """A system that the server needs did not respond. Trying again later may help."""

    code = "unavailable"

    def __init__(
        self,
        message: str | None = None,
        /,
        retry_after: timedelta = timedelta(seconds=2),
        **facts: object,
    ) -> None:
        super().__init__(message, **facts)
        self.retry_after = retry_after
