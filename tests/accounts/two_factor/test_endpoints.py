"""Turning two-factor sign-in on and off."""

import json
import logging
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
import structlog

from stepiq.accounts.credentials.passwords import NO_PASSWORD
from stepiq.accounts.queries import accounts
from stepiq.accounts.two_factor import codes
from stepiq.core import clock as clocks
from stepiq.store.tables import metadata, sessions, totp_secrets
from tests.accounts.two_factor.conftest import TOTP
from tests.support.audit_log import recorded
from tests.support.clients import outcome
from tests.support.mail import kept
from tests.support.make_accounts import PASSWORD
from tests.support.make_two_factor import Phone

CODES = f"{TOTP}/recovery-codes"
OFF = {"enabled": False, "enabled_at": None, "recovery_codes_left": 0}


@pytest.fixture
def age(database):
    """Moves the beginning of all sessions and secrets into the past, because access tokens expire earlier."""

    async def age(minutes):
        async with database.transaction() as session:
            for table in (sessions, totp_secrets):
                before = clocks.now() - timedelta(minutes=minutes)
                await session.execute(sa.update(table).values(created_at=before))

    return age


async def turn_off(client, code, password: str | None = PASSWORD):
    body = {"code": code} if password is None else {"code": code, "password": password}
    return await client.request("DELETE", TOTP, json=body)


class TestStatus:
    async def test_it_is_off_at_first(self, owner):
        assert (await owner.get(TOTP)).json() == OFF

    async def test_a_secret_that_is_not_confirmed_is_not_shown(self, owner):
        await owner.post(TOTP)

        assert (await owner.get(TOTP)).json() == OFF

    @pytest.mark.both_stores
    async def test_it_shows_since_when_it_is_on(self, owner, phone, clock):
        found = (await owner.get(TOTP)).json()

        assert found["enabled"] is True
        assert found["enabled_at"] <= clocks.iso(clock.now())
        assert found["recovery_codes_left"] == 10

    @pytest.mark.one_store
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", TOTP), ("POST", TOTP), ("POST", f"{TOTP}/confirm"), ("POST", CODES)],
    )
    async def test_keys_are_refused(self, login_key, account, method, path):
        key = await login_key(account)
        body = None if path == TOTP else {"code": "123456"}

        response = await key.request(method, path, json=body)

        assert outcome(response) == (403, "session_required")


class TestBegin:
    async def test_an_app_gets_the_secret(self, owner, account):
        begun = await owner.post(TOTP)

        secret = begun.json()["secret"]
        assert begun.json() == {
            "secret": secret,
            "otpauth_uri": codes.uri(secret, issuer="stepIQ 127.0.0.1", email=account.email),
        }
        assert begun.headers["Cache-Control"] == "no-store"

    async def test_each_secret_replaces_the_one_before(self, owner, account):
        first, second = [(await owner.post(TOTP)).json()["secret"] for _ in range(2)]
        with_first = await owner.post(
            f"{TOTP}/confirm", json={"code": Phone(account, first).code()}
        )
        with_second = await owner.post(
            f"{TOTP}/confirm", json={"code": Phone(account, second).code()}
        )

        assert outcome(with_first) == (422, "code_wrong")
        assert with_second.status_code == 200

    async def test_an_old_session_needs_the_password(self, owner, age):
        await age(16)

        without = await owner.post(TOTP)
        wrong = await owner.post(TOTP, json={"password": "wrong horse"})
        right = await owner.post(TOTP, json={"password": PASSWORD})

        assert outcome(without) == (403, "password_required")
        assert outcome(wrong) == (422, "password_wrong")
        assert "`password`" in wrong.json()["detail"]
        assert right.status_code == 200

    async def test_it_cannot_replace_a_confirmed_secret(self, owner, phone, sign_in):
        assert outcome(await owner.post(TOTP)) == (409, "totp_enabled")
        assert (await sign_in(phone.next_code())).status_code == 200

    @pytest.mark.one_store
    async def test_wrong_passwords_are_limited(self, owner):
        found = [
            (await owner.post(TOTP, json={"password": "wrong horse"})).status_code
            for _ in range(11)
        ]

        assert found == [422] * 10 + [429]


class TestConfirm:
    async def test_it_returns_ten_codes(self, phone):
        assert len(set(phone.recovery_codes)) == 10

    async def test_a_wrong_code_changes_nothing(self, owner, account, sign_in):
        phone = Phone(account, (await owner.post(TOTP)).json()["secret"])

        wrong = await owner.post(f"{TOTP}/confirm", json={"code": phone.wrong_code()})

        assert outcome(wrong) == (422, "code_wrong")
        assert (await owner.get(TOTP)).json() == OFF
        assert (await sign_in()).status_code == 200

    async def test_without_a_secret_there_is_nothing_to_confirm(self, owner):
        response = await owner.post(f"{TOTP}/confirm", json={"code": "123456"})

        assert outcome(response) == (409, "totp_not_begun")

    async def test_a_secret_can_be_confirmed_for_an_hour(self, owner, account, age):
        phone = Phone(account, (await owner.post(TOTP)).json()["secret"])
        await age(61)

        response = await owner.post(f"{TOTP}/confirm", json={"code": phone.code()})

        assert outcome(response) == (409, "totp_not_begun")

    async def test_a_second_time_it_is_on(self, owner, phone):
        response = await owner.post(f"{TOTP}/confirm", json={"code": phone.next_code()})

        assert outcome(response) == (409, "totp_enabled")

    @pytest.mark.one_store
    async def test_a_repeated_request_does_not_return_the_codes_again(self, owner, account):
        phone = Phone(account, (await owner.post(TOTP)).json()["secret"])
        headers = {"Idempotency-Key": "once"}
        body = {"code": phone.code()}

        first = await owner.post(f"{TOTP}/confirm", json=body, headers=headers)
        second = await owner.post(f"{TOTP}/confirm", json=body, headers=headers)

        assert first.status_code == 200
        assert outcome(second) == (409, "totp_enabled")


class TestTurnOff:
    async def test_it_needs_the_password_and_a_code(self, owner, phone, sign_in):
        refused = [
            await turn_off(owner, phone.next_code(), None),
            await turn_off(owner, phone.code(), "wrong horse"),
            await turn_off(owner, phone.wrong_code()),
        ]
        done = await turn_off(owner, phone.code())

        assert [outcome(each) for each in refused] == [
            (403, "password_required"),
            (422, "password_wrong"),
            (422, "code_wrong"),
        ]
        assert done.json() == {"id": str(phone.account.id), "deleted": True}
        assert (await owner.get(TOTP)).json() == OFF
        assert (await sign_in()).status_code == 200

    async def test_a_recovery_code_is_enough(self, owner, phone):
        assert (await turn_off(owner, phone.recovery_codes[0])).status_code == 200

    @pytest.mark.both_stores
    async def test_without_a_password_a_recent_login_is_enough(self, owner, phone, database, age):
        async with database.transaction() as session:
            await accounts.update_password(session, phone.account.id, NO_PASSWORD)

        await age(16)
        refused = await turn_off(owner, phone.next_code(), None)
        await age(0)
        done = await turn_off(owner, phone.code(), None)

        assert outcome(refused) == (403, "password_required")
        assert done.status_code == 200

    async def test_old_codes_do_not_work_after_it_is_on_again(
        self, owner, phone, enrol, account, sign_in, clock
    ):
        await turn_off(owner, phone.next_code())
        clock.advance(timedelta(minutes=1))
        again = await enrol(owner, account)

        assert again.secret != phone.secret
        assert (await owner.get(TOTP)).json()["recovery_codes_left"] == 10
        assert outcome(await sign_in(phone.recovery_codes[1])) == (401, "totp_wrong")
        assert outcome(await sign_in(phone.next_code())) == (401, "totp_wrong")

    async def test_a_second_time_it_is_off(self, owner, phone):
        await turn_off(owner, phone.next_code())

        assert outcome(await turn_off(owner, phone.next_code())) == (409, "totp_not_enabled")

    async def test_all_sessions_share_the_limit_of_codes(self, owner, phone, login, account):
        other = await login(account)
        for number in range(10):
            await turn_off([owner, other][number % 2], phone.wrong_code())

        assert outcome(await turn_off(owner, phone.next_code())) == (429, "too_many_attempts")
        assert outcome(await turn_off(other, phone.next_code())) == (429, "too_many_attempts")


class TestReplaceCodes:
    async def test_only_the_new_ones_work(self, owner, phone, sign_in):
        response = await owner.post(CODES, json={"code": phone.next_code()})

        made = response.json()["recovery_codes"]
        assert len(set(made) | set(phone.recovery_codes)) == 20
        assert outcome(await sign_in(phone.recovery_codes[0])) == (401, "totp_wrong")
        assert (await sign_in(made[0])).status_code == 200
        assert (await owner.get(TOTP)).json()["recovery_codes_left"] == 9

    async def test_an_old_session_also_needs_the_password(self, owner, phone, age):
        await age(16)
        body = {"code": phone.next_code()}

        without = await owner.post(CODES, json=body)
        right = await owner.post(CODES, json={**body, "password": PASSWORD})

        assert outcome(without) == (403, "password_required")
        assert right.status_code == 200

    async def test_it_needs_two_factor_sign_in(self, owner):
        response = await owner.post(CODES, json={"code": "123456"})

        assert outcome(response) == (409, "totp_not_enabled")


class TestReset:
    async def test_administrators_help_people_who_lost_everything(
        self, make, login, phone, sign_in
    ):
        admin = await login(await make.user(is_admin=True))

        before = (await admin.get(f"/api/admin/users/{phone.account.id}")).json()
        done = await admin.delete(f"/api/admin/users/{phone.account.id}/totp")
        after = (await admin.get(f"/api/admin/users/{phone.account.id}")).json()
        again = await admin.delete(f"/api/admin/users/{phone.account.id}/totp")

        assert done.json() == {"id": str(phone.account.id), "deleted": True}
        assert (before["two_factor"], after["two_factor"]) == (True, False)
        assert outcome(again) == (409, "totp_not_enabled")
        assert (await sign_in()).status_code == 200

    async def test_administrators_cannot_reset_their_own(self, make, login, enrol):
        account = await make.user(is_admin=True)
        admin = await login(account)
        await enrol(admin, account)

        response = await admin.delete(f"/api/admin/users/{account.id}/totp")

        assert outcome(response) == (409, "own_account")

    async def test_others_cannot(self, login, stranger, phone):
        theirs = await login(stranger)

        response = await theirs.delete(f"/api/admin/users/{phone.account.id}/totp")

        assert outcome(response) == (403, "admin_required")

    async def test_an_unknown_account_is_not_found(self, make, login, stranger):
        admin = await login(await make.user(is_admin=True))

        response = await admin.delete("/api/admin/users/0192f0c1-0000-7000-8000-000000000000/totp")

        assert outcome(response) == (404, "user_not_found")


class TestMail:
    @pytest.fixture
    def subjects(self, app, settings):
        """The subjects of the mail that was sent to `account`, sorted."""

        async def subjects():
            await app.state.doors.notices.settle()
            return sorted(str(mail["Subject"]) for mail in kept(settings.data_dir))

        return subjects

    async def test_a_person_hears_of_each_change(self, owner, phone, sign_in, subjects, settings):
        assert (await sign_in(phone.recovery_codes[0])).status_code == 200
        await turn_off(owner, phone.next_code())

        assert await subjects() == [
            "A recovery code was used to sign in",
            "Two-factor sign-in is off",
            "Two-factor sign-in is on",
        ]
        mails = kept(settings.data_dir)
        text = " ".join(mail.get_content() for mail in mails)
        assert all(mail["To"] == phone.account.email for mail in mails)
        assert "9 recovery codes are left" in text
        assert "127.0.0.1" in text
        assert not any(code in text for code in (phone.secret, *phone.recovery_codes))

    async def test_also_of_a_reset_by_an_administrator(
        self, make, login, phone, subjects, settings
    ):
        admin = await login(await make.user(is_admin=True))
        await admin.delete(f"/api/admin/users/{phone.account.id}/totp")

        assert "Two-factor sign-in is off" in await subjects()
        assert any("An administrator" in each.get_content() for each in kept(settings.data_dir))

    async def test_an_unverified_address_gets_no_mail(self, make, login, enrol, subjects):
        account = await make.user(is_verified=False)

        await enrol(await login(account), account)

        assert await subjects() == []


class TestAudit:
    @pytest.fixture
    def actions(self, app, database):
        """The actions in the audit log, oldest first, each with what it shows."""

        async def actions():
            return [(row.action, row.after) for row in await recorded(database)]

        return actions

    async def test_each_change_is_recorded(self, owner, phone, sign_in, actions):
        await sign_in()
        await sign_in(phone.wrong_code())
        await sign_in(phone.next_code())
        await sign_in(phone.recovery_codes[0])
        await owner.post(CODES, json={"code": phone.next_code()})
        await turn_off(owner, phone.next_code())

        assert await actions() == [
            ("two_factor.enabled", None),
            ("session.refused", {"reason": "code"}),
            ("session.opened", {"method": "password and code"}),
            ("session.opened", {"method": "password and recovery code"}),
            ("two_factor.recovered", {"recovery_codes_left": 9}),
            ("two_factor.codes_created", None),
            ("two_factor.disabled", None),
        ]

    async def test_resets_are_in_the_log_of_the_server(self, make, login, phone, database):
        admin = await login(await make.user(is_admin=True))
        await admin.delete(f"/api/admin/users/{phone.account.id}/totp")

        (row,) = [each for each in await recorded(database) if each.action == "two_factor.disabled"]
        assert (row.workspace_id, row.target_id) == (None, str(phone.account.id))


class TestSecrecy:
    async def test_the_secret_is_encrypted(self, database, phone):
        async with database.reading() as session:
            (row,) = (await session.execute(sa.select(totp_secrets))).all()

        stored = b"".join(value for value in row if isinstance(value, bytes))
        assert phone.secret.encode() not in stored
        assert len(row.ciphertext) == 12 + 32 + 16

    @pytest.mark.both_stores
    async def test_a_secret_of_another_account_cannot_be_used(
        self, database, phone, login, stranger, enrol, sign_in
    ):
        theirs = await enrol(await login(stranger), stranger)
        async with database.transaction() as session:
            wanted = totp_secrets.c.user_id == stranger.id
            row = (await session.execute(sa.select(totp_secrets).where(wanted))).one()
            await session.execute(
                sa.update(totp_secrets)
                .where(totp_secrets.c.user_id == phone.account.id)
                .values(key_id=row.key_id, wrapped_key=row.wrapped_key, ciphertext=row.ciphertext)
            )

        assert outcome(await sign_in(theirs.next_code())) == (503, "secret_unreadable")

    @pytest.mark.both_stores
    async def test_nothing_that_is_stored_contains_it(
        self, owner, database, phone, sign_in, app, settings
    ):
        code = phone.next_code()
        await sign_in(code)
        await sign_in(phone.recovery_codes[0])
        await turn_off(owner, phone.wrong_code())
        await app.state.doors.notices.settle()

        texts = []
        async with database.reading() as session:
            for table in metadata.sorted_tables:
                rows = (await session.execute(sa.select(table))).all()
                texts += [str(value) for row in rows for value in row]
        texts += [mail.as_string() for mail in kept(settings.data_dir)]
        seen = "\n".join(texts)
        plain = [each.replace("-", "") for each in phone.recovery_codes]
        assert len(kept(settings.data_dir)) == 2
        assert [
            each for each in (phone.secret, *phone.recovery_codes, *plain) if each in seen
        ] == []
        assert not re.search(rf"\b{code}\b", seen)

    @pytest.mark.one_store
    async def test_no_log_and_no_later_answer_contains_it(
        self, owner, client, account, sign_in, enrol, clock, caplog
    ):
        caplog.set_level(logging.DEBUG)
        with structlog.testing.capture_logs() as logs:
            phone = await enrol(owner, account)
            answers = [
                await owner.get(TOTP),
                await sign_in(),
                await sign_in(phone.next_code()),
                await sign_in(phone.code()),
                await sign_in(phone.recovery_codes[0]),
                await sign_in(phone.recovery_codes[0]),
                await owner.post(TOTP),
                await owner.post(f"{TOTP}/confirm", json={"code": phone.code()}),
                await turn_off(owner, phone.recovery_codes[1], "wrong horse"),
                await turn_off(owner, {"x": phone.recovery_codes[1]}),
                await turn_off(owner, phone.recovery_codes[1]),
            ]

        seen = " ".join(
            [*(each.text for each in answers), json.dumps(logs, default=str), caplog.text]
        )
        found = [each for each in (phone.secret, *phone.recovery_codes) if each in seen]
        assert found == []
        assert not re.search(rf"\b{phone.code()}\b", seen)
        assert [each.status_code for each in answers].count(200) == 4
