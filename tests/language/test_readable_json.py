"""JSON for people."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from stepiq.language import offload, readable_json
from tests.language.conftest import Held

SMALL = {"n": 1.0, "id": 2**70, "t": "ü", "list": [[], {}, None, True]}


class Watched(dict[str, Any]):
    """An object that notes the threads that read it."""

    def __init__(self) -> None:
        super().__init__(a=1)
        self.threads: list[str] = []

    def items(self) -> Any:
        self.threads.append(threading.current_thread().name)
        return super().items()


class TestRender:
    @pytest.mark.parametrize("value", [None, "a\n", SMALL, [SMALL] * 100])
    async def test_it_has_line_breaks_and_exact_numbers(self, value: Any):
        rendered = await readable_json.render(value)

        assert rendered == json.dumps(value, ensure_ascii=False, indent=2)

    async def test_only_its_beginning_is_rendered(self):
        end = Watched()

        rendered = await readable_json.render([*range(10_000), end], 20_000)

        assert json.dumps(list(range(10_000)), indent=2).startswith(rendered)
        assert 20_000 < len(rendered) < 20_100
        assert end.threads == []

    @pytest.mark.parametrize(("before", "thread"), [(10, "MainThread"), (10_000, "offload")])
    async def test_a_large_one_is_rendered_in_a_thread(self, before: int, thread: str):
        end = Watched()

        await readable_json.render([*range(before), end])

        assert end.threads == [thread]

    async def test_it_does_not_wait_for_other_work_of_its_owner(self, held: Callable[[], Held]):
        hold = held()
        running = asyncio.create_task(offload.compute(hold.compute))
        await hold.begun.wait()

        rendered = await readable_json.render([*range(10_000)])

        assert rendered == json.dumps([*range(10_000)], indent=2)
        hold.done.set()
        await running
