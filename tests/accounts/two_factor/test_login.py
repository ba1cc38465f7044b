"""Logins of accounts with two-factor sign-in."""

import asyncio
from collections import Counter
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts import service as accounts
from stepiq.accounts.two_factor import codes, service
from stepiq.store.database import Database
from stepiq.store.tables import recovery_codes
from tests.accounts.two_factor.conftest import TOTP
from tests.support.clients import outcome
from tests.support.make_accounts import PASSWORD
from tests.support.make_two_factor import to_next_step

LOGIN, COOKIE = "/api/auth/login", "/api/session"
REQUIRED, WRONG = (401, "totp_required"), (401, "totp_wrong")


def from_address(app, address):
    transport = httpx2.ASGITransport(app, client=(address, 50_000))
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")


class TestCode:
    @pytest.mark.parametrize("path", [LOGIN, COOKIE])
    async def test_a_password_alone_is_not_enough(self, sign_in, phone, path):
        without = await sign_in(path=path)
        wrong = await sign_in(phone.wrong_code(), path=path)
        right = await sign_in(phone.next_code(), path=path)

        assert outcome(without) == REQUIRED
        assert outcome(wrong) == WRONG
        assert right.status_code == 200
        assert right.json()["user"]["email"] == phone.account.email
        assert not any("Set-Cookie" in each.headers for each in (without, wrong))

    async def test_no_session_is_opened_without_it(self, owner, sign_in, phone):
        await sign_in()
        await sign_in(phone.wrong_code())

        assert len((await owner.get("/api/user/sessions")).json()["data"]) == 1

    async def test_a_code_is_accepted_once(self, sign_in, phone):
        code = phone.next_code()

        first, second = await sign_in(code), await sign_in(code)

        assert (first.status_code, outcome(second)) == (200, WRONG)

    async def test_the_code_that_turned_it_on_is_used(self, sign_in, phone):
        assert outcome(await sign_in(phone.code())) == WRONG

    async def test_an_earlier_code_is_refused_after_a_later_one(self, sign_in, phone):
        phone.next_code()

        assert (await sign_in(phone.code(1))).status_code == 200
        assert outcome(await sign_in(phone.code())) == WRONG

    @pytest.mark.one_store
    @pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (1, 200), (2, 401)])
    async def test_the_clock_of_the_phone_can_be_one_step_off(
        self, sign_in, phone, clock, steps, status
    ):
        clock.advance(timedelta(minutes=5))
        to_next_step()

        assert (await sign_in(phone.code(steps))).status_code == status

    @pytest.mark.one_store
    async def test_the_two_groups_of_an_app_are_accepted(self, sign_in, phone):
        code = phone.next_code()

        assert (await sign_in(f" {code[:3]} {code[3:]}")).status_code == 200

    @pytest.mark.both_stores
    async def test_of_concurrent_logins_with_one_code_one_succeeds(self, settings, phone, services):
        # Two processes have two connections to the database.
        code, other = phone.next_code(), Database(settings)

        async def log_in(database):
            async with database.transaction() as tx:
                await accounts.open_session(tx, phone.account.id)
                return await service.check_at_login(tx, services.keyring, phone.account.id, code)

        stores = [services.database, other] * 4
        found = await asyncio.gather(*map(log_in, stores), return_exceptions=True)
        await other.close()

        assert sum(each == service.Accepted(None) for each in found) == 1
        assert {type(each).__name__ for each in found} == {"Accepted", "TotpWrong"}

    @pytest.mark.one_store
    async def test_without_two_factor_sign_in_a_code_is_ignored(self, sign_in):
        assert (await sign_in("123456")).status_code == 200

    async def test_a_secret_that_is_not_confirmed_has_no_effect(self, owner, sign_in):
        await owner.post(TOTP)

        assert (await sign_in()).status_code == 200

    async def test_existing_sessions_and_refresh_tokens_keep_working(
        self, owner, client, sign_in, enrol, account
    ):
        before = (await sign_in()).json()
        await enrol(owner, account)

        refreshed = await client.post(
            "/api/auth/refresh", json={"refresh_token": before["refresh_token"]}
        )

        assert refreshed.status_code == 200
        assert (await owner.get("/api/user/me")).status_code == 200


class TestWrongPassword:
    @pytest.mark.one_store
    async def test_answers_do_not_reveal_the_second_factor(self, client, phone, stranger):
        async def log_in(email, **fields):
            body = {"email": email, "password": "wrong horse", **fields}
            answer = (await client.post(LOGIN, json=body)).json()
            return {name: value for name, value in answer.items() if name != "request_id"}

        emails = (phone.account.email, stranger.email, "nobody@example.com")
        without = [await log_in(email) for email in emails]
        with_code = [await log_in(email, code=phone.next_code()) for email in emails]

        assert all(each == without[0] for each in [*without, *with_code])
        assert without[0]["code"] == "login_failed"

    async def test_it_does_not_use_the_code(self, sign_in, phone):
        code = phone.next_code()
        await sign_in(code, password="wrong horse")

        assert (await sign_in(code)).status_code == 200


class TestRecoveryCode:
    @pytest.mark.parametrize("path", [LOGIN, COOKIE])
    async def test_each_works_once(self, sign_in, phone, path, owner):
        code = phone.recovery_codes[3]

        first, second = await sign_in(code.upper(), path=path), await sign_in(code, path=path)

        assert (first.status_code, outcome(second)) == (200, WRONG)
        assert (await owner.get(TOTP)).json()["recovery_codes_left"] == 9

    @pytest.mark.both_stores
    async def test_of_concurrent_logins_one_succeeds(self, settings, phone, services):
        code, other = phone.recovery_codes[0], Database(settings)

        async def log_in(database):
            async with database.transaction() as tx:
                return await service.check_at_login(tx, services.keyring, phone.account.id, code)

        stores = [services.database, other] * 4
        found = await asyncio.gather(*map(log_in, stores), return_exceptions=True)
        await other.close()

        assert sum(each == service.Accepted(9) for each in found) == 1

    async def test_those_of_others_do_not_work(self, sign_in, phone, login, stranger, enrol):
        theirs = await enrol(await login(stranger), stranger)

        assert outcome(await sign_in(theirs.recovery_codes[0])) == WRONG
        assert outcome(await sign_in(theirs.code(1))) == WRONG

    async def test_the_store_has_only_digests(self, database, phone):
        async with database.reading() as session:
            rows = (await session.execute(sa.select(recovery_codes))).all()

        assert len(rows) == 10
        assert all(len(row.digest) == 32 and row.used_at is None for row in rows)


class TestLimit:
    async def test_wrong_codes_count_like_wrong_passwords(self, sign_in, phone):
        for _ in range(5):
            await sign_in(phone.wrong_code())
            await sign_in(password="wrong horse")

        assert outcome(await sign_in(phone.next_code())) == (429, "too_many_attempts")

    async def test_a_right_password_does_not_clear_the_count(self, sign_in, phone):
        for _ in range(9):
            await sign_in(phone.wrong_code())
            assert outcome(await sign_in()) == REQUIRED

        assert outcome(await sign_in(phone.wrong_code())) == WRONG
        assert outcome(await sign_in(phone.next_code())) == (429, "too_many_attempts")

    @pytest.mark.one_store
    async def test_many_addresses_share_the_count_of_the_account(self, app, phone):
        body = {"email": phone.account.email, "password": PASSWORD}
        found = []
        for number in range(12):
            async with from_address(app, f"10.{number}.0.1") as client:
                answer = await client.post(LOGIN, json={**body, "code": phone.wrong_code()})
                found.append(answer.status_code)

        assert found == [401] * 10 + [429] * 2

    @pytest.mark.one_store
    async def test_a_known_client_is_not_locked_out(self, app, phone, sign_in):
        assert (await sign_in(phone.next_code())).status_code == 200
        body = {"email": phone.account.email, "password": PASSWORD}
        for number in range(12):
            async with from_address(app, f"10.{number}.0.1") as client:
                await client.post(LOGIN, json={**body, "code": phone.wrong_code()})

        assert (await sign_in(phone.next_code())).status_code == 200

    async def test_after_a_while_attempts_are_possible_again(self, sign_in, phone, clock):
        for _ in range(10):
            await sign_in(phone.wrong_code())

        clock.advance(timedelta(minutes=16))

        assert (await sign_in(phone.code())).status_code == 200

    @pytest.mark.one_store
    async def test_a_burst_cannot_exceed_the_limit(self, sign_in, phone):
        found = await asyncio.gather(*[sign_in(phone.wrong_code()) for _ in range(30)])

        statuses = Counter(each.status_code for each in found)
        assert 1 <= statuses[401] <= 10
        assert statuses == {401: statuses[401], 429: 30 - statuses[401]}


class TestPasswordReset:
    async def test_the_second_factor_stays(self, app, client, sign_in, phone, settings):
        from tests.support.mail import kept

        await app.state.doors.recovery.ask(phone.account.email, "127.0.0.1")
        await app.state.doors.recovery.settle()
        mail = next(each for each in kept(settings.data_dir) if "password" in each["Subject"])
        token = mail.get_content().split("#token=")[1].split()[0]
        done = await client.post(
            "/api/auth/reset-password", json={"token": token, "password": "a different horse"}
        )

        assert done.status_code == 200
        assert outcome(await sign_in(password="a different horse")) == REQUIRED
        code = phone.next_code()
        assert (await sign_in(code, password="a different horse")).status_code == 200


class TestFormat:
    @pytest.mark.one_store
    @pytest.mark.parametrize("code", ["", "x" * 101])
    async def test_the_length_is_limited(self, sign_in, code):
        assert outcome(await sign_in(code)) == (422, "invalid_body")

    @pytest.mark.one_store
    @pytest.mark.parametrize("code", ["12345", "1234567", "١٢٣٤٥٦", "🙂", "-", "\t"])
    async def test_other_texts_are_wrong(self, sign_in, phone, code):
        assert outcome(await sign_in(code)) == WRONG

    def test_the_window_is_a_minute_and_a_half(self):
        assert (codes.PERIOD_SECONDS, codes.WINDOW) == (30, 1)
