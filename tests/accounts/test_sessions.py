import asyncio
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts import service
from stepiq.accounts.credentials import api_keys as keys
from stepiq.accounts.credentials.tokens import REFRESH_LIFETIME
from stepiq.accounts.errors import LoginFailed, PasswordWrong, SessionEnded
from stepiq.accounts.queries import accounts as account_queries
from stepiq.accounts.sessions import service as sessions
from stepiq.store.tables import sessions as session_rows
from tests.support.clients import login
from tests.support.make_accounts import PASSWORD, actor

__all__ = ["login"]

RACES = 100
NEW = "a different horse"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def refresh(client, token):
    return await client.post("/api/auth/refresh", json={"refresh_token": token})


async def is_let_in(client, token):
    return (await client.get("/api/user/me", headers=bearer(token))).status_code == 200


async def stored_hash(database, account):
    async with database.reading() as session:
        found = await account_queries.account_by_email(session, account.email)
    assert found is not None
    return found.password_hash


@pytest.fixture
def log_in(client, account):
    """Logs `account` in by its password, and gives the answer."""

    async def log_in(password=PASSWORD):
        body = {"email": account.email, "password": password}
        return await client.post("/api/auth/login", json=body)

    return log_in


class TestRefresh:
    async def test_a_token_is_exchanged_for_a_new_pair(self, client, log_in):
        first = (await log_in()).json()

        response = await refresh(client, first["refresh_token"])

        second = response.json()
        assert response.status_code == 200
        assert second.keys() == first.keys()
        assert second["user"] == first["user"]
        assert second["refresh_token"] != first["refresh_token"]
        assert await is_let_in(client, second["token"])
        assert await is_let_in(client, first["token"])

    async def test_the_session_lasts_30_days_from_its_last_use(self, client, make, account, clock):
        first = (await make.session(account)).refresh_token

        clock.advance(REFRESH_LIFETIME - timedelta(minutes=1))
        second = (await refresh(client, first)).json()
        clock.advance(REFRESH_LIFETIME - timedelta(minutes=1))
        third = (await refresh(client, second["refresh_token"])).json()

        assert await is_let_in(client, third["token"])

    @pytest.mark.both_stores
    async def test_a_spent_token_ends_the_session_at_once(self, client, log_in):
        first = (await log_in()).json()
        second = (await refresh(client, first["refresh_token"])).json()
        assert await is_let_in(client, second["token"])

        response = await refresh(client, first["refresh_token"])

        assert (response.status_code, response.json()["code"]) == (401, "refresh_reused")
        assert not await is_let_in(client, first["token"])
        assert not await is_let_in(client, second["token"])
        third = await refresh(client, second["refresh_token"])
        assert (third.status_code, third.json()["code"]) == (401, "session_ended")

    async def test_other_sessions_of_the_account_stay(self, client, log_in):
        first, other = (await log_in()).json(), (await log_in()).json()
        await refresh(client, first["refresh_token"])

        await refresh(client, first["refresh_token"])

        assert await is_let_in(client, other["token"])
        assert (await refresh(client, other["refresh_token"])).status_code == 200

    async def test_an_unknown_token_is_refused(self, client, log_in):
        access = (await log_in()).json()["token"]

        for text in ("", "x", "\u00e9", keys.generate().text, access[:200]):
            response = await refresh(client, text)
            assert (response.status_code, response.json()["code"]) == (401, "refresh_unknown")

    async def test_an_old_token_is_refused(self, client, make, account, clock):
        token = (await make.session(account)).refresh_token
        clock.advance(REFRESH_LIFETIME)

        response = await refresh(client, token)

        assert (response.status_code, response.json()["code"]) == (401, "refresh_expired")

    async def test_a_disabled_account_is_refused(self, client, make, account):
        token = (await make.session(account)).refresh_token
        await make.disable(account)

        response = await refresh(client, token)

        assert (response.status_code, response.json()["code"]) == (401, "session_ended")

    @pytest.mark.slow
    @pytest.mark.both_stores
    async def test_of_many_at_once_one_wins_and_the_family_ends(self, client, make, account):
        outcomes = Counter()
        for _ in range(RACES):
            opened = await make.session(account)
            answers = await asyncio.gather(
                *(refresh(client, opened.refresh_token) for _ in range(2))
            )
            won = [answer.json() for answer in answers if answer.status_code == 200]
            codes = [answer.json()["code"] for answer in answers if answer.status_code != 200]
            outcomes[len(won), *codes, await is_let_in(client, won[0]["token"])] += 1

        assert outcomes == {(1, "refresh_reused", False): RACES}


class TestEnd:
    async def test_it_ends_the_callers_session(self, client, log_in):
        mine, other = (await log_in()).json(), (await log_in()).json()
        assert await is_let_in(client, mine["token"])

        response = await client.post("/api/auth/logout", headers=bearer(mine["token"]))

        assert (response.status_code, response.json()) == (200, {"sessions_ended": 1})
        assert not await is_let_in(client, mine["token"])
        assert (await refresh(client, mine["refresh_token"])).json()["code"] == "session_ended"
        assert await is_let_in(client, other["token"])

    async def test_with_all_it_ends_every_session_of_the_account(
        self, client, log_in, make, stranger, login
    ):
        made = [(await log_in()).json() for _ in range(3)]
        foreign = await login(stranger)
        assert await is_let_in(client, made[1]["token"])

        response = await client.post(
            "/api/auth/logout", json={"all": True}, headers=bearer(made[0]["token"])
        )

        assert response.json() == {"sessions_ended": 3}
        assert [await is_let_in(client, each["token"]) for each in made] == [False] * 3
        assert (await foreign.get("/api/user/me")).status_code == 200

    async def test_a_key_cannot(self, client, make, account):
        key = await make.api_key(account)

        response = await client.post("/api/auth/logout", headers={"X-API-Key": key.text})

        assert (response.status_code, response.json()["code"]) == (403, "session_required")

    @pytest.mark.both_stores
    async def test_a_read_under_way_does_not_bring_the_session_back(
        self, client, app, log_in, database, monkeypatch
    ):
        mine = (await log_in()).json()
        authenticator = app.state.doors.authenticator
        live = sessions.session_queries.live

        async def slow(*args, **options):
            row = await live(*args, **options)
            if row is not None:
                authenticator.forget(row.id)  # as if it were ended between the read and its use
            return row

        monkeypatch.setattr(
            "stepiq.accounts.authentication.authenticator.session_queries.live", slow
        )
        assert await is_let_in(client, mine["token"])
        async with database.transaction() as session:
            await session.execute(sa.delete(sessions.session_queries.refresh_tokens))
            await session.execute(sa.delete(session_rows))

        assert not await is_let_in(client, mine["token"])


class TestChangePassword:
    async def test_it_sets_the_password_and_ends_the_other_sessions(self, client, log_in):
        mine, other = (await log_in()).json(), (await log_in()).json()
        assert await is_let_in(client, other["token"])

        response = await client.post(
            "/api/user/password",
            json={"current_password": PASSWORD, "new_password": NEW},
            headers=bearer(mine["token"]),
        )

        assert (response.status_code, response.json()) == (200, {"sessions_ended": 1})
        assert await is_let_in(client, mine["token"])
        assert not await is_let_in(client, other["token"])
        assert (await log_in()).status_code == 401
        assert (await log_in(NEW)).status_code == 200

    async def test_keys_stay(self, client, log_in, make, account):
        key = await make.api_key(account)
        mine = (await log_in()).json()

        await client.post(
            "/api/user/password",
            json={"current_password": PASSWORD, "new_password": NEW},
            headers=bearer(mine["token"]),
        )

        response = await client.get("/api/user/me", headers={"X-API-Key": key.text})
        assert response.status_code == 200

    async def test_a_wrong_password_changes_nothing_and_counts(self, owner, log_in):
        body = {"current_password": "wrong", "new_password": NEW}

        answers = [(await owner.post("/api/user/password", json=body)).json() for _ in range(11)]

        assert {answer["code"] for answer in answers[:10]} == {"password_wrong"}
        assert answers[10]["code"] == "too_many_attempts"
        assert (await log_in()).status_code == 429

    async def test_a_key_cannot(self, client, make, account):
        key = await make.api_key(account)
        body = {"current_password": PASSWORD, "new_password": NEW}

        response = await client.post(
            "/api/user/password", json=body, headers={"X-API-Key": key.text}
        )

        assert (response.status_code, response.json()["code"]) == (403, "session_required")

    @pytest.mark.slow
    @pytest.mark.both_stores
    async def test_no_session_of_the_old_password_outlives_it(self, database, make, account):
        """Whatever a login, a refresh and a change do to each other."""
        survivors = Counter()
        current = await stored_hash(database, account)

        async def attempt(work, *args, **options):
            try:
                async with database.transaction() as session:
                    return await work(session, *args, **options)
            except (LoginFailed, PasswordWrong, SessionEnded) as error:
                return error

        for number in range(RACES):
            old, current = current, f"hash {number}"
            earlier = await make.session(account)
            mine = await make.session(account)
            me = actor(account, session_id=mine.session_id)
            await asyncio.gather(
                attempt(service.open_session, account.id, checked_hash=old),
                attempt(sessions.refresh, earlier.refresh_token),
                attempt(sessions.change_password, me, checked_hash=old, new_hash=current),
                attempt(service.open_session, account.id, checked_hash=old),
            )
            async with database.reading() as session:
                live = sa.select(session_rows.c.id).where(session_rows.c.revoked_at.is_(None))
                found = set((await session.execute(live)).scalars())
            survivors["others" if found - {mine.session_id} else "mine"] += 1
            async with database.transaction() as session:
                await sessions.end(session, me, everywhere=True)

        assert survivors == {"mine": RACES}

    @pytest.mark.both_stores
    async def test_of_two_changes_at_once_one_counts(self, database, make, account):
        old = await stored_hash(database, account)

        async def change(new):
            async with database.transaction() as session:
                await sessions.change_password(
                    session, actor(account), checked_hash=old, new_hash=new
                )

        outcomes = await asyncio.gather(change("a"), change("b"), return_exceptions=True)

        assert [type(outcome) for outcome in outcomes if outcome] == [PasswordWrong]
