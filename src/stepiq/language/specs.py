"""The compiled fields of each step type, one class per type."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from stepiq.core.json import Json
from stepiq.language.expressions import Expression
from stepiq.language.extracting import Query
from stepiq.language.patterns import Pattern, Replacement
from stepiq.language.schemas import Schema
from stepiq.language.set_values import Setting
from stepiq.language.template_tree import TemplateTree
from stepiq.language.templates import Template, secret_names_of

NEXT = "next"
"""As a target of `goto`: the step after this one."""
END = "end"
"""As a target of `goto`: the end of the sequence that contains this step."""


class StepType(StrEnum):
    """Every step type of the language; `steps.registry` lists those that can run."""

    LLM = "llm"
    TRANSFORM = "transform"
    CONDITION = "condition"
    PARALLEL = "parallel"
    WEBHOOK = "webhook"
    HUMAN_REVIEW = "human_review"
    WAIT = "wait"
    CODE = "code"
    PIPELINE = "pipeline"


class OutputFormat(StrEnum):
    """How a step's text becomes its output: `json` is parsed, the others stay text."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class CodeLanguage(StrEnum):
    """The language of the source of a `code` step."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"


class Merge(StrEnum):
    """How a `parallel` step combines its branches' outputs."""

    OBJECT = "object"
    ARRAY = "array"
    TEXT = "text"


class BranchError(StrEnum):
    """What happens to the other branches when one fails."""

    FAIL = "fail"
    CONTINUE = "continue"


class ReviewTimeout(StrEnum):
    """What happens to a review without a decision in time."""

    FAIL = "fail"
    APPROVE = "approve"
    REJECT = "reject"


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


@dataclass(frozen=True, slots=True)
class LlmSpec(StepSpec):
    """A call to a model."""

    external_action = "call a model"

    prompt: Template
    system_prompt: Template | None = None
    model: str | None = None
    """As written; None for the server's default model."""
    fallback_models: tuple[str, ...] = ()
    """Called in this order, each if the call to the one before failed."""
    temperature: float | None = None
    max_tokens: int | None = None
    output_schema: dict[str, Json] | None = None
    """As written, for the provider."""
    output_validator: Schema | None = None
    """Present with `output_schema`: validates the model's output."""

    @property
    def asked_models(self) -> tuple[str | None, ...]:
        return (self.model, *self.fallback_models)

    @property
    def makes_text(self) -> bool:
        return True

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the prompts may send."""
        return secret_names_of(self.prompt, self.system_prompt)


@dataclass(frozen=True, slots=True)
class Extract:
    """The values that a JSONPath selects."""

    query: Query
    first: bool
    """Whether the result is the first value, or null if there is none, instead of a list."""


@dataclass(frozen=True, slots=True)
class Match:
    """The matches of a pattern in a text."""

    pattern: Pattern
    group: int | str = 0
    """Group of the first match. Not used with `all` or `replace`."""
    all: bool = False
    replace: Replacement | None = None


@dataclass(frozen=True, slots=True)
class TransformSpec(StepSpec):
    """Transforms data inside the process."""

    is_pure = True

    make: Template | Extract | Match | Setting
    input: Expression | None = None
    """The value that `Extract` and `Match` search; None for the output of the step before."""

    @property
    def makes_text(self) -> bool:
        return isinstance(self.make, Template)


@dataclass(frozen=True, slots=True)
class ConditionSpec(StepSpec):
    """Chooses the next step."""

    is_pure = True

    cases: tuple[Case, ...]
    otherwise: Jump

    @property
    def own_jumps(self) -> tuple[Jump, ...]:
        return (*(case.jump for case in self.cases), self.otherwise)

    def leads_to(self, output: Json) -> Jump | None:
        matched: int | None = output["matched"]
        return self.otherwise if matched is None else self.cases[matched].jump


@dataclass(frozen=True, slots=True)
class Branch:
    """One of several sequences of steps that run concurrently."""

    id: str
    steps: tuple["Step", ...]


@dataclass(frozen=True, slots=True)
class ParallelSpec(StepSpec):
    """Sequences of steps that run concurrently: named branches, or one for each item of a list."""

    branches: tuple[Branch, ...]
    """Empty with `for_each`."""
    for_each: Expression | None
    body: tuple["Step", ...]
    """The steps for each item."""
    max_concurrency: int
    on_branch_error: BranchError
    merge: Merge

    @property
    def sequences(self) -> tuple[tuple["Step", ...], ...]:
        return (*(branch.steps for branch in self.branches), self.body)

    @property
    def named_branches(self) -> tuple[Branch, ...]:
        return self.branches


@dataclass(frozen=True, slots=True)
class WebhookSpec(StepSpec):
    """One HTTP call."""

    external_action = "send a request"

    url: Template
    method: str
    headers: tuple[tuple[str, Template], ...]
    body: Template | TemplateTree | None
    expect_status: tuple[int, ...] | None
    """None for any from 200 to 299."""

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the call may send."""
        names = secret_names_of(self.url, *(value for _, value in self.headers))
        return names if self.body is None else names | self.body.secret_names


@dataclass(frozen=True, slots=True)
class ReviewSpec(StepSpec):
    """A decision by a person."""

    can_wait = True
    external_action = "ask a person"

    message: Template
    input: Expression | None
    """The value to review; None for the output of the step before."""
    editable: bool
    assignees: tuple[str, ...]
    """Email addresses to notify."""
    wait: timedelta
    on_timeout: ReviewTimeout
    on_reject: Jump | None
    """None: the run fails."""

    @property
    def own_jumps(self) -> tuple[Jump, ...]:
        return () if self.on_reject is None else (self.on_reject,)

    def leads_to(self, output: Json) -> Jump | None:
        return self.on_reject if output["decision"] == "reject" else None

    @property
    def longest_wait(self) -> timedelta:
        return self.wait

    @property
    def sends_mail(self) -> bool:
        return bool(self.assignees)


@dataclass(frozen=True, slots=True)
class WaitSpec(StepSpec):
    """A wait for a fixed time, or until a moment."""

    can_wait = True

    length: timedelta | None
    until: Template | None

    @property
    def longest_wait(self) -> timedelta:
        return self.length or timedelta(0)


@dataclass(frozen=True, slots=True)
class CodeSpec(StepSpec):
    """A function written by the author."""

    limits_itself = True

    language: CodeLanguage
    source: str
    input: tuple[tuple[str, Expression], ...] | None
    """None: `{input, vars, steps}`."""


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
    type: StepType
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
