"""How one execution of a step ends, as a value."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from stepiq.core.json import Json


class FailureCode(StrEnum):
    """Why a step or a run failed: part of the API, explained in `docs/errors.md`."""

    TEMPLATE_UNRESOLVED = "template_unresolved"
    """A template names something that is not there at run time."""
    OUTPUT_INVALID = "output_invalid"
    """A model's answer is not the JSON that the step asks for, even after being told so once."""
    OUTPUT_TOO_LARGE = "output_too_large"
    """An output exceeds 1 MiB, or all outputs of the run exceed 16 MiB."""
    STEP_TIMEOUT = "step_timeout"
    """One attempt took longer than the step's `timeout_seconds`."""
    RUN_TIMEOUT = "run_timeout"
    """The run took longer than the pipeline's `timeout_seconds`."""
    PROVIDER_AUTH = "provider_auth"
    """The provider refused the key, or none is set."""
    PROVIDER_RATE_LIMITED = "provider_rate_limited"
    """The provider kept answering 429."""
    PROVIDER_ERROR = "provider_error"
    """The provider failed or could not be reached."""
    MODEL_UNKNOWN = "model_unknown"
    """No provider offers a model of that name."""
    SECRET_MISSING = "secret_missing"  # noqa: S105 - a code, not a credential
    """A template names a secret that is not stored."""
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a code, not a credential
    """A stored secret cannot be opened with the master keys that the server has; it stays stored."""
    INTERNAL = "internal"
    """A fault of stepIQ itself; the server's log has the details."""


@dataclass(frozen=True, slots=True)
class Completed:
    """The step did what it is for."""

    output: Json


@dataclass(frozen=True, slots=True)
class Failed:
    """The step could not do it."""

    code: FailureCode
    message: str
    """Fit for the run's owner: what happened, where, what to do; never a secret."""
    is_retryable: bool = False
    """Whether trying again may help: network, 408, 429, 5xx, and timeouts where the step says so."""
    retry_after: timedelta | None = None
    """How long the other side asked to wait."""


Outcome = Completed | Failed
