"""Maskers that runs share, and the threads that build them."""

import asyncio
import threading
from collections.abc import Mapping
from typing import ClassVar

import pytest

from stepiq.execution import run_secrets
from stepiq.execution.run_secrets import BUILT_AT_ONCE, Maskers
from stepiq.redaction.masking import Masker

pytestmark = pytest.mark.one_store

SMALL = {"TOKEN": "correct horse"}
LARGE = {"TOKEN": "0123456789" * (BUILT_AT_ONCE // 10 + 1)}


class Built(Masker):
    """Notes in which thread it was built."""

    threads: ClassVar[list[int]] = []

    def __init__(self, secrets: Mapping[str, str]) -> None:
        Built.threads.append(threading.get_ident())
        super().__init__(secrets)


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(Built, "threads", [])
    monkeypatch.setattr(run_secrets, "Masker", Built)
    return Built.threads


class TestMaskerOf:
    async def test_it_finds_the_secrets(self):
        masker = await Maskers().masker_of(SMALL)

        assert masker.text("a correct horse") == "a [secret:TOKEN]"

    async def test_a_large_one_does_not_hold_the_event_loop(self, threads: list[int]):
        await Maskers().masker_of(LARGE)

        assert threads != [threading.get_ident()]

    async def test_one_of_many_short_secrets_does_not_hold_the_event_loop(self, threads: list[int]):
        await Maskers().masker_of({f"KEY_{number}": f"{number:08}" for number in range(50)})

        assert threads != [threading.get_ident()]

    async def test_the_same_secrets_give_the_same_masker(self, threads: list[int]):
        known = Maskers()

        first, second = await known.masker_of(SMALL), await known.masker_of(dict(SMALL))

        assert first is second
        assert len(threads) == 1

    @pytest.mark.parametrize(
        "other",
        [{"TOKEN": "another horse"}, {"KEY": "correct horse"}, {**SMALL, "KEY": "12345678"}],
    )
    async def test_other_secrets_give_another_one(self, other: dict[str, str]):
        known = Maskers()

        assert await known.masker_of(SMALL) is not await known.masker_of(other)

    async def test_those_who_want_it_at_the_same_time_wait_for_one_thread(self, threads: list[int]):
        known = Maskers()

        first, second = await asyncio.gather(known.masker_of(LARGE), known.masker_of(LARGE))

        assert first is second
        assert len(threads) == 1

    async def test_one_that_is_cancelled_does_not_take_it_from_the_others(self, threads: list[int]):
        known = Maskers()
        cancelled = asyncio.create_task(known.masker_of(LARGE))
        waiting = asyncio.create_task(known.masker_of(LARGE))
        await asyncio.sleep(0)

        cancelled.cancel()

        assert (await waiting).text(LARGE["TOKEN"]) == "[secret:TOKEN]"
        assert len(threads) == 1

    async def test_those_used_last_are_kept_up_to_a_size(
        self, threads: list[int], monkeypatch: pytest.MonkeyPatch
    ):
        known = Maskers()
        others = [{"TOKEN": f"correct horse {number}"} for number in range(3)]
        size = (await known.masker_of(others[0])).size
        monkeypatch.setattr(run_secrets, "KEPT_SIZE", 2 * size)
        for secrets in others:
            await known.masker_of(secrets)
        threads.clear()

        await known.masker_of(others[2])
        await known.masker_of(others[1])
        assert threads == []

        await known.masker_of(others[0])
        assert len(threads) == 1

    async def test_one_in_use_is_shared_even_if_there_is_no_room_to_keep_it(
        self, threads: list[int], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(run_secrets, "KEPT_SIZE", 0)
        known = Maskers()
        used = await known.masker_of(LARGE)
        await known.masker_of(SMALL)

        assert await known.masker_of(LARGE) is used
