from datetime import timedelta

import pytest

from stepiq.core import clock
from stepiq.execution.interpreter.run_context import sleep_until


def test_a_moment_that_has_passed_is_not_waited_for():
    waiting = sleep_until(clock.now() - timedelta(seconds=1))

    # It would give way to the event loop in order to wait.
    with pytest.raises(StopIteration):
        waiting.send(None)
