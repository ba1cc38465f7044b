"""The parent of several processes: starts, replaces and stops them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

pytestmark = pytest.mark.one_store


@asynccontextmanager
async def divided(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-m", "tests.support.children", *arguments]
    parent = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        yield parent
    finally:
        with suppress(ProcessLookupError):
            parent.terminate()
        await parent.wait()


async def child(parent: asyncio.subprocess.Process) -> dict[str, Any]:
    """The next child that is ready."""
    assert parent.stdout is not None
    return json.loads(await asyncio.wait_for(parent.stdout.readline(), 60))


class TestParent:
    async def test_children_share_one_socket_and_only_one_is_first(self):
        async with divided("3") as parent:
            children = [await child(parent) for _ in range(3)]

        assert {each["number"] for each in children} == {1, 2, 3}
        assert len({each["pid"] for each in children}) == 3
        assert len({each["port"] for each in children}) == 1
        assert [each["is_first"] for each in children] == [True, False, False]

    async def test_a_killed_child_is_replaced_by_one_with_its_number(self):
        async with divided("2") as parent:
            children = [await child(parent) for _ in range(2)]
            os.kill(children[0]["pid"], signal.SIGKILL)
            replacement = await child(parent)

        assert replacement["number"] == children[0]["number"]
        assert replacement["pid"] != children[0]["pid"]
        assert not replacement["is_first"]

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_a_signal_stops_all_children_and_then_the_parent(self, number: signal.Signals):
        async with divided("2") as parent:
            children = [await child(parent) for _ in range(2)]
            parent.send_signal(number)

            assert await asyncio.wait_for(parent.wait(), 60) == 0
            for each in children:
                with pytest.raises(ProcessLookupError):
                    os.kill(each["pid"], 0)

    async def test_a_server_that_cannot_start_ends_with_the_code_of_its_first_child(self):
        async with divided("2", "fail") as parent:
            assert await asyncio.wait_for(parent.wait(), 60) == 3
