import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from stepiq.core.concurrency.fairness import Owner, OwnShare, act_for
from stepiq.core.http import SystemResolver


class System:
    """A name server: names that end with `.hang` get no answer, and `.unknown` ones have no address."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.running = 0
        self.answers = threading.Event()
        self._lock = threading.Lock()

    def getaddrinfo(
        self, host: str, *_args: object, **_options: object
    ) -> list[tuple[object, ...]]:
        with self._lock:
            self.calls[host] += 1
            self.running += 1
        if host.endswith(".hang"):
            self.answers.wait(10)
        with self._lock:
            self.running -= 1
        if host.endswith(".unknown"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    system = System()
    monkeypatch.setattr(socket, "getaddrinfo", system.getaddrinfo)
    yield system
    system.answers.set()


async def until_running(system: System, number: int) -> None:
    """Wait until so many look-ups run; fails if it is another number."""
    with suppress(TimeoutError):
        async with asyncio.timeout(20):
            while system.running < number:  # noqa: ASYNC110 - threads have no event
                await asyncio.sleep(0.01)
    assert system.running == number


def look_up(resolver: SystemResolver, owner: Owner, *hosts: str) -> list[asyncio.Task[object]]:
    async def resolve(host: str) -> object:
        act_for(owner)
        return await resolver.resolve(host)

    return [asyncio.create_task(resolve(host)) for host in hosts]


def hanging(owner: str, count: int) -> list[str]:
    return [f"{owner}-{index}.hang" for index in range(count)]


class TestSystemResolver:
    async def test_it_asks_the_system(self):
        assert "127.0.0.1" in await SystemResolver().resolve("localhost")

    async def test_what_the_system_does_not_know_is_an_error(self, system: System):
        with pytest.raises(OSError, match="unknown"):
            await SystemResolver().resolve("a.unknown")

    async def test_each_caller_gets_an_error_of_its_own(self, system: System):
        resolver = SystemResolver()
        errors: list[OSError] = []
        for _ in range(2):
            with pytest.raises(OSError, match="unknown") as raised:
                await resolver.resolve("a.unknown")
            errors.append(raised.value)

        assert system.calls["a.unknown"] == 1
        assert errors[0] is not errors[1]
        kept = resolver._known("a.unknown")
        assert isinstance(kept, socket.gaierror)
        assert kept.__traceback__ is None

    async def test_without_a_thread_the_lookup_fails(
        self, system: System, monkeypatch: pytest.MonkeyPatch
    ):
        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        resolver = SystemResolver()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(OSError, match="no thread"):
                await resolver.resolve("a.example")

        assert await resolver.resolve("b.example") == ["127.0.0.1"]


class TestShares:
    async def test_names_that_hang_delay_only_their_owner(self, system: System):
        resolver = SystemResolver()
        waiting = look_up(resolver, "hostile", *hanging("hostile", 100))
        await until_running(system, 8)

        (bystander,) = look_up(resolver, "bystander", "a.example")

        assert await asyncio.wait_for(bystander, 5) == ["127.0.0.1"]
        assert system.running == 8
        system.answers.set()
        assert await asyncio.gather(*waiting) == [["127.0.0.1"]] * 100

    async def test_twenty_owners_whose_names_hang_leave_places_for_others(self, system: System):
        resolver = SystemResolver()
        waiting = [
            task
            for number in range(20)
            for task in look_up(resolver, f"h{number}", *hanging(f"h{number}", 20))
        ]
        # Four take their whole share, and the others one place each of the reserve.
        await until_running(system, 4 * 8 + 16)

        (bystander,) = look_up(resolver, "bystander", "a.example")

        assert await asyncio.wait_for(bystander, 5) == ["127.0.0.1"]
        system.answers.set()
        await asyncio.gather(*waiting)

    async def test_other_work_of_a_workspace_has_the_same_share(self, system: System):
        resolver = SystemResolver()
        waiting = look_up(resolver, "a", *hanging("a", 8))
        await until_running(system, 8)

        (later,) = look_up(resolver, OwnShare("deliveries", "a"), "a.example")
        (bystander,) = look_up(resolver, "b", "b.example")

        assert await asyncio.wait_for(bystander, 5) == ["127.0.0.1"]
        assert system.calls["a.example"] == 0
        system.answers.set()
        await asyncio.gather(*waiting, later)

    async def test_a_lookup_keeps_its_place_when_its_caller_has_gone(self, system: System):
        resolver = SystemResolver()
        gone = look_up(resolver, "a", *hanging("a", 8))
        await asyncio.sleep(0)
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)

        (waiting,) = look_up(resolver, "a", "a.example")
        (later,) = look_up(resolver, "b", "b.example")

        assert await asyncio.wait_for(later, 5) == ["127.0.0.1"]
        assert system.calls["a.example"] == 0
        assert not waiting.done()
        system.answers.set()
        assert await waiting == ["127.0.0.1"]


class TestKept:
    async def test_addresses_are_kept_for_half_a_minute(self, system: System):
        seconds = 0.0
        resolver = SystemResolver(now=lambda: seconds)
        await resolver.resolve("a.example")
        seconds = 29
        await resolver.resolve("a.example")
        assert system.calls["a.example"] == 1

        seconds = 31
        await resolver.resolve("a.example")

        assert system.calls["a.example"] == 2

    async def test_failures_are_kept_for_two_seconds(self, system: System):
        seconds = 0.0
        resolver = SystemResolver(now=lambda: seconds)
        with pytest.raises(OSError, match="unknown"):
            await resolver.resolve("a.unknown")
        seconds = 1.9
        with pytest.raises(OSError, match="unknown"):
            await resolver.resolve("a.unknown")
        assert system.calls["a.unknown"] == 1

        seconds = 2.1
        with pytest.raises(OSError, match="unknown"):
            await resolver.resolve("a.unknown")

        assert system.calls["a.unknown"] == 2

    async def test_a_thousand_names_are_kept(self, system: System):
        resolver = SystemResolver(now=lambda: 0.0)
        for name in [*range(1_001), 1_000, 0]:
            await resolver.resolve(f"{name}.example")

        assert [system.calls[f"{name}.example"] for name in (0, 2, 1_000)] == [2, 1, 1]

    async def test_callers_share_a_lookup_of_the_same_name(self, system: System):
        resolver = SystemResolver()
        first, second, third = (look_up(resolver, owner, "a.hang")[0] for owner in "abc")
        await asyncio.sleep(0)
        first.cancel()
        system.answers.set()

        assert await asyncio.gather(second, third) == [["127.0.0.1"]] * 2
        assert system.calls["a.hang"] == 1

    async def test_a_name_that_was_found_while_its_caller_waited_is_not_looked_up_again(
        self, system: System
    ):
        resolver = SystemResolver()
        waiting = look_up(resolver, "a", *hanging("a", 8), "b.example", "b.example")
        await asyncio.sleep(0)
        await asyncio.gather(*look_up(resolver, "b", "b.example"))

        system.answers.set()
        await asyncio.gather(*waiting)

        assert system.calls["b.example"] == 1
