from contextlib import ExitStack

from stepiq.accounts.authentication.expiry import ExpiryWatch
from stepiq.accounts.queries import keys as key_queries
from tests.support.make_accounts import actor


class TestCheck:
    async def test_a_response_that_ends_during_a_check_is_left_alone(
        self, database, account, monkeypatch
    ):
        watch, ended = ExpiryWatch(database, interval_seconds=3_600), []
        read = key_queries.live_ids
        with ExitStack() as response:
            response.enter_context(watch.watching(actor(account), lambda: ended.append(True)))

            async def ending(*asked):
                response.close()
                return await read(*asked)

            monkeypatch.setattr(key_queries, "live_ids", ending)
            await watch.check()
        await watch.close()

        assert ended == []
