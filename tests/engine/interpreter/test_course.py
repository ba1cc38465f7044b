from datetime import timedelta

from stepiq.core import clock
from stepiq.engine.interpreter.course import sleep_until


async def test_a_moment_that_has_passed_is_not_waited_for():
    moment = clock.now() - timedelta(seconds=1)

    await sleep_until(moment)

    assert clock.now() > moment
