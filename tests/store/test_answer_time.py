import asyncio

import pytest

from stepiq.store.connections import waiting as answer_time


@pytest.fixture(autouse=True)
def patience() -> None:
    """Keep the limit of the server."""


class TestAnswerTime:
    async def test_a_slow_machine_does_not_use_it_all(self):
        with answer_time.answering() as request:
            request.spend(60)

            assert request.left == 0.5

    async def test_a_stream_may_read_for_as_long_as_it_likes(self):
        with answer_time.answering() as request:
            request.end()
            request.spend(60)

            assert answer_time.current().left == 3.5

    async def test_a_task_that_outlives_its_request_has_the_whole_limit(self):
        may_ask = asyncio.Event()

        async def left_later() -> float:
            await may_ask.wait()
            answer_time.current().spend(60)
            return answer_time.current().left

        with answer_time.answering():
            task = asyncio.create_task(left_later())
            await asyncio.sleep(0)
        may_ask.set()

        assert await task == 3.5

    async def test_outside_of_requests_each_transaction_has_it(self):
        answer_time.current().spend(60)

        assert answer_time.current().left == 3.5
