"""Compiled steps: the fields that every step has, and the base class of those of a step type."""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Self

from stepiq.core.json import Json
from stepiq.language.expressions import Expression
from stepiq.language.fields import description as fields
from stepiq.language.fields.description import Field, FieldObject, embedded, matching
from stepiq.language.fields.reader import ID_PATTERN, ID_RULE, FieldReader
from stepiq.language.fields.schema import Node
from stepiq.language.places import write_path
from stepiq.language.words import slug

NEXT = "next"
"""As a target of `goto`: the step after this one."""
END = "end"
"""As a target of `goto`: the end of the sequence that contains this step."""
GOTO = "{goto: ID}"
"""The alternative that messages suggest in addition to the words of `on_error` and `on_reject`."""
MAX_CASES = 50


class OutputFormat(StrEnum):
    """How a step's text becomes its output: `json` is parsed, the others stay text."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class LimitAction(StrEnum):
    """What happens when a jump has reached its limit."""

    FAIL = "fail"
    NEXT = "next"


def step_id() -> Field[str]:
    """The id of a step or of a branch, which must be unique in the document."""
    description = "Unique in the document. `steps.ID.output` is the output of the step."
    shown: Node = {"type": "string", "minLength": 1} | matching(ID_PATTERN, ID_RULE)
    return fields.text("Id", description, maximum=64).then(_check_id).shown(shown)


def _check_id(reader: FieldReader, name: str, written: str) -> str | None:
    if not re.fullmatch(ID_PATTERN, written):
        better = slug(written)
        example = f" Write `{better}`." if better else ""
        reader.refuse(name, "invalid_format", f"`id` must have {ID_RULE}.{example}")
        return None
    earlier = reader.draft.ids.setdefault(written, reader.path)
    if earlier != reader.path:
        message = f"The id `{written}` is already used at `{write_path(earlier)}`. Use another id."
        reader.refuse(name, "duplicate", message)
    return written


def _milliseconds(title: str, description: str) -> Field[timedelta]:
    return fields.integer(title, description, 0, 3_600_000).converted(
        lambda amount: timedelta(milliseconds=amount)
    )


def goto(description: str) -> Field[str]:
    """The step to continue with. Whether it exists is checked after all steps are read."""
    shown: Node = matching(ID_PATTERN, f"the id of a step, {NEXT} or {END}")
    return (
        fields.text(
            "Go to",
            f"{description} The id of a step of the same sequence, `{NEXT}` or `{END}`.",
            maximum=64,
        )
        .checked(lambda reader, name, target: reader.draft.add_jump((*reader.path, name), target))
        .shown({**shown, "examples": [NEXT, END]})
    )


def _site(reader: FieldReader) -> str:
    """The field of a step that a mapping is in, such as `on_error` or `cases[1]`."""
    return write_path(reader.path[-2:] if isinstance(reader.path[-1], int) else reader.path[-1:])


def simple_jump(description: str, site: str = "") -> Field["Jump"]:
    """A `goto` without a limit of its own; `site` is the field of the step, by default that around it."""
    return goto(description).then(lambda reader, _, target: Jump(target, site or _site(reader)))


@dataclass(frozen=True, slots=True)
class Jump(FieldObject):
    """A jump to another step of the same sequence."""

    words = ("Jump", "The run continues with another step.")

    target: str = goto("The next step.").required("goto: draft", name="goto")
    """A step id, `next` or `end`."""
    site: str = fields.computed(_site)
    """The field of the step, such as `on_condition[0]`; each field counts its own backward jumps."""
    max_loops: int = fields.integer(
        "Most loops", "How often this jump can go back in one run.", 1, 100
    ).default(10)
    """How often it may jump backwards, over the whole run."""
    on_limit: LimitAction = fields.choice(
        "At the limit",
        "What happens when the limit is reached.",
        {
            LimitAction.FAIL: "The run fails with `loop_limit`.",
            LimitAction.NEXT: "The run continues with the step after this one.",
        },
    ).default(LimitAction.FAIL)


@dataclass(frozen=True, slots=True)
class Case(FieldObject):
    """A jump that is taken if an expression is true."""

    words = ("Case", "A jump for an expression that is true.")

    condition: Expression = fields.condition(
        "If", "If true, the run continues at `goto`."
    ).required("if: steps.review.output.score < 8", name="if")
    jump: Jump = simple_jump("The next step.").required("goto: draft", name="goto")


@dataclass(frozen=True, slots=True)
class CaseAfter(Case):
    """A case that is evaluated after its step, with a limit of backward jumps."""

    condition: Expression = fields.condition(
        "If", "It can read the output of this step.", is_after=True
    ).required("if: steps.review.output.score < 8", name="if")
    jump: Jump = embedded(Jump)


class StepSpec(FieldObject):
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

    @classmethod
    def read(cls, reader: FieldReader) -> Self | None:
        """Read the fields; None if an attribute without a default has no valid value."""
        return fields.read(cls, reader)

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
class Retry(FieldObject):
    """Attempts of a step and the delay between them: `backoff * factor ** n`, with jitter added by the engine."""

    words = (
        "Retry",
        "Maximum number of attempts. Only temporary failures are tried again: network errors "
        "and the statuses 408, 429 and 5xx.",
    )

    max_attempts: int = fields.integer(
        "Attempts", "Default: that of the step type.", 1, 10
    ).default(0, shown=None)
    """0 for the default of the step type, which replaces it when the step is read."""
    backoff: timedelta = _milliseconds(
        "First pause", "Milliseconds before the second attempt."
    ).default(timedelta(seconds=1), name="backoff_ms", shown=1_000)
    factor: float = fields.number(
        "Factor", "Factor by which each next pause is longer.", 1, 10
    ).default(2.0)
    max_backoff: timedelta = _milliseconds("Longest pause", "In milliseconds.").default(
        timedelta(seconds=60), name="max_backoff_ms", shown=60_000
    )
    on_timeout: bool = fields.boolean(
        "After a timeout", "Whether to try again after a timeout."
    ).default(False)
    """Whether to retry an attempt that timed out."""


@dataclass(frozen=True, slots=True)
class OnError:
    """What happens after a step fails. By default, the failure ends the sequence."""

    goes_on: bool = False
    jump: Jump | None = None
    """Where to continue; None for the next step."""

    @classmethod
    def of(cls, written: str | Jump) -> "OnError":
        """What the field says."""
        if isinstance(written, Jump):
            return cls(goes_on=True, jump=written)
        return cls(goes_on=written == "continue")


_ON_ERROR = fields.either(
    "On error",
    "What happens when the step fails.",
    fields.choice(
        "On error",
        "What happens when the step fails.",
        {
            "fail": "The run fails.",
            "continue": "The output is null, and the run continues. `steps.ID.error` contains the error.",
        },
        others=[GOTO],
    ),
    fields.object_of(Jump, example="on_error: {goto: fallback}"),
).converted(OnError.of)


@dataclass(frozen=True, slots=True)
class Step(FieldObject):
    """One step, with defaults filled in."""

    type: str
    timeout: timedelta | None
    """Limit of one attempt; None for types whose parts have their own limits."""
    spec: StepSpec
    id: str = step_id().required("id: summary")
    written_name: str | None = fields.text(
        "Name", "A name to show. Default: the id.", maximum=200
    ).optional(name="name")
    condition: Expression | None = fields.condition(
        "Only if", "If false, the step is skipped, and its output is null."
    ).optional(name="if")
    """`if`: the step is skipped if this is false."""
    retry: Retry = fields.object_of(Retry).default(Retry())
    on_error: OnError = _ON_ERROR.default(OnError(), shown="fail")
    on_condition: tuple[Case, ...] = fields.objects(
        "After the step",
        "Jumps after the step. The first one that is true is used.",
        CaseAfter,
        1,
        MAX_CASES,
        "{if: steps.review.output.score < 8, goto: draft}",
    ).default(())
    """Evaluated after the step. The first true case jumps."""
    written_format: OutputFormat = fields.choice(
        "Output format",
        "How the text of the step becomes its output.",
        {
            OutputFormat.TEXT: "The text is the output.",
            OutputFormat.JSON: "The text is read as JSON. If it is not JSON, the step fails.",
            OutputFormat.MARKDOWN: "The text is the output, and is shown as Markdown.",
        },
    ).default(OutputFormat.TEXT, name="output_format")

    @property
    def name(self) -> str:
        """The name to show."""
        return self.written_name or self.id

    @property
    def output_format(self) -> OutputFormat:
        """How the step's text becomes its output."""
        return OutputFormat.JSON if self.spec.makes_json else self.written_format

    @property
    def gives_text(self) -> bool:
        """Whether its output is text, which has no fields."""
        return self.spec.makes_text and self.output_format is not OutputFormat.JSON

    @property
    def sequences(self) -> tuple[tuple["Step", ...], ...]:
        """The steps inside it."""
        return self.spec.sequences
