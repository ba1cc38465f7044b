"""Compiled steps: the fields that every step has, and the base class of those of a step type."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from stepiq.core.json import Json
from stepiq.language.expressions import Expression

NEXT = "next"
"""As a target of `goto`: the step after this one."""
END = "end"
"""As a target of `goto`: the end of the sequence that contains this step."""


class OutputFormat(StrEnum):
    """How a step's text becomes its output: `json` is parsed, the others stay text."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class LimitAction(StrEnum):
    """What happens when a jump has reached its limit."""

    FAIL = "fail"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump to another step of the same sequence."""

    target: str
    """A step id, `next` or `end`."""
    site: str
    """The field of the step, such as `on_condition[0]`; each field counts its own backward jumps."""
    max_loops: int = 10
    """How often it may jump backwards, over the whole run."""
    on_limit: LimitAction = LimitAction.FAIL


@dataclass(frozen=True, slots=True)
class Case:
    """A jump that is taken if an expression is true."""

    condition: Expression
    jump: Jump


class StepSpec:
    """The type-specific fields of a step, compiled. Each step type has a subclass.

    It has everything that the interpreter and the rules use, so that they do not depend on the step types.
    """

    __slots__ = ()
    is_pure: ClassVar[bool] = False
    """Whether the step only computes, in negligible time. It can be executed twice without an effect."""
    can_wait: ClassVar[bool] = False
    """Whether the step can wait for hours or days."""
    limits_itself: ClassVar[bool] = False
    """Whether the handler applies the step's time limit. Otherwise the interpreter does."""
    external_action: ClassVar[str | None] = None
    """What the step does outside the process, such as `call a model`. Pipeline tests must provide its result."""

    @property
    def can_be_given(self) -> bool:
        """Whether a test can give its result instead of executing it."""
        return self.external_action is not None

    @property
    def sequences(self) -> tuple[tuple["Step", ...], ...]:
        """The steps inside it."""
        return ()

    @property
    def named_branches(self) -> tuple["Branch", ...]:
        """The sequences whose results later steps can read by name."""
        return ()

    @property
    def own_jumps(self) -> tuple[Jump, ...]:
        """The jumps in its own fields."""
        return ()

    def leads_to(self, output: Json) -> Jump | None:
        """The jump that follows from its output; None for the next step."""
        return None

    @property
    def asked_models(self) -> tuple[str | None, ...]:
        """The models that it may call; None is the server's default model."""
        return ()

    @property
    def longest_wait(self) -> timedelta:
        """The longest time that it waits, as far as its fields determine it."""
        return timedelta(0)

    @property
    def sends_mail(self) -> bool:
        """Whether it sends email."""
        return False

    @property
    def makes_text(self) -> bool:
        """Whether its output is text without an `output_format`."""
        return False

    @property
    def makes_json(self) -> bool:
        """Whether its output is parsed as JSON without an `output_format`."""
        return False


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several sequences of steps that run concurrently."""

    id: str
    steps: tuple["Step", ...]


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts of a step and the delay between them: `backoff * factor ** n`, with jitter added by the engine."""

    max_attempts: int
    backoff: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    max_backoff: timedelta = timedelta(seconds=60)
    on_timeout: bool = False
    """Whether to retry an attempt that timed out."""


@dataclass(frozen=True, slots=True)
class OnError:
    """What happens after a step fails. By default, the failure ends the sequence."""

    goes_on: bool = False
    jump: Jump | None = None
    """Where to continue; None for the next step."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step, with defaults filled in."""

    id: str
    name: str
    type: str
    timeout: timedelta | None
    """Limit of one attempt; None for types whose parts have their own limits."""
    retry: Retry
    output_format: OutputFormat
    spec: StepSpec
    condition: Expression | None = None
    """`if`: the step is skipped if this is false."""
    on_error: OnError = OnError()
    on_condition: tuple[Case, ...] = ()
    """Evaluated after the step. The first true case jumps."""

    @property
    def gives_text(self) -> bool:
        """Whether its output is text, which has no fields."""
        return self.spec.makes_text and self.output_format is not OutputFormat.JSON

    @property
    def sequences(self) -> tuple[tuple["Step", ...], ...]:
        """The steps inside it."""
        return self.spec.sequences
