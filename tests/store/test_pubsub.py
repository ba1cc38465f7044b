import asyncio
from uuid import UUID

import pytest

from stepiq.store.pubsub import Change, LocalChanges, Subscription, run_topic


async def _heard(subscription: Subscription, number: int) -> list[object]:
    return [(await subscription.next()).payload for _ in range(number)]


class TestLocalChanges:
    async def test_a_listener_hears_its_topic_in_order_and_no_other(self):
        changes = LocalChanges()

        async with changes.subscribe("mine") as subscription:
            for number in range(3):
                changes.publish("other", -number)
                changes.publish("mine", number)

            assert await _heard(subscription, 3) == [0, 1, 2]

    async def test_every_listener_hears_everything(self):
        changes = LocalChanges()

        async with changes.subscribe("t") as one, changes.subscribe("t") as another:
            changes.publish("t", "news")

            assert await one.next() == await another.next() == Change("t", "news")

    async def test_a_waiting_listener_is_woken(self):
        changes = LocalChanges()

        async with changes.subscribe("t") as subscription:
            waiting = asyncio.create_task(subscription.next())
            await asyncio.sleep(0)
            changes.publish("t", "news")

            assert (await waiting).payload == "news"

    async def test_what_came_before_is_not_heard(self):
        changes = LocalChanges()
        changes.publish("t", "before")

        async with changes.subscribe("t") as subscription:
            changes.publish("t", "after")

            assert (await subscription.next()).payload == "after"

    async def test_nobody_is_left_behind_when_listeners_go(self):
        changes = LocalChanges()

        async with changes.subscribe("t"), changes.subscribe("u"):
            pass
        with pytest.raises(ZeroDivisionError):
            async with changes.subscribe("t"):
                raise ZeroDivisionError
        changes.publish("t", "unheard")

        assert not changes._listeners

    async def test_one_that_goes_does_not_take_the_others_with_it(self):
        changes = LocalChanges()

        async with changes.subscribe("t") as staying:
            async with changes.subscribe("t"):
                pass
            changes.publish("t", "news")

            assert (await staying.next()).payload == "news"


class TestSubscription:
    def test_a_full_backlog_is_nothing_missed(self):
        subscription = Subscription()

        for number in range(1_000):
            subscription.offer(Change("t", number))

        assert not subscription.missed

    async def test_one_more_drops_the_oldest_and_says_so(self):
        subscription = Subscription()

        for number in range(1_001):
            subscription.offer(Change("t", number))

        assert subscription.missed
        assert (await subscription.next()).payload == 1


class TestRunTopic:
    def test_each_run_has_its_own(self):
        assert run_topic(UUID(int=1)) != run_topic(UUID(int=2))


class TestHear:
    async def test_an_action_has_heard_before_publish_returns(self):
        changes = LocalChanges()
        heard: list[object] = []
        changes.call_on("t", heard.append)

        changes.publish("t", 1)
        changes.publish("other", 2)

        assert heard == [1]
