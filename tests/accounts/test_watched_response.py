import pytest
from structlog.testing import capture_logs

from stepiq.accounts.authentication.expiry import ExpiryWatch, WatchedResponse
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from tests.support.make_accounts import actor


@pytest.mark.one_store
class TestWatchedResponse:
    async def test_the_line_of_the_request_says_why_it_ended(
        self, app, client, database, make, account
    ):
        opened = await make.session(account)
        watch = ExpiryWatch(database, interval_seconds=3_600)

        async def parts():
            yield b"first"
            async with database.transaction() as session:
                await session_queries.end_all(session, account.id, clock.now())
            await watch.check()

        async def answer():
            caller = actor(account, session_id=opened.session_id)
            return WatchedResponse(parts(), caller, watch)

        app.add_api_route("/watched", answer)
        with capture_logs() as logs:
            response = await client.get("/watched")
        await watch.close()

        (line,) = [each for each in logs if each["event"] == "request"]
        assert response.text == "first"
        assert (line["status"], line["code"]) == (200, "credential_invalid")
