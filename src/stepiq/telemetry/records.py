"""What a trace is built from: a run, its steps and their operations, as recorded."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from stepiq.core.json import Json
from stepiq.core.observability.trace_context import TraceParent

CONTENT_CHARACTERS = 8_192
"""Longest text of content that is exported. The rest is cut off, and also not read from the database."""
MESSAGES_CHARACTERS = 65_536
"""Longest JSON of the earlier turns of a call that is exported. Longer ones are left out."""


@dataclass(frozen=True, slots=True)
class ClaimedExport:
    """A run whose trace this process exports now."""

    run_id: UUID
    created_at: datetime
    """When the run was queued for the export."""


@dataclass(frozen=True, slots=True)
class TracedOperation:
    """A call of a step."""

    id: UUID
    step_row_id: UUID
    attempt: int
    number: int
    kind: str
    status: str
    starts: int
    error: dict[str, Json] | None
    outcome: str | None
    model: str | None
    reported_model: str | None
    paid_by: str | None
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    tokens_estimated: bool
    cost: dict[str, int] | None
    queued_at: datetime
    started_at: datetime | None
    first_piece_at: datetime | None
    ended_at: datetime | None
    method: Any
    url: Any
    temperature: Any
    max_tokens: Any
    """This and the three before it are members of the request, which another version can have recorded."""
    prompt: str | None = None
    """The beginning of the text; None without content, and if it is the prompt of the step."""
    system_prompt: str | None = None
    """As `prompt`."""
    messages: str | None = None
    """The earlier turns as JSON; None without content. Longer ones than `MESSAGES_CHARACTERS` are cut off."""
    answer: str | None = None
    """The beginning of the text; None without content, and if it is the output of the step."""


@dataclass(frozen=True, slots=True)
class TracedStep:
    """An execution of a step."""

    id: UUID
    step_id: str
    name: str
    type: str
    status: str
    branch: str
    iteration: int
    attempts: int
    is_reused: bool
    error: dict[str, Json] | None
    started_at: datetime | None
    completed_at: datetime | None
    prompt: str | None = None
    """The beginning of the text; None without content."""
    system_prompt: str | None = None
    output: str | None = None
    """The beginning of its JSON text; None without content."""
    operations: list[TracedOperation] = field(default_factory=list[TracedOperation])


@dataclass(frozen=True, slots=True)
class TracedRun:
    """A run that has ended."""

    id: UUID
    workspace_id: UUID
    pipeline_slug: str
    pipeline_version: int
    trigger_type: str
    status: str
    error: dict[str, Json] | None
    parent: TraceParent | None
    retry_of: UUID | None
    retried_parent: TraceParent | None
    """The span in which the retried run was started."""
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int
    cost_complete: bool
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime
    steps: list[TracedStep] = field(default_factory=list[TracedStep])
    """In the order in which they began."""
