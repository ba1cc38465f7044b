from uuid import UUID

import pytest

from stepiq.runs.streams.listeners import Streams
from stepiq.runs.streams.runs import Follower
from tests.support.clients import login, login_key
from tests.support.make_accounts import actor
from tests.support.teller import Teller

__all__ = ["login", "login_key"]


@pytest.fixture
def teller(database, changes):
    return Teller(database, changes)


@pytest.fixture
async def run_id(account, make) -> UUID:
    """A pending run without any events yet."""
    return await make.run(account, await make.pipeline(account))


@pytest.fixture
def streams(changes) -> Streams:
    return Streams(changes)


@pytest.fixture
def follow(database, streams, account):
    """Frames of a run for a listener who knows the events up to `last_seq`."""

    def follow(run_id: UUID, last_seq: int = 0):
        return Follower(
            database,
            streams,
            caller=actor(account),
            run_id=run_id,
            last_seq=last_seq,
        ).frames()

    return follow
