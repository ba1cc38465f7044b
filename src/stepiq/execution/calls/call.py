"""One call in progress, and the chain that it goes through."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import httpx2

from stepiq.core.json import SerializedJson
from stepiq.execution.calls.requests import AskPerson, Request
from stepiq.execution.dependencies import Dependencies
from stepiq.execution.records.run import ClaimedRun, Operation, StepRecord
from stepiq.execution.run_secrets import RunSecrets
from stepiq.language.definitions.step import Step
from stepiq.providers.base import Model


class AddLogLine(Protocol):
    """Adds a line to the log of a step."""

    def __call__(self, level: str, message: str, *, is_masked: bool = False) -> None:
        """Add a line. Secrets in it are masked, unless the caller has done so."""
        ...


@dataclass(slots=True)
class Call:
    """One call of a step. Interceptors fill in what later ones need."""

    request: Request[Any]
    number: int
    """Counts the calls of an attempt from 1."""
    run: ClaimedRun
    step: Step
    record: StepRecord
    secrets: RunSecrets
    dependencies: Dependencies
    begin: Callable[["Call"], Awaitable[None]]
    """Records the beginning of the call, and of the attempt if it is its first. Returns when both are written."""
    save: Callable[[], Awaitable[None]]
    """Writes the step as it is now."""
    note: AddLogLine
    """Adds a line to the step's log."""
    stream_text: Callable[[str], None]
    """Sends a piece of text to the run's listeners."""
    announce: Callable[[AskPerson], None]
    """Adds the event that a review is requested. Its message is masked."""
    earlier: list["Call"]
    """Calls of the same attempt whose replies are not recorded yet."""
    is_new_question: bool
    """Whether the step has not asked its question yet."""
    described: SerializedJson | None = None
    """The request as it is recorded; None if it is not recorded."""
    request_hash: str | None = None
    """See `payloads.of_request`; None if the request is not recorded."""
    prompts: tuple[str | None, ...] = ()
    """The masked prompts of a model call."""
    operation: Operation = field(init=False)
    reply: Any = None
    model: Model | None = None
    """The model to call, which `policy` chooses."""
    permit: Callable[[httpx2.URL], None] | None = None
    """Raises for a URL to which a secret of the request must not be sent."""

    @property
    def attempt(self) -> int:
        """Counts the attempts of the step from 1. A crash does not begin a new one."""
        return self.record.failures + 1

    @property
    def key(self) -> str:
        """The idempotency key, the same for all attempts and after a crash: `run:step[:branch]:iteration[:number]`."""
        record = self.record
        parts = [str(self.run.id), record.step_id, record.branch, str(record.iteration)]
        if self.number > 1:
            parts.append(str(self.number))
        return ":".join(part for part in parts if part)

    @property
    def workspace_id(self) -> UUID:
        return self.run.workspace_id


Following = Callable[[Call], Awaitable[Any]]
"""The rest of the chain: performs the call and returns the reply."""
Interceptor = Callable[[Call, Following], Awaitable[Any]]


def chained(interceptors: Sequence[Interceptor], perform: Following) -> Following:
    """A function that sends a call through all interceptors in order, and then performs it."""
    for interceptor in reversed(interceptors):
        perform = partial(_through, interceptor, perform)
    return perform


async def _through(interceptor: Interceptor, following: Following, call: Call) -> Any:
    return await interceptor(call, following)
