"""The chain of interceptors that every call goes through, in this order."""

from stepiq.execution.calls import budget
from stepiq.execution.calls.call import chained
from stepiq.execution.calls.mask import mask
from stepiq.execution.calls.perform import perform
from stepiq.execution.calls.policy import policy
from stepiq.execution.calls.record import record
from stepiq.execution.calls.replay import replay
from stepiq.execution.calls.stub import stub

CHAIN = chained((mask, replay, stub, policy, budget.ask, record, budget.secure), perform)
