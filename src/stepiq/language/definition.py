"""A compiled definition: what the engine runs. Everything in it has been checked."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from stepiq.core.json import Json
from stepiq.language.inputs import InputSchema
from stepiq.language.schemas import Schema
from stepiq.language.targets import (
    ApiTarget,
    DeliveryTarget,
    NotificationTarget,
    ScheduleSpec,
    VerifySpec,
    WebhookTarget,
)
from stepiq.language.templates import Template

Scalar = str | int | float | bool | None


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
class LlmSpec:
    """One question to a model."""

    prompt: Template
    system_prompt: Template | None = None
    model: str | None = None
    """As written; None leaves the choice to the server."""
    temperature: float | None = None
    max_tokens: int | None = None
    output_schema: dict[str, Json] | None = None
    """As written, for the provider."""
    output_validator: Schema | None = None
    """Present with `output_schema`: tells what is wrong with an answer."""


@dataclass(frozen=True, slots=True)
class TransformSpec:
    """Text made from a template."""

    template: Template


StepSpec = LlmSpec | TransformSpec


@dataclass(frozen=True, slots=True)
class Step:
    """One step, defaults filled in."""

    id: str
    name: str
    type: StepType
    timeout: timedelta
    """Of one attempt."""
    retry: Retry
    output_format: OutputFormat
    spec: StepSpec

    @property
    def is_pure(self) -> bool:
        """Whether the step only computes: it may be run twice without anybody noticing."""
        return self.type is StepType.TRANSFORM


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole pipeline."""

    name: str
    description: str
    variables: dict[str, Scalar]
    input: InputSchema
    steps: tuple[Step, ...]
    timeout: timedelta
    """Of the whole run, waiting included."""
    output_from: str | None
    """Id of the step whose output is the run's; None for the last one that ran."""
    secret_names: frozenset[str]
    """Every `NAME` that a template, also of a target, reads as `env.NAME`."""
    deliver: tuple[DeliveryTarget, ...] = ()
    """Who gets the output of a completed run."""
    on_success: tuple[NotificationTarget, ...] = ()
    on_failure: tuple[NotificationTarget, ...] = ()
    schedule: ScheduleSpec | None = None
    webhook_verify: VerifySpec | None = None
    """What an inbound webhook must prove beside the key."""

    @property
    def signing_secret_names(self) -> frozenset[str]:
        """Every secret that signs a delivery or checks an inbound webhook. No template needs to read it."""
        targets = (*self.deliver, *self.on_success, *self.on_failure)
        names = {t.signing_secret_name for t in targets if isinstance(t, WebhookTarget)}
        if self.webhook_verify is not None:
            names.add(self.webhook_verify.secret_name)
        return frozenset(names)

    @property
    def has_webhook_target(self) -> bool:
        """Whether the end of a run is told to another system."""
        targets = (*self.deliver, *self.on_success, *self.on_failure)
        return any(isinstance(target, WebhookTarget) for target in targets)

    @property
    def answers_caller(self) -> bool:
        """Whether the call that starts a run waits for its end."""
        return any(isinstance(target, ApiTarget) for target in self.deliver)
