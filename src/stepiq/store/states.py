"""The states that rows can be in; check constraints in the schema list the same words."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Where a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended and will not change again."""
        return self in FINAL_RUN_STATUSES


FINAL_RUN_STATUSES = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


class StepStatus(StrEnum):
    """Where one execution of a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


FINAL_STEP_STATUSES = frozenset(
    {StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED}
)


class TriggerType(StrEnum):
    """What started a run: `manual` is a person's session, `api` a key."""

    MANUAL = "manual"
    API = "api"
    CRON = "cron"
    WEBHOOK = "webhook"
    RETRY = "retry"


class PipelineStatus(StrEnum):
    """Whether a pipeline can be triggered."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class TargetType(StrEnum):
    """How a delivery travels."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Overlap(StrEnum):
    """What a schedule does when its last run has not ended: start another one, or skip this tick."""

    ALLOW = "allow"
    SKIP = "skip"


class CatchUp(StrEnum):
    """What becomes of ticks that nobody was there for: nothing, or one run for the last of them."""

    NONE = "none"
    LAST = "last"


class TickOutcome(StrEnum):
    """What became of one tick of a schedule."""

    STARTED = "started"
    SKIPPED = "skipped"
    MISSED = "missed"


class ReviewDecision(StrEnum):
    """What a person said to a review."""

    APPROVE = "approve"
    REJECT = "reject"
