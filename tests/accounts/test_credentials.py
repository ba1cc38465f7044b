"""Sessions of the caller, and rolling of API keys."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from stepiq.accounts.actor import Scope
from stepiq.core import clock
from tests.support.clients import login, login_key
from tests.support.make_accounts import PASSWORD

__all__ = ["login", "login_key"]


async def works(app, key):
    transport = httpx2.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/api/pipelines", headers={"X-API-Key": key})
    return answer.status_code == 200


class TestSessions:
    @pytest.mark.both_stores
    async def test_own_sessions_are_listed_and_one_is_ended(self, owner, login, account, stranger):
        other = await login(account)
        await login(stranger)

        found = (await owner.get("/api/user/sessions")).json()["data"]
        (ended,) = [each for each in found if not each["is_current"]]
        answer = await owner.delete(f"/api/user/sessions/{ended['id']}")

        assert len(found) == 2
        assert found[0].keys() == {
            "id",
            "created_at",
            "last_used_at",
            "client",
            "device",
            "expires_at",
            "is_current",
        }
        assert answer.json() == {"id": ended["id"], "deleted": True}
        assert (await other.get("/api/user/me")).status_code == 401
        assert (await owner.get("/api/user/me")).status_code == 200
        assert len((await owner.get("/api/user/sessions")).json()["data"]) == 1
        again = await owner.delete(f"/api/user/sessions/{ended['id']}")
        assert (again.status_code, again.json()["code"]) == (404, "session_not_found")

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/api/auth/login", {}),
            ("/api/session", {}),
        ],
    )
    async def test_each_login_records_where_it_came_from(self, client, owner, account, path, body):
        agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        login = {"email": account.email, "password": PASSWORD, **body}
        await client.post(path, json=login, headers={"User-Agent": agent})

        newest, own = (await owner.get("/api/user/sessions")).json()["data"]

        assert (newest["client"], newest["device"]) == ("127.0.0.1", "Firefox on Linux")
        assert newest["last_used_at"] == newest["created_at"]
        # Sessions from before an upgrade.
        assert (own["client"], own["device"]) == (None, None)

    async def test_the_last_use_is_accurate_to_the_minute(self, app, owner):
        async def last_use():
            await app.state.doors.authenticator.settle()
            (found,) = (await owner.get("/api/user/sessions")).json()["data"]
            return datetime.fromisoformat(found["last_used_at"])

        began = await last_use()
        clock.advance(timedelta(seconds=30))
        await owner.get("/api/user/me")
        soon = await last_use()
        clock.advance(timedelta(seconds=31))
        await owner.get("/api/user/me")
        later = await last_use()

        assert soon == began
        assert timedelta(seconds=60) <= later - began < timedelta(seconds=70)

    async def test_all_others_are_ended(self, owner, login, account, stranger):
        others = [await login(account) for _ in range(3)]
        theirs = await login(stranger)

        answer = await owner.delete("/api/user/sessions")

        assert (answer.status_code, answer.json()) == (200, {"sessions_ended": 3})
        assert [(await each.get("/api/user/me")).status_code for each in others] == [401] * 3
        assert (await owner.get("/api/user/me")).status_code == 200
        assert (await theirs.get("/api/user/me")).status_code == 200
        assert (await owner.delete("/api/user/sessions")).json() == {"sessions_ended": 0}

    async def test_sessions_of_others_cannot_be_ended(self, owner, login, stranger):
        theirs = await login(stranger)
        (session,) = (await theirs.get("/api/user/sessions")).json()["data"]

        answer = await owner.delete(f"/api/user/sessions/{session['id']}")

        assert answer.status_code == 404
        assert (await theirs.get("/api/user/me")).status_code == 200

    async def test_keys_see_no_sessions(self, login_key, account):
        key = await login_key(account)

        assert (await key.get("/api/user/sessions")).status_code == 403
        assert (await key.delete("/api/user/sessions")).status_code == 403


class TestRoll:
    @pytest.mark.both_stores
    async def test_both_keys_work_during_the_overlap(self, app, owner, make, account):
        old = await make.api_key(account, name="CI", scopes=[Scope.PIPELINES_READ])

        answer = await owner.post(
            f"/api/user/api-keys/{old.id}/roll", json={"overlap_seconds": 600}
        )

        new = answer.json()
        assert answer.status_code == 201, answer.text
        assert (new["name"], new["scopes"], new["replaces"]) == (
            "CI",
            ["pipelines:read"],
            str(old.id),
        )
        assert new["expires_at"] is None
        assert await works(app, old.text)
        assert await works(app, new["key"])
        clock.advance(timedelta(seconds=601))
        assert not await works(app, old.text)
        assert await works(app, new["key"])

    @pytest.mark.both_stores
    @pytest.mark.parametrize("days", [None, 90])
    async def test_a_key_that_is_rolled_again_gives_its_first_lifetime(
        self, owner, make, account, days
    ):
        expires_at = None if days is None else clock.now() + timedelta(days=days)
        old = await make.api_key(account, expires_at=expires_at)

        rolled = [
            (await owner.post(f"/api/user/api-keys/{old.id}/roll", json=body)).json()
            for body in ({"overlap_seconds": 600}, {"overlap_seconds": 60}, {"overlap_seconds": 0})
        ]

        if days is None:
            assert [each["expires_at"] for each in rolled] == [None] * 3
        else:
            made = [datetime.fromisoformat(each["created_at"]) for each in rolled]
            ends = [datetime.fromisoformat(each["expires_at"]) for each in rolled]
            found = [end - begin for begin, end in zip(made, ends, strict=True)]
            assert [round(each.total_seconds()) for each in found] == [days * 86_400] * 3

    async def test_without_an_overlap_the_old_key_is_revoked(self, app, owner, make, account):
        old = await make.api_key(account, expires_at=clock.now() + timedelta(days=10))
        assert await works(app, old.text)

        answer = await owner.post(f"/api/user/api-keys/{old.id}/roll", json={"overlap_seconds": 0})

        left = datetime.fromisoformat(answer.json()["expires_at"]) - clock.now()
        listed = (await owner.get("/api/user/api-keys")).json()["data"]
        assert not await works(app, old.text)
        assert timedelta(days=9, hours=23) < left <= timedelta(days=10, minutes=1)
        assert [each["id"] for each in listed] == [answer.json()["id"]]

    async def test_an_overlap_never_extends_the_old_key(self, owner, make, account):
        expires_at = clock.now() + timedelta(minutes=5)
        old = await make.api_key(account, expires_at=expires_at)

        await owner.post(f"/api/user/api-keys/{old.id}/roll")

        listed = (await owner.get("/api/user/api-keys")).json()["data"]
        (shown,) = [each for each in listed if each["id"] == str(old.id)]
        assert shown["expires_at"] == clock.iso(expires_at)

    async def test_a_key_that_expires_too_late_gets_the_longest_lifetime(
        self, owner, make, account
    ):
        old = await make.api_key(account, expires_at=datetime(9999, 12, 31, tzinfo=UTC))

        answer = await owner.post(f"/api/user/api-keys/{old.id}/roll")

        left = datetime.fromisoformat(answer.json()["expires_at"]) - clock.now()
        assert answer.status_code == 201
        assert timedelta(days=36_524) < left <= timedelta(days=36_525)

    @pytest.mark.parametrize(
        "path",
        ["/api/user/api-keys", "/api/user/api-keys/{id}/roll", "/api/workspace/service-keys"],
    )
    async def test_an_expiry_in_more_than_a_hundred_years_is_refused(
        self, owner, make, account, path
    ):
        old = await make.api_key(account)
        body = {} if path.endswith("roll") else {"name": "CI"}

        answers = [
            await owner.post(
                path.format(id=old.id),
                json={**body, "expires_at": clock.iso(clock.now() + timedelta(days=days))},
            )
            for days in (36_524, 36_526)
        ]

        assert [each.status_code for each in answers] == [201, 422]
        assert answers[1].json()["errors"][0]["path"] == "expires_at"

    @pytest.mark.parametrize("whose", ["stranger", "nobody"])
    async def test_only_own_keys_are_rolled(self, owner, make, stranger, whose):
        key_id = "0192f0c1-0000-7000-8000-000000000000"
        if whose == "stranger":
            key_id = (await make.api_key(stranger)).id

        answer = await owner.post(f"/api/user/api-keys/{key_id}/roll")

        assert (answer.status_code, answer.json()["code"]) == (404, "api_key_not_found")

    async def test_a_key_cannot_roll_itself(self, make, account, login_key):
        key = await login_key(account)
        old = await make.api_key(account)

        assert (await key.post(f"/api/user/api-keys/{old.id}/roll")).status_code == 403
