"""The states that rows can be in; check constraints in the schema list the same words."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Status of a run."""

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
    """Status of an execution of a step."""

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


class OperationKind(StrEnum):
    """Kind of a call that a step makes out of the process."""

    MODEL_CALL = "model_call"
    HTTP_CALL = "http_call"
    CODE = "code"
    ASK_PERSON = "ask_person"


class OperationStatus(StrEnum):
    """Status of an operation."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TriggerType(StrEnum):
    """How a run was started: `manual` by a person's session, `api` by an API key."""

    MANUAL = "manual"
    API = "api"
    CRON = "cron"
    WEBHOOK = "webhook"
    RETRY = "retry"


class CallerType(StrEnum):
    """What started a run, or retried one."""

    USER = "user"
    """A user with a session."""
    API_KEY = "api_key"
    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    """An inbound webhook with an API key."""


FIRST_DRAFT_VERSION = 2**30
"""Versions with this number or a higher one are texts of drafts that were run. They are not versions of the pipeline."""


def is_draft_version(number: int) -> bool:
    """Whether the number is that of a draft that was run."""
    return number >= FIRST_DRAFT_VERSION


class BulkAction(StrEnum):
    """What a bulk job does with its runs."""

    CANCEL = "cancel"
    RETRY = "retry"


class BulkStatus(StrEnum):
    """Status of a bulk job."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in {BulkStatus.COMPLETED, BulkStatus.CANCELLED}


class BulkItemStatus(StrEnum):
    """Result of one run of a bulk job."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class ManagedBy(StrEnum):
    """What changes a pipeline instead of people."""

    GIT = "git"
    """`stepiq apply`, from files in a repository."""


class PipelineStatus(StrEnum):
    """Whether a pipeline can be run."""

    ACTIVE = "active"
    PAUSED = "paused"
    """No new runs can start until it is resumed. In the table, such a row is active and has `paused_at`."""
    ARCHIVED = "archived"


class TargetType(StrEnum):
    """Kind of a delivery target."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class DeliveryStatus(StrEnum):
    """Status of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Overlap(StrEnum):
    """What a tick does if the schedule's last run is active: start another run, or skip."""

    ALLOW = "allow"
    SKIP = "skip"


class CatchUp(StrEnum):
    """What happens to ticks missed during downtime: nothing, or one run for the last one."""

    NONE = "none"
    LAST = "last"


class TickOutcome(StrEnum):
    """The result of one tick of a schedule."""

    STARTED = "started"
    SKIPPED = "skipped"
    MISSED = "missed"


class ReviewDecision(StrEnum):
    """A reviewer's decision."""

    APPROVE = "approve"
    REJECT = "reject"


class Role(StrEnum):
    """What a member may do in a workspace. Each role includes those before it."""

    VIEWER = "viewer"
    """Reads everything except the text of secrets. Can decide reviews that name this person as an assignee."""
    OPERATOR = "operator"
    """Starts, cancels and retries runs, and decides reviews."""
    EDITOR = "editor"
    """Changes pipelines, schedules and secrets."""
    ADMIN = "admin"
    """Manages the members, invitations and service keys, and reads the audit log."""
    OWNER = "owner"
    """Makes other members owners, and deletes the workspace."""


class KeyKind(StrEnum):
    """What an API key acts as."""

    PERSONAL = "personal"
    """A member: the key can do what its scopes and the role of the member allow."""
    SERVICE = "service"
    """The workspace: the key can do what its scopes allow, whoever is a member."""


class DeviceLoginStatus(StrEnum):
    """Status of a login with a code."""

    PENDING = "pending"
    """It is neither confirmed nor refused."""
    APPROVED = "approved"
    """A person has confirmed it. The program can fetch its key."""
    DENIED = "denied"
    """A person has refused it."""
    USED = "used"
    """The program has its key."""
