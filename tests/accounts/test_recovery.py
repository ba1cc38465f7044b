import asyncio
import json
import random
import re
from collections import Counter
from datetime import timedelta

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from stepiq.accounts.authentication.authenticator import Authenticator
from stepiq.accounts.emails import password_reset
from stepiq.accounts.errors import CredentialInvalid
from stepiq.accounts.keys import service as api_keys
from stepiq.core.mail import Mailer
from tests.support import loop_time
from tests.support.clients import login_key
from tests.support.mail import kept, mail_server
from tests.support.make_accounts import PASSWORD

__all__ = ["login_key"]

NEW = "a different horse"
RACES = 20


@pytest.fixture
def forget(client, app, settings):
    """Asks for a reset mail, and gives the tokens of all mails so far."""

    async def forget(email, **body):
        response = await client.post("/api/auth/forgot-password", json={"email": email, **body})
        await app.state.doors.recovery.settle()
        assert response.status_code == 202
        return [token_of(mail) for mail in kept(settings.data_dir)]

    return forget


def token_of(mail):
    match = re.search(r"/reset-password#token=([A-Za-z0-9_-]+)\n", mail.get_content())
    assert match
    return match[1]


def mailer(settings, box):
    url = SecretStr(f"smtp://127.0.0.1:{box.port}")
    return Mailer(settings.model_copy(update={"smtp_url": url}))


@pytest.fixture
def reset(client):
    async def reset(token, password=NEW):
        body = {"token": token, "password": password}
        return await client.post("/api/auth/reset-password", json=body)

    return reset


@pytest.fixture
def log_in(client, account):
    async def log_in(password):
        body = {"email": account.email, "password": password}
        return await client.post("/api/auth/login", json=body)

    return log_in


class TestAsk:
    async def test_a_mail_with_a_link_is_sent(self, forget, account, settings):
        [token] = await forget(f" {account.email.upper()}")

        [mail] = kept(settings.data_dir)
        assert mail["To"] == account.email
        assert f"{settings.base_url}/reset-password#token={token}" in mail.get_content()

    async def test_the_answer_is_the_same_for_everybody(self, client, account, make):
        disabled = await make.user(is_disabled=True)

        answers = [
            await client.post("/api/auth/forgot-password", json={"email": email})
            for email in (account.email, disabled.email, "nobody@example.com")
        ]

        assert len({(answer.status_code, answer.content) for answer in answers}) == 1

    async def test_nobody_else_gets_mail(self, forget, make):
        disabled = await make.user(is_disabled=True)

        assert await forget(disabled.email) == []
        assert await forget("nobody@example.com") == []

    async def test_an_account_gets_three_mails_an_hour(self, forget, account, clock):
        for _ in range(4):
            await forget(account.email)
        assert len(await forget(account.email)) == password_reset.MAILS_AN_HOUR

        clock.advance(timedelta(hours=1))

        assert len(await forget(account.email)) == password_reset.MAILS_AN_HOUR + 1

    async def test_unverified_addresses_of_one_mailbox_get_three_mails_an_hour_together(
        self, forget, make, clock
    ):
        emails = [f"ada+{number}@example.com" for number in range(password_reset.MAILS_AN_HOUR + 1)]
        for email in emails:
            await make.user(email=email, is_verified=False)
        for email in emails:
            await forget(email)
        assert len(await forget(emails[-1])) == password_reset.MAILS_AN_HOUR

        clock.advance(timedelta(hours=1))

        assert len(await forget(emails[-1])) == password_reset.MAILS_AN_HOUR + 1

    async def test_they_do_not_use_up_the_limit_of_a_verified_one(self, forget, make):
        await make.user(email="ada+x@example.com", is_verified=False)
        await make.user(email="ada@example.com")
        for _ in range(password_reset.MAILS_AN_HOUR):
            await forget("ada+x@example.com")

        assert len(await forget("ada@example.com")) == password_reset.MAILS_AN_HOUR + 1

    async def test_a_client_that_asks_for_very_many_is_not_served(
        self, forget, client, account, monkeypatch, app
    ):
        monkeypatch.setattr(app.state.doors.recovery._asked, "limit", 2)
        await forget("a@example.com")
        await forget("b@example.com")

        assert await forget(account.email) == []

    async def test_a_neighbor_who_repeats_a_request_does_not_use_up_the_limit(
        self, forget, account, monkeypatch, app
    ):
        recovering = app.state.doors.recovery
        monkeypatch.setattr(recovering._asked, "limit", 3)
        monkeypatch.setattr(recovering._asked_for_address, "limit", 2)
        for _ in range(10):
            await forget("neighbor@example.com")

        assert len(await forget(account.email)) == 1

    async def test_a_neighbor_who_uses_up_the_limit_does_not_block_an_account_that_knows_the_client(
        self, forget, account, log_in, make, monkeypatch, app
    ):
        monkeypatch.setattr(app.state.doors.recovery._asked, "limit", 1)
        stranger = await make.user()
        assert (await log_in(PASSWORD)).status_code == 200
        await forget("neighbor@example.com")

        assert await forget(stranger.email) == []
        assert len(await forget(account.email)) == 1

    async def test_few_requests_over_the_limit_are_pending(
        self, client, app, settings, make, monkeypatch
    ):
        recovering = app.state.doors.recovery
        monkeypatch.setattr(recovering._asked, "limit", 0)
        # The pause before an email.
        monkeypatch.setattr(random, "uniform", lambda *_: 60)

        for number in range(51):
            body = {"email": f"{number}@example.com"}
            await client.post("/api/auth/forgot-password", json=body)

        assert recovering._mail.under_way == 50
        await recovering.settle()
        assert recovering._over_limit == 0

    async def test_it_goes_without_being_hurried(self, client, account, services, app):
        async with mail_server() as box:
            recovering = app.state.doors.recovery
            recovering._mail._mailer = mailer(services.settings, box)
            await client.post("/api/auth/forgot-password", json={"email": account.email})
            async with asyncio.timeout(30):
                await box.arrived.wait()
            await recovering.settle()

        assert box.recipients == [account.email]

    @pytest.mark.both_stores
    async def test_what_could_not_be_sent_does_not_count_and_is_logged_without_the_token(
        self, forget, app, account, services
    ):
        recovering, seen = app.state.doors.recovery, []

        def quote(mail):
            seen.append(token_of(mail))
            return f"554 blocked https://x/reset-password#token={seen[-1]}"

        working = recovering._mail._mailer
        async with mail_server() as box:
            box.judge = quote
            recovering._mail._mailer = mailer(services.settings, box)
            with capture_logs() as logs:
                for _ in range(4):
                    await forget(account.email)
        recovering._mail._mailer = working

        assert len(seen) == 4
        warnings = [line for line in logs if line["log_level"] == "warning"]
        assert {line["event"] for line in warnings} == {"account_mail_unsent"}
        assert {line["reason"] for line in warnings} == {
            "The mail server refused the email with code 554. Its answer is left out, because it may contain the link."
        }
        assert not any(token in json.dumps(logs, default=str) for token in seen)
        assert len(await forget(account.email)) == 1

    @pytest.mark.both_stores
    async def test_a_store_that_is_away_is_logged(self, forget, app, account, monkeypatch):
        from stepiq.store.database import StoreUnavailable

        async def away(*_):
            raise StoreUnavailable("away")

        monkeypatch.setattr(password_reset.account_queries, "account_by_email", away)
        with capture_logs() as logs:
            await forget(account.email)

        assert {"event": "account_mail_failed", "code": "store_unavailable"}.items() <= max(
            logs, key=lambda line: line["event"] == "account_mail_failed"
        ).items()

    async def test_a_stopping_server_does_not_wait_for_ever(
        self, client, app, account, monkeypatch
    ):
        started = asyncio.Event()

        async def hang(_message):
            started.set()
            await asyncio.Event().wait()

        recovering = app.state.doors.recovery
        monkeypatch.setattr(recovering._mail._mailer, "send", hang)
        await client.post("/api/auth/forgot-password", json={"email": account.email})
        await started.wait()
        loop_time.quicken(10)

        with capture_logs() as logs:
            await recovering.settle()

        assert [line["event"] for line in logs] == ["account_mail_given_up"]
        assert recovering._mail.under_way == 0


class TestReset:
    async def test_a_person_without_a_workspace_sets_a_password_and_returns(
        self, forget, reset, client, owner, make, account
    ):
        member = await make.member(account, email="eve@example.com")
        await owner.delete(f"/api/workspace/members/{member.id}")
        [token] = await forget("eve@example.com")

        response = await reset(token)

        assert response.status_code == 200
        made = await owner.post("/api/workspace/invitations", json={"email": "eve@example.com"})
        invitation = made.json()["url"].partition("=")[2]
        body = {"email": "eve@example.com", "password": NEW, "invitation": invitation}
        assert (await client.post("/api/auth/login", json=body)).status_code == 200

    async def test_it_sets_the_password_and_ends_all_sessions(
        self, forget, reset, owner, account, log_in, make
    ):
        await make.session(account)
        assert (await owner.get("/api/user/me")).status_code == 200
        [token] = await forget(account.email)

        response = await reset(token)

        assert response.status_code == 200
        assert response.json() == {"sessions_ended": 2, "api_keys_revoked": 0}
        assert (await owner.get("/api/user/me")).status_code == 401
        assert (await log_in(PASSWORD)).status_code == 401
        assert (await log_in(NEW)).status_code == 200

    async def test_it_revokes_the_keys_of_the_account_and_the_mail_says_so(
        self, forget, reset, account, stranger, login_key, settings
    ):
        keys = [await login_key(account) for _ in range(2)]
        other = await login_key(stranger)
        [token] = await forget(account.email)

        response = await reset(token)

        assert response.json()["api_keys_revoked"] == 2
        assert [(await key.get("/api/pipelines")).status_code for key in keys] == [401, 401]
        assert (await other.get("/api/pipelines")).status_code == 200
        assert (
            "revokes all its personal API keys, in all workspaces"
            in kept(settings.data_dir)[0].get_content()
        )

    async def test_a_session_that_it_ended_creates_no_key_in_a_process_that_still_trusts_it(
        self, forget, reset, owner, account, app, database
    ):
        elsewhere = Authenticator(database, app.state.doors.tokens)
        await elsewhere.authenticate(owner.headers["Authorization"], None)
        [token] = await forget(account.email)
        await reset(token)
        trusted = await elsewhere.authenticate(owner.headers["Authorization"], None)

        plan = app.state.services.plans.get("unlimited")

        with pytest.raises(CredentialInvalid):
            async with database.transaction() as session:
                await api_keys.create(
                    session,
                    trusted,
                    api_keys.personal(trusted),
                    name="Persistent",
                    scopes=None,
                    expires_at=None,
                    plan=plan,
                )

    async def test_a_token_counts_once_and_only_the_latest_password_does(
        self, forget, reset, account
    ):
        first, second = (await forget(account.email), await forget(account.email))[1]

        assert (await reset(second)).status_code == 200
        for token in (first, second):
            response = await reset(token)
            assert (response.status_code, response.json()["code"]) == (422, "reset_invalid")

    async def test_unknown_and_expired_tokens_get_the_same_answer(
        self, forget, reset, account, clock
    ):
        [token] = await forget(account.email)
        clock.advance(password_reset.RESET_LIFETIME)

        expired, unknown = (await reset(token)).json(), (await reset("x")).json()

        expired.pop("request_id")
        unknown.pop("request_id")
        assert expired == unknown
        assert expired["code"] == "reset_invalid"

    async def test_a_disabled_account_cannot(self, forget, reset, account, make):
        [token] = await forget(account.email)
        await make.disable(account)

        assert (await reset(token)).json()["code"] == "reset_invalid"

    async def test_a_short_password_leaves_the_token_as_it_was(self, forget, reset, account):
        [token] = await forget(account.email)

        assert (await reset(token, "short")).status_code == 422
        assert (await reset(token)).status_code == 200

    async def test_a_changed_password_makes_tokens_useless(self, forget, reset, owner, account):
        [token] = await forget(account.email)
        body = {"current_password": PASSWORD, "new_password": NEW}
        assert (await owner.post("/api/user/password", json=body)).status_code == 200

        assert (await reset(token)).json()["code"] == "reset_invalid"

    @pytest.mark.slow
    @pytest.mark.both_stores
    async def test_of_many_at_once_one_wins(self, forget, reset, account, clock):
        outcomes = Counter()
        for _ in range(RACES):
            clock.advance(timedelta(hours=1))
            token = (await forget(account.email))[-1]
            answers = await asyncio.gather(*(reset(token) for _ in range(3)))
            outcomes[tuple(sorted(answer.status_code for answer in answers))] += 1

        assert outcomes == {(200, 422, 422): RACES}

    async def test_it_lets_in_who_had_too_many_attempts(self, forget, reset, account, log_in):
        for _ in range(10):
            await log_in("wrong")
        assert (await log_in(PASSWORD)).status_code == 429
        [token] = await forget(account.email)

        await reset(token)

        assert (await log_in(NEW)).status_code == 200

    async def test_neither_token_nor_password_is_logged(self, forget, reset, account, log_in):
        with capture_logs() as logs:
            [token] = await forget(account.email)
            await reset(token)
            await log_in(NEW)
            await log_in("not this horse")

        text = json.dumps(logs, default=str)
        assert len(logs) >= 4
        for secret in (token, NEW, "not this horse"):
            assert secret not in text
