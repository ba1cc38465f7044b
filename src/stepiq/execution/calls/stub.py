"""Answers calls with given results, in tests of pipelines."""

from typing import Any

from stepiq.core import clock
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import AskPerson, CallModel, OperationFailed
from stepiq.execution.outcomes import Failed, Outcome, ReviewResult
from stepiq.execution.stubs import Stubs


class Given(BaseException):
    """The test gives the result of the whole step, not the reply to one call. Not an `Exception`; see `Suspended`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


async def stub(call: Call, following: Following) -> Any:
    """Return a given answer, or raise a given result; without stubs, go on."""
    stubs, request = call.dependencies.stubs, call.request
    if stubs is None:
        return await following(call)
    if isinstance(request, AskPerson):
        await call.begin(call)
        return _answer(call, request, stubs)
    outcome = stubs.outcome(call.step, call.record.branch)
    if outcome is None:
        return await following(call)
    if isinstance(request, CallModel):
        # No model is called, so no key is needed.
        call.record.model = request.model
    await call.begin(call)
    raise Given(outcome)


def _answer(call: Call, request: AskPerson, stubs: Stubs) -> ReviewResult:
    given = stubs.decision(call.step)
    if isinstance(given, Failed):
        raise OperationFailed(given)
    if given.decision is None:
        return ReviewResult(request.input, None, None, None, request.until)
    output = request.input if given.edited is None else given.edited[0]
    return ReviewResult(output, given.decision, given.comment, "test", clock.now())
