"""Addresses of new accounts are verified where strangers can register and the server sends email."""

import asyncio
import json
import re
from datetime import timedelta

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from stepiq.accounts import http
from stepiq.accounts.emails.verification import MAILS_AN_HOUR
from stepiq.accounts.signing_in import registration
from stepiq.accounts.two_factor import service as two_factor
from stepiq.core.settings.model import RegistrationPolicy
from tests.support.clients import login, login_key, outcome
from tests.support.mail import mail_server
from tests.support.make_accounts import PASSWORD, actor
from tests.support.make_two_factor import Phone

__all__ = ["login", "login_key"]

NEW = {"email": "ada@example.com", "password": PASSWORD}
MAILING = {
    "name": "Mailing",
    "steps": [{"id": "a", "type": "transform", "template": "x"}],
    "output": {"deliver": [{"type": "email", "to": ["victim@example.com"]}]},
}
ASKING = {
    "name": "Asking",
    "steps": [
        {"id": "a", "type": "human_review", "message": "Buy!", "assignees": ["victim@example.com"]}
    ],
}
EVERY_HOUR = {"name": "Hourly", "cron_expression": "0 * * * *"}
QUIET = {"name": "Quiet", "steps": [{"id": "a", "type": "transform", "template": "x"}]}


@pytest.fixture
async def box():
    async with mail_server() as box:
        yield box


@pytest.fixture
def settings(settings, box):
    url = SecretStr(f"smtp://127.0.0.1:{box.port}")
    return settings.model_copy(update={"smtp_url": url, "registration": RegistrationPolicy.OPEN})


@pytest.fixture
async def admin(make):
    """The account that is there first."""
    return await make.user(is_admin=True)


@pytest.fixture
def register(client, admin, app):
    """Registers a new account, and gives the answer once its email has been sent."""

    async def register(**more):
        response = await client.post("/api/auth/register", json=NEW | more)
        await app.state.doors.verification.settle()
        assert response.status_code == 201, response.text
        return response.json()

    return register


@pytest.fixture
async def unverified(make, login):
    """A client of an account that has not verified its address."""
    return await login(await make.user(is_verified=False))


def token_of(mail):
    match = re.search(r"/verify-email#token=([A-Za-z0-9_=-]+)\n", mail.get_content())
    assert match
    return match[1]


async def verify(client, token):
    return await client.post("/api/auth/verify-email", json={"token": token})


class TestRegister:
    async def test_a_mail_with_a_link_is_sent_and_the_link_verifies(self, register, client, box):
        answer = await register()

        [mail] = box.taken
        bearer = {"Authorization": f"Bearer {answer['token']}"}
        response = await verify(client, token_of(mail))
        me = (await client.get("/api/user/me", headers=bearer)).json()

        assert (answer["user"]["email_verified"], mail["To"]) == (False, NEW["email"])
        assert response.json() == {"email": NEW["email"], "email_verified": True}
        assert me["email_verified"]

    async def test_the_mail_tells_others_not_to_open_the_link(self, register, box, settings):
        await register()

        [mail] = box.taken
        text = mail.get_content()
        assert "do not open this link" in text
        assert f"{settings.base_url}/forgot-password" in text

    async def test_an_account_that_the_operator_invited_is_verified(self, register, database, box):
        async with database.transaction() as session:
            invitation = await registration.invite(session, NEW["email"])

        answer = await register(invitation=invitation)

        assert answer["user"]["email_verified"]
        assert box.taken == []

    async def test_so_is_the_first_account(self, client, app, box):
        proof = {"setup_token": registration.setup_token(app.state.doors.jwt_secret)}

        answer = (await client.post("/api/auth/register", json=NEW | proof)).json()

        assert answer["user"]["email_verified"]
        assert box.taken == []

    async def test_an_invitation_to_a_workspace_does_not_verify(self, register, admin, login, box):
        body = {"email": NEW["email"], "role": "viewer"}
        made = await (await login(admin)).post("/api/workspace/invitations", json=body)
        invitation = made.json()["url"].partition("#invitation=")[2]

        # The admin has seen the link, so it does not prove that the person can read the mailbox.
        answer = await register(invitation=invitation)

        assert (answer["user"]["role"], answer["user"]["email_verified"]) == ("viewer", False)
        assert [mail["Subject"] for mail in box.taken] == [
            "Your invitation to a workspace of stepIQ",
            "Verify your email address for stepIQ",
        ]

    async def test_the_log_does_not_have_the_token_of_a_mail_that_is_refused(self, register, box):
        seen = []

        def judge(mail):
            seen.append(token_of(mail))
            return f"554 blocked {seen[-1]}"

        box.judge = judge
        with capture_logs() as logs:
            await register()

        assert "account_mail_unsent" in [line["event"] for line in logs]
        assert seen[0] not in str(logs)


@pytest.mark.parametrize("registration", [RegistrationPolicy.INVITE, RegistrationPolicy.CLOSED])
class TestWherePeopleNeedAnInvitation:
    @pytest.fixture
    def settings(self, settings, registration):
        return settings.model_copy(update={"registration": registration})

    @pytest.mark.both_stores
    async def test_one_to_a_workspace_does_not_verify_either(self, register, admin, login, box):
        body = {"email": NEW["email"], "role": "editor"}
        made = await (await login(admin)).post("/api/workspace/invitations", json=body)
        invitation = made.json()["url"].partition("#invitation=")[2]

        answer = await register(invitation=invitation)

        assert not answer["user"]["email_verified"]
        assert box.taken[-1]["Subject"] == "Verify your email address for stepIQ"

    async def test_an_unverified_account_sends_no_mail(self, unverified):
        response = await unverified.post("/api/pipelines", json=MAILING)

        assert outcome(response) == (403, "email_unverified")

    async def test_one_by_the_operator_verifies(self, register, database):
        async with database.transaction() as session:
            invitation = await registration.invite(session, NEW["email"])

        answer = await register(invitation=invitation)

        assert answer["user"]["email_verified"]


class TestWithoutMailServer:
    @pytest.fixture
    def settings(self, settings):
        return settings.model_copy(update={"smtp_url": None})

    @pytest.mark.both_stores
    async def test_an_account_is_verified_at_once(self, register):
        assert (await register())["user"]["email_verified"]

    async def test_and_an_unverified_one_may_send_mail(self, unverified):
        assert (await unverified.post("/api/pipelines", json=MAILING)).status_code == 201

    async def test_nor_is_anything_else_refused(self, unverified):
        scheduled = QUIET | {"schedule": {"cron": "0 * * * *"}}
        answers = [
            await unverified.post("/api/pipelines", json=scheduled),
            await unverified.post("/api/workspace/service-keys", json={"name": "CI"}),
            await unverified.post("/api/workspace/invitations", json={"email": "eve@example.com"}),
            await unverified.post("/api/user/totp"),
        ]

        assert [answer.status_code for answer in answers] == [201, 201, 201, 200]


class TestRefusals:
    @pytest.mark.parametrize("definition", [MAILING, ASKING], ids=["deliveries", "reviews"])
    async def test_no_pipeline_that_sends_mail_is_saved(self, unverified, definition):
        quiet = (await unverified.post("/api/pipelines", json=QUIET)).json()

        created = await unverified.post("/api/pipelines", json=definition)
        changed = await unverified.put(f"/api/pipelines/{quiet['id']}", json=definition)

        for response in (created, changed):
            assert outcome(response) == (403, "email_unverified")

    async def test_nor_is_a_test_event_mailed(self, make, login):
        account = await make.user(is_verified=False)
        caller = await login(account)
        pipeline_id = await make.pipeline(account, source=json.dumps(MAILING))

        response = await caller.post(f"/api/pipelines/{pipeline_id}/deliveries/test")

        assert outcome(response) == (403, "email_unverified")

    async def test_nor_is_anyone_invited(self, unverified, box):
        body = {"email": "victim@example.com", "role": "viewer"}

        response = await unverified.post("/api/workspace/invitations", json=body)

        assert outcome(response) == (403, "email_unverified")
        assert box.taken == []

    @pytest.mark.both_stores
    async def test_no_service_key_is_created(self, unverified):
        response = await unverified.post("/api/workspace/service-keys", json={"name": "CI"})

        assert outcome(response) == (403, "email_unverified")

    async def test_no_two_factor_sign_in_is_turned_on(self, unverified):
        response = await unverified.post("/api/user/totp")

        assert outcome(response) == (403, "email_unverified")

    async def test_a_second_factor_that_was_begun_before_is_not_confirmed(
        self, make, app, login, database
    ):
        account = await make.user(is_verified=False)
        unverified = await login(account)
        opened = await make.session(account)
        async with database.transaction() as session:
            caller = actor(account, session_id=opened.session_id)
            made = await two_factor.begin(
                session, app.state.services.keyring, caller, base_url="http://example.com"
            )
        phone = Phone(account, made.secret)

        response = await unverified.post("/api/user/totp/confirm", json={"code": phone.code()})

        assert outcome(response) == (403, "email_unverified")

    @pytest.mark.both_stores
    async def test_no_schedule_is_created(self, unverified):
        pipeline = (await unverified.post("/api/pipelines", json=QUIET)).json()

        response = await unverified.post(
            f"/api/pipelines/{pipeline['id']}/schedules", json=EVERY_HOUR
        )

        assert outcome(response) == (403, "email_unverified")

    async def test_nor_with_a_personal_key(self, make, login_key):
        account = await make.user(is_verified=False)
        pipeline_id = await make.pipeline(account)
        program = await login_key(account)

        response = await program.post(f"/api/pipelines/{pipeline_id}/schedules", json=EVERY_HOUR)

        assert outcome(response) == (403, "email_unverified")

    async def test_nor_by_a_definition(self, unverified):
        quiet = (await unverified.post("/api/pipelines", json=QUIET)).json()
        scheduled = QUIET | {"schedule": {"cron": "0 * * * *"}}

        created = await unverified.post("/api/pipelines", json=scheduled)
        changed = await unverified.put(f"/api/pipelines/{quiet['id']}", json=scheduled)

        assert outcome(created) == (403, "email_unverified")
        assert outcome(changed) == (403, "email_unverified")

    async def test_a_schedule_can_be_disabled_but_not_enabled_or_changed(self, make, login):
        account = await make.user(is_verified=False)
        schedule_id = await make.schedule(account, await make.pipeline(account))
        unverified = await login(account)
        url = f"/api/schedules/{schedule_id}"

        moved = await unverified.patch(url, json={"cron": "* * * * *"})
        disabled = await unverified.post(f"{url}/disable")
        enabled = await unverified.post(f"{url}/enable")

        assert outcome(moved) == (403, "email_unverified")
        assert disabled.status_code == 200
        assert outcome(enabled) == (403, "email_unverified")

    async def test_a_personal_key_is_created(self, unverified):
        response = await unverified.post("/api/user/api-keys", json={"name": "Trial"})

        assert response.status_code == 201

    async def test_the_rest_works(self, unverified):
        saved = await unverified.post("/api/pipelines", json=QUIET)
        started = await unverified.post(f"/api/pipelines/{saved.json()['id']}/run", json={})

        assert (saved.status_code, started.status_code) == (201, 202)

    async def test_once_verified_it_may(self, make, login, client, app):
        account = await make.user(is_verified=False)
        caller = await login(account)
        await verify(client, app.state.doors.verification.token(account.id))

        assert (await caller.post("/api/pipelines", json=MAILING)).status_code == 201


class TestConfirm:
    @pytest.fixture
    async def account(self, make):
        return await make.user(is_verified=False)

    @pytest.fixture
    def token(self, app, account):
        return app.state.doors.verification.token(account.id)

    async def test_it_works_for_seven_days(self, client, token, clock):
        clock.advance(timedelta(days=7, seconds=-1))

        assert (await verify(client, token)).status_code == 200

    async def test_and_no_longer(self, client, token, clock):
        clock.advance(timedelta(days=7))

        response = await verify(client, token)

        assert outcome(response) == (422, "verification_invalid")

    @pytest.mark.parametrize(
        "forge", [lambda token: "A" * 64, lambda token: token[:-1] + "!", str.swapcase]
    )
    async def test_a_token_that_the_server_did_not_make_is_refused(self, client, token, forge):
        assert (await verify(client, forge(token))).status_code == 422

    async def test_such_a_token_does_not_wait_for_writers(self, client, database):
        async with database.transaction(), asyncio.timeout(20):
            response = await verify(client, "A" * 64)

        assert response.status_code == 422

    async def test_one_client_can_try_so_many_a_minute(self, client, token):
        for _ in range(http.LINKS_A_MINUTE):
            await verify(client, "bad")

        response = await verify(client, token)

        assert outcome(response) == (429, "too_many_attempts")

    async def test_a_disabled_account_is_not_verified(self, client, token, make, account):
        await make.disable(account)

        assert (await verify(client, token)).status_code == 422

    async def test_it_may_be_opened_twice(self, client, token):
        answers = [await verify(client, token) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]


class TestAgain:
    async def test_another_mail_can_be_sent_three_times_an_hour(self, unverified, app, box):
        url = "/api/user/verify-email"

        answers = [await unverified.post(url) for _ in range(MAILS_AN_HOUR + 1)]
        await app.state.doors.verification.settle()

        assert [answer.status_code for answer in answers] == [202] * MAILS_AN_HOUR + [429]
        assert len(box.taken) == MAILS_AN_HOUR

    async def test_all_accounts_of_a_mailbox_get_three_an_hour_together(
        self, register, make, login, app, box, clock
    ):
        for number in range(MAILS_AN_HOUR - 1):
            await register(email=f"ada+{number}@example.com")
        other = await make.user(email="ada@example.com", is_verified=False)

        again = await (await login(other)).post("/api/user/verify-email")
        refused = await (await login(other)).post("/api/user/verify-email")
        await app.state.doors.verification.settle()

        assert (again.status_code, outcome(refused)) == (202, (429, "too_many_attempts"))
        assert len(box.taken) == MAILS_AN_HOUR
        clock.advance(timedelta(hours=1))
        later = await (await login(other)).post("/api/user/verify-email")
        assert later.status_code == 202

    async def test_a_registration_beyond_that_works_without_an_email(self, register, box):
        for number in range(MAILS_AN_HOUR):
            await register(email=f"ada+{number}@example.com")

        with capture_logs() as logs:
            answer = await register(email="ada@example.com")

        assert answer["user"]["email_verified"] is False
        assert len(box.taken) == MAILS_AN_HOUR
        assert "verification_mail_held_back" in [line["event"] for line in logs]

    async def test_reset_emails_to_the_mailbox_do_not_show_in_the_answer(
        self, make, login, client, app, box
    ):
        await make.user(email="ada@example.com", is_verified=False)
        attacker = await make.user(email="ada+x@example.com", is_verified=False)
        for _ in range(MAILS_AN_HOUR):
            await client.post("/api/auth/forgot-password", json={"email": "ada@example.com"})
        await app.state.doors.recovery.settle()

        answer = await (await login(attacker)).post("/api/user/verify-email")
        await app.state.doors.verification.settle()

        assert answer.status_code == 202
        assert len(box.taken) == MAILS_AN_HOUR + 1

    async def test_a_verified_account_gets_none(self, owner, app, box):
        response = await owner.post("/api/user/verify-email")
        await app.state.doors.verification.settle()

        assert response.json()["email_verified"]
        assert box.taken == []

    async def test_a_reset_of_the_password_verifies_too(self, client, make, app, box, login):
        account = await make.user(email="ada@example.com", is_verified=False)
        await client.post("/api/auth/forgot-password", json={"email": account.email})
        await app.state.doors.recovery.settle()
        [token] = re.findall(r"#token=(\S+)", box.taken[0].get_content())

        await client.post("/api/auth/reset-password", json={"token": token, "password": PASSWORD})

        me = (await (await login(account)).get("/api/user/me")).json()
        assert me["email_verified"]
