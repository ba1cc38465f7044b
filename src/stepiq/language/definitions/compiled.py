"""A compiled definition, which the engine runs. Everything in it is validated."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from stepiq.language.definitions.inputs import InputSchema
from stepiq.language.definitions.step import Step
from stepiq.language.definitions.targets import (
    ApiTarget,
    DeliveryTarget,
    EmailTarget,
    NotificationTarget,
    ScheduleSpec,
    VerifySpec,
    WebhookTarget,
)

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Definition:
    """A whole pipeline."""

    name: str
    description: str
    variables: dict[str, Scalar]
    input: InputSchema
    steps: tuple[Step, ...]
    timeout: timedelta
    """Limit of the whole run, waits included."""
    output_from: str | None
    """Id of the step whose output is the run's; None for the last one that ran."""
    secret_names: frozenset[str]
    """Every `NAME` that a template reads as `env.NAME`, in targets too."""
    deliver: tuple[DeliveryTarget, ...] = ()
    """Recipients of the output of a completed run."""
    on_success: tuple[NotificationTarget, ...] = ()
    on_failure: tuple[NotificationTarget, ...] = ()
    schedule: ScheduleSpec | None = None
    webhook_verify: VerifySpec | None = None
    """The signature that an inbound webhook needs in addition to the API key."""

    @property
    def every_step(self) -> Iterator[Step]:
        """All steps, nested ones included, each before those inside it."""
        return every_step(self.steps)

    @property
    def step_count(self) -> int:
        """Number of steps, nested ones included; plans limit this number."""
        return sum(1 for _ in self.every_step)

    @property
    def signing_secret_names(self) -> frozenset[str]:
        """Every secret that signs a delivery or verifies an inbound webhook. Templates need not read it."""
        targets = (*self.deliver, *self.on_success, *self.on_failure)
        names = {
            target.signing_secret_name
            for target in targets
            if isinstance(target, WebhookTarget) and target.signing_secret_name is not None
        }
        if self.webhook_verify is not None:
            names.add(self.webhook_verify.secret_name)
        return frozenset(names)

    @property
    def has_webhook_target(self) -> bool:
        """Whether the end of a run is sent to another system."""
        targets = (*self.deliver, *self.on_success, *self.on_failure)
        return any(isinstance(target, WebhookTarget) for target in targets)

    @property
    def sends_mail(self) -> bool:
        """Whether its runs send email: at their end, or to the assignees of a review."""
        targets = (*self.deliver, *self.on_success, *self.on_failure)
        return any(isinstance(target, EmailTarget) for target in targets) or any(
            step.spec.sends_mail for step in self.every_step
        )

    @property
    def answers_caller(self) -> bool:
        """Whether the call that starts a run waits for its end."""
        return any(isinstance(target, ApiTarget) for target in self.deliver)


def every_step(steps: tuple[Step, ...]) -> Iterator[Step]:
    """These steps and those inside them, each before those inside it."""
    for step in steps:
        yield step
        for sequence in step.sequences:
            yield from every_step(sequence)
