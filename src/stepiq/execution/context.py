"""The context that the handler of a step receives."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from stepiq.core.json import Json
from stepiq.execution.calls.requests import (
    AskPerson,
    CallHttp,
    CallModel,
    HttpReply,
    ModelReply,
    Request,
    RunCode,
)
from stepiq.execution.outcomes import ReviewResult
from stepiq.execution.records.run import ClaimedRun
from stepiq.execution.run_secrets import RunSecrets
from stepiq.language.definitions.step import Step

R = TypeVar("R")


class Send(Protocol):
    """Sends a request through the chain of interceptors, and returns its reply."""

    async def __call__(self, request: Request[R], /) -> R: ...


@dataclass(frozen=True, slots=True)
class StepContext:
    """One execution of a step, for its handler: what it may read, and its only way out of the process.

    A handler is called again after a crash or a wait. Calls that were completed before return their recorded replies.
    Therefore, the requests of a handler may only depend on the context, the replies, and nothing else.
    """

    run: ClaimedRun
    step: Step
    scope: dict[str, Json]
    """The names that templates and expressions may use."""
    previous: Json
    """Output of the previous step."""
    started_at: datetime
    """When the step first started, also after a crash."""
    secrets: RunSecrets
    note: Callable[[str, str], None]
    """Add a line to the step's log: level, message. Written with the next write."""
    send: Send

    @property
    def sending_scope(self) -> dict[str, Json]:
        """See `RunSecrets.sending`."""
        return self.secrets.sending(self.scope)

    async def model(self, request: CallModel) -> ModelReply:
        """Call a model once, and stream its text.

        Raises:
            OperationFailed: the model is not available, did not answer, or needs more credits than are left.
        """
        return await self.send(request)

    async def http(self, request: CallHttp) -> HttpReply:
        """Send an HTTP request once. A response with an error status is returned like any other.

        Raises:
            OperationFailed: the server did not respond, or the URL is blocked.
        """
        return await self.send(request)

    async def sandbox(self, request: RunCode) -> Json:
        """Run code in the sandbox, and return what its `main` returns.

        Raises:
            OperationFailed: the code failed, or exceeded a limit.
        """
        return await self.send(request)

    async def ask(self, request: AskPerson) -> ReviewResult:
        """Ask a person. The run is parked until the answer, and then the handler is called again.

        At the top level of a pipeline only, and at most once in each execution of a step.

        Raises:
            RuntimeError: the handler asks a second question.
        """
        return await self.send(request)
