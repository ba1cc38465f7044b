"""What each step type is told: one class a type, everything in it checked and compiled."""

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
"""As a target of `goto`: the step behind this one."""
END = "end"
"""As a target of `goto`: the end of the sequence of steps that this one stands in."""


class StepType(StrEnum):
    """Every step type of the language; `steps.registry` knows those that run."""

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
    """What the source of a `code` step is written in."""

    PYTHON = "python"
    JAVASCRIPT = "javascript"


class Merge(StrEnum):
    """What a `parallel` step makes of its branches' outputs."""

    OBJECT = "object"
    ARRAY = "array"
    TEXT = "text"


class BranchError(StrEnum):
    """What a branch that fails does to the others."""

    FAIL = "fail"
    CONTINUE = "continue"


class ReviewTimeout(StrEnum):
    """What becomes of a review that nobody decides in time."""

    FAIL = "fail"
    APPROVE = "approve"
    REJECT = "reject"


class LimitAction(StrEnum):
    """What happens where a jump has been made as often as it may."""

    FAIL = "fail"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Jump:
    """A way to another step of the same sequence."""

    target: str
    """A step id, `next` or `end`."""
    site: str
    """Which field of the step says so, such as `on_condition[0]`; each counts its own jumps backwards."""
    max_loops: int = 10
    """How often it may lead backwards, over the whole run."""
    on_limit: LimitAction = LimitAction.FAIL


@dataclass(frozen=True, slots=True)
class Case:
    """A jump that is made if an expression is true."""

    condition: Expression
    jump: Jump


class StepSpec:
    """The own fields of a step, checked and compiled. Each step type has a subclass.

    What the interpreter and the rules need to know of a type is here, so that they need not know the types.
    """

    __slots__ = ()
    is_pure: ClassVar[bool] = False
    """Whether the step only computes, in no time. It can be executed twice without an effect."""
    can_wait: ClassVar[bool] = False
    """Whether the step can wait for hours or days."""
    limits_itself: ClassVar[bool] = False
    """Whether the handler applies the step's time limit. Otherwise the interpreter does."""
    external_action: ClassVar[str | None] = None
    """What the step does outside of the process, such as `call a model`. In tests of pipelines its result must be given."""

    @property
    def sequences(self) -> tuple[tuple["Step", ...], ...]:
        """The steps inside it."""
        return ()

    @property
    def named_branches(self) -> tuple["Branch", ...]:
        """The sequences whose results later steps see under a name."""
        return ()

    @property
    def own_jumps(self) -> tuple[Jump, ...]:
        """The jumps of its own fields."""
        return ()

    def leads_to(self, output: Json) -> Jump | None:
        """The jump that follows from its output; None for the next step."""
        return None

    @property
    def asked_models(self) -> tuple[str | None, ...]:
        """The models that it may call; None is the default model of the server."""
        return ()

    @property
    def longest_wait(self) -> timedelta:
        """How long it waits at most, if its fields say so."""
        return timedelta(0)

    @property
    def sends_mail(self) -> bool:
        """Whether it sends email."""
        return False

    @property
    def makes_text(self) -> bool:
        """Whether its output is text, unless `output_format` says otherwise."""
        return False


@dataclass(frozen=True, slots=True)
class LlmSpec(StepSpec):
    """One question to a model."""

    external_action = "call a model"

    prompt: Template
    system_prompt: Template | None = None
    model: str | None = None
    """As written; None leaves the choice to the server."""
    fallback_models: tuple[str, ...] = ()
    """Asked one after the other when the one before could not be."""
    temperature: float | None = None
    max_tokens: int | None = None
    output_schema: dict[str, Json] | None = None
    """As written, for the provider."""
    output_validator: Schema | None = None
    """Present with `output_schema`: tells what is wrong with an answer."""

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
    """Values found by a JSONPath."""

    query: Query
    first: bool
    """One value, null if there is none, instead of a list."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a pattern finds in a text."""

    pattern: Pattern
    group: int | str = 0
    """Of the first match, where neither all matches nor a replacement are asked for."""
    all: bool = False
    replace: Replacement | None = None


@dataclass(frozen=True, slots=True)
class TransformSpec(StepSpec):
    """Data made from data, without leaving the process."""

    is_pure = True

    make: Template | Extract | Match | Setting
    input: Expression | None = None
    """What `Extract` and `Match` look at; None for the output of the step before."""

    @property
    def makes_text(self) -> bool:
        return isinstance(self.make, Template)


@dataclass(frozen=True, slots=True)
class ConditionSpec(StepSpec):
    """Which way to go."""

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
    """One of several sequences of steps that run at the same time."""

    id: str
    steps: tuple["Step", ...]


@dataclass(frozen=True, slots=True)
class ParallelSpec(StepSpec):
    """Sequences of steps that run at the same time: named branches, or one for each item of a list."""

    branches: tuple[Branch, ...]
    """Empty with `for_each`."""
    for_each: Expression | None
    body: tuple["Step", ...]
    """What is done for each item."""
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
    """A question to a person."""

    can_wait = True
    external_action = "ask a person"

    message: Template
    input: Expression | None
    """What is under review; None for the output of the step before."""
    editable: bool
    assignees: tuple[str, ...]
    """Who gets a mail."""
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
    """A pause: of so long, or until a moment."""

    can_wait = True

    length: timedelta | None
    until: Template | None

    @property
    def longest_wait(self) -> timedelta:
        return self.length or timedelta(0)


@dataclass(frozen=True, slots=True)
class CodeSpec(StepSpec):
    """A function of the author's."""

    limits_itself = True

    language: CodeLanguage
    source: str
    input: tuple[tuple[str, Expression], ...] | None
    """None: `{input, vars, steps}`."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step is tried, and how long it pauses between: `backoff * factor ** n`, jittered by the engine."""

    max_attempts: int
    backoff: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    max_backoff: timedelta = timedelta(seconds=60)
    on_timeout: bool = False
    """Whether an attempt that ran out of time is worth another."""


@dataclass(frozen=True, slots=True)
class OnError:
    """What a step's failure does to the steps around it: it ends them, unless there is a way on."""

    goes_on: bool = False
    jump: Jump | None = None
    """Where to go on; None for the step behind it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step, defaults filled in."""

    id: str
    name: str
    type: StepType
    timeout: timedelta | None
    """Of one attempt; None where the parts have their own."""
    retry: Retry
    output_format: OutputFormat
    spec: StepSpec
    condition: Expression | None = None
    """`if`: the step is skipped where this is false."""
    on_error: OnError = OnError()
    on_condition: tuple[Case, ...] = ()
    """Looked at after the step; the first one that is true jumps."""

    @property
    def gives_text(self) -> bool:
        """Whether its output is text, which has no fields."""
        return self.spec.makes_text and self.output_format is not OutputFormat.JSON

    @property
    def sequences(self) -> tuple[tuple["Step", ...], ...]:
        """The steps inside it."""
        return self.spec.sequences
