"""Which account an identity signs in to, and what its groups give."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from stepiq.accounts.audit.records import OPERATOR
from stepiq.accounts.oidc import service
from stepiq.accounts.sessions import service as sessions
from stepiq.accounts.signing_in import takeover
from tests.accounts.oidc.conftest import NAME, Browser, failure, log_in, opened
from tests.support.clients import outcome
from tests.support.locks import until_one_waits
from tests.support.mail import kept

pytestmark = pytest.mark.usefixtures("account")

EMAIL = "ada@example.com"


@pytest.fixture
async def other_browser(app, services):
    """A browser of the same person, for a session with a password."""
    browser = Browser(app, services.settings)
    yield browser
    await browser.close()


async def my_id(browser):
    return (await browser.client.get("/api/user/me")).json()["id"]


class TestFirstSignIn:
    async def test_an_account_with_a_password_is_not_taken_over(
        self, false_provider, browser, make
    ):
        await make.user(email=EMAIL)

        answer = await browser.sign_in()

        assert failure(answer) == "account_exists"
        assert (await browser.client.get("/api/user/me")).status_code == 401

    async def test_nor_is_an_account_with_another_identity(self, false_provider, browser):
        opened(await browser.sign_in())
        false_provider.claims = {"sub": "another person"}

        assert failure(await browser.sign_in()) == "account_exists"

    async def test_an_account_that_nobody_can_sign_in_to_is_connected(
        self, false_provider, browser, database
    ):
        opened(await browser.sign_in())
        first = await my_id(browser)
        async with database.transaction() as session:
            await service.disconnect_all(session, OPERATOR, UUID(first))
        false_provider.claims = {"sub": "with a new subject"}

        opened(await browser.sign_in())

        assert await my_id(browser) == first

    @pytest.mark.parametrize(
        "claims",
        [
            {"email": None, "email_verified": None},
            {"email": "not an address"},
            {"email": 5},
            {"email_verified": False},
            {"email_verified": "false"},
            {"email_verified": None},
            {"email_verified": 1},
        ],
    )
    @pytest.mark.one_store
    async def test_the_address_must_be_verified(self, false_provider, browser, claims):
        from starlette.responses import JSONResponse

        false_provider.claims = claims
        false_provider.answers["/userinfo"] = lambda: JSONResponse({"sub": "ada"})

        assert failure(await browser.sign_in()) == "email_not_verified"

    @pytest.mark.one_store
    async def test_the_operator_can_vouch_for_addresses_without_the_claim(
        self, false_provider, configure, browser
    ):
        await configure(false_provider.settings(assume_verified_email=True))
        false_provider.claims = {"email_verified": False}
        refused = await browser.sign_in()
        false_provider.claims = {"email_verified": None}

        accepted = await browser.sign_in()

        assert failure(refused) == "email_not_verified"
        assert opened(accepted) == "/"

    @pytest.mark.one_store
    async def test_without_creation_a_stranger_has_no_account(
        self, false_provider, configure, browser
    ):
        await configure(false_provider.settings(create_accounts=False))

        assert failure(await browser.sign_in()) == "no_account"

    async def test_a_disabled_account_is_refused(self, false_provider, browser, make):
        await make.user(email=EMAIL, is_disabled=True)

        assert failure(await browser.sign_in()) == "account_disabled"

    async def test_so_is_a_disabled_account_with_an_identity(
        self, false_provider, browser, app, services, database
    ):
        from stepiq.accounts.authentication import disabling

        await browser.sign_in()
        async with database.transaction() as session:
            await disabling.disable(session, UUID(await my_id(browser)))

        assert failure(await browser.sign_in()) == "account_disabled"

    @pytest.mark.one_store
    async def test_other_domains_are_refused_at_every_sign_in(
        self, false_provider, configure, browser
    ):
        await configure(false_provider.settings(allowed_domains=["Example.com"]))
        opened(await browser.sign_in())
        false_provider.claims = {"email": "ada@evil-example.com"}

        assert failure(await browser.sign_in()) == "domain_not_allowed"


class TestEmptyServer:
    @pytest.fixture
    def account(self):
        """No account."""

    async def test_the_first_account_does_not_come_from_a_provider(self, false_provider, browser):
        assert failure(await browser.sign_in()) == "setup_required"


class TestPasswords:
    async def test_an_account_of_a_provider_has_none(self, false_provider, browser, client):
        opened(await browser.sign_in())

        answers = [
            await client.post("/api/session", json={"email": EMAIL, "password": password})
            for password in ("", " ", "x", "wrong horse battery")
        ]

        assert {each.status_code for each in answers} == {401}

    async def test_it_gets_no_email_to_set_one(
        self, false_provider, browser, client, app, services
    ):
        opened(await browser.sign_in())

        await client.post("/api/auth/forgot-password", json={"email": EMAIL})
        await app.state.doors.recovery.settle()

        assert kept(services.settings.data_dir) == []


class TestConnect:
    async def test_a_person_with_a_session_connects_an_identity_of_any_address(
        self, false_provider, browser, make
    ):
        account = await make.user(email="ada@old.example")
        await log_in(browser, account.email)

        answer = await browser.sign_in(next="/settings/profile", connect="true")
        await browser.client.delete(
            "/api/session",
            headers={
                "X-CSRF-Token": (await browser.client.get("/api/session")).json()["csrf_token"]
            },
        )
        opened(await browser.sign_in())

        assert opened(answer) == "/settings/profile"
        assert await my_id(browser) == str(account.id)

    @pytest.mark.one_store
    async def test_the_person_gets_an_email(self, false_provider, browser, account, app, settings):
        await log_in(browser, account.email)
        opened(await browser.sign_in(connect="true"))
        await app.state.doors.notices.settle()

        (mail,) = kept(settings.data_dir)
        assert mail["To"] == account.email
        assert f"An identity of {NAME} was connected" in mail.get_content()

    @pytest.mark.one_store
    async def test_without_a_session_nothing_starts(self, false_provider, browser):
        answer = await browser.start(connect="true")

        assert failure(answer) == "signed_out"
        assert answer.headers["location"].startswith("/settings/profile?")

    @pytest.mark.one_store
    async def test_a_page_of_another_site_cannot_start_it(self, false_provider, browser, account):
        await log_in(browser, account.email)
        browser.client.headers["Sec-Fetch-Site"] = "cross-site"

        assert failure(await browser.start(connect="true")) == "signed_out"

    async def test_a_session_that_has_ended_connects_nothing(
        self, false_provider, browser, account
    ):
        headers = await log_in(browser, account.email)
        path = await browser.come_back(connect="true")
        await browser.client.delete("/api/session", headers=headers)

        assert failure(await browser.client.get(path)) == "signed_out"

    @pytest.mark.both_stores
    async def test_nor_one_that_ends_while_the_person_comes_back(
        self, false_provider, browser, account, database
    ):
        await log_in(browser, account.email)
        path = await browser.come_back(connect="true")
        async with database.transaction() as session:
            await sessions.end_all(session, account.id)
            returning = asyncio.create_task(browser.client.get(path))
            await until_one_waits(database)

        assert failure(await returning) == "signed_out"

    async def test_an_old_session_connects_nothing(self, false_provider, browser, account, clock):
        await log_in(browser, account.email)
        clock.advance(timedelta(minutes=16))

        assert failure(await browser.sign_in(connect="true")) == "sign_in_too_old"

    async def test_an_identity_has_one_account(
        self, false_provider, browser, other_browser, account
    ):
        opened(await browser.sign_in())
        await log_in(other_browser, account.email)

        assert failure(await other_browser.sign_in(connect="true")) == "connected_elsewhere"


@pytest.mark.both_stores
class TestReset:
    async def test_a_sign_in_that_waits_for_the_reset_is_refused(
        self, false_provider, browser, account, database, make
    ):
        await log_in(browser, account.email)
        opened(await browser.sign_in(connect="true"))
        path, token = await browser.come_back(), await make.reset(account)
        async with database.transaction() as session:
            await takeover.reset_password(session, token, new_hash="new")
            returning = asyncio.create_task(browser.client.get(path))
            await until_one_waits(database)

        assert failure(await returning) == "account_exists"

    async def test_a_new_password_suspends_identities_until_they_are_connected_again(
        self, false_provider, browser, account, make, client
    ):
        new = "another horse battery"
        await log_in(browser, account.email)
        opened(await browser.sign_in(connect="true"))
        token = await make.reset(account)
        body = {"token": token, "password": new}
        assert (await client.post("/api/auth/reset-password", json=body)).status_code == 200

        refused = await browser.sign_in()
        login = {"email": account.email, "password": new}
        assert (await browser.client.post("/api/session", json=login)).status_code == 200
        listed = (await browser.client.get("/api/user/identities")).json()["data"]
        opened(await browser.sign_in(connect="true"))

        assert failure(refused) == "account_exists"
        assert [each["suspended"] for each in listed] == [True]
        assert opened(await browser.sign_in()) == "/"


class TestInvitations:
    """The provider has verified the address, so the person does not need the link."""

    @pytest.fixture
    def without_roles(self, false_provider, configure):
        """The provider creates no accounts, and its groups give no role."""

        async def without_roles(**table):
            groups = {"eng": {"role": "admin", "workspace": "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"}}
            await configure(false_provider.settings(groups=groups, **table))

        return without_roles

    async def test_a_new_person_joins_the_workspaces_of_the_invitations(
        self, without_roles, browser, make, account, stranger, accounts
    ):
        await without_roles(create_accounts=False)
        for owner in (account, stranger):
            await make.invitation(owner, EMAIL)

        opened(await browser.sign_in())

        assert await accounts.roles(EMAIL) == {
            account.workspace_id: "viewer",
            stranger.workspace_id: "viewer",
        }

    async def test_so_does_a_person_without_a_workspace(
        self, without_roles, configure, false_provider, browser, make, account, accounts
    ):
        workspace = await make.workspace()
        await configure(false_provider.settings(workspace=str(workspace), role="editor"))
        opened(await browser.sign_in())
        await without_roles()
        refused = await browser.sign_in()
        await make.invitation(account, EMAIL)

        opened(await browser.sign_in())

        assert failure(refused) == "no_role"
        assert await accounts.roles(EMAIL) == {account.workspace_id: "viewer"}

    async def test_one_that_has_expired_gives_nothing(
        self, without_roles, browser, make, account, clock
    ):
        await without_roles()
        await make.invitation(account, EMAIL)
        clock.advance(timedelta(days=8))

        assert failure(await browser.sign_in()) == "no_role"

    async def test_nor_one_of_another_address(self, without_roles, browser, make, account):
        await without_roles()
        await make.invitation(account, "eve@example.com")

        assert failure(await browser.sign_in()) == "no_role"

    async def test_a_person_with_a_workspace_decides(
        self, false_provider, browser, make, account, accounts
    ):
        opened(await browser.sign_in())
        before = await accounts.roles(EMAIL)
        await make.invitation(account, EMAIL)

        opened(await browser.sign_in())

        assert await accounts.roles(EMAIL) == before


class TestIdentities:
    async def test_they_are_listed(self, false_provider, browser):
        await browser.sign_in()

        body = (await browser.client.get("/api/user/identities")).json()

        assert body["has_password"] is False
        assert [(each["provider"], each["email"]) for each in body["data"]] == [(NAME, EMAIL)]
        assert body["data"][0]["provider_name"] == NAME

    async def test_the_only_way_to_sign_in_stays(self, false_provider, browser):
        await browser.sign_in()
        session = (await browser.client.get("/api/session")).json()
        identity = (await browser.client.get("/api/user/identities")).json()["data"][0]["id"]

        answer = await browser.client.delete(
            f"/api/user/identities/{identity}", headers={"X-CSRF-Token": session["csrf_token"]}
        )

        assert outcome(answer) == (409, "last_sign_in_method")

    @pytest.mark.both_stores
    async def test_with_a_password_one_can_be_disconnected_with_what_it_gives(
        self, false_provider, configure, browser, make, accounts
    ):
        account, workspace = await make.user(), await make.workspace()
        await configure(false_provider.settings(workspace=str(workspace), role="operator"))
        headers = await log_in(browser, account.email)
        await browser.sign_in(connect="true")
        before = await accounts.roles(account.email)
        identity = (await browser.client.get("/api/user/identities")).json()["data"][0]["id"]

        answer = await browser.client.delete(f"/api/user/identities/{identity}", headers=headers)

        assert answer.json() == {"id": identity, "deleted": True}
        assert before == {account.workspace_id: "owner", workspace: "operator"}
        assert await accounts.roles(account.email) == {account.workspace_id: "owner"}

    async def test_those_of_others_do_not_exist(
        self, false_provider, browser, other_browser, account
    ):
        await browser.sign_in()
        identity = (await browser.client.get("/api/user/identities")).json()["data"][0]["id"]
        headers = await log_in(other_browser, account.email)

        answer = await other_browser.client.delete(
            f"/api/user/identities/{identity}", headers=headers
        )

        assert outcome(answer) == (404, "identity_not_found")


class TestProviders:
    @pytest.mark.one_store
    async def test_without_one_the_list_is_empty(self, client):
        assert (await client.get("/api/auth/providers")).json()["data"] == []

    @pytest.mark.one_store
    async def test_the_list_has_what_the_sign_in_page_shows(
        self, false_provider, configure, client
    ):
        await configure(false_provider.settings(name="The company"))

        response = await client.get("/api/auth/providers")

        assert response.json() == {
            "data": [
                {
                    "id": NAME,
                    "name": "The company",
                    "start_path": f"/api/auth/oidc/{NAME}/start",
                }
            ],
            "needs_setup": False,
        }

    @pytest.mark.one_store
    @pytest.mark.parametrize("end", ["start", "callback"])
    async def test_an_unknown_one_leads_to_the_sign_in_page(self, client, end):
        answer = await client.get(f"/api/auth/oidc/nobody/{end}", params={"next": "/runs"})

        assert failure(answer) == "provider_unknown"
        assert answer.headers["location"].startswith("/login?")


class TestSessions:
    async def test_they_end_even_if_they_are_used(self, false_provider, configure, browser, clock):
        await configure(false_provider.settings(session_hours=48))
        await browser.sign_in()
        answers = []
        for _ in range(4):
            answers.append(await browser.client.get("/api/session"))
            clock.advance(timedelta(hours=20))

        assert [each.status_code for each in answers] == [200, 200, 200, 401]
        assert len({each.json()["expires_at"] for each in answers[:3]}) == 1
        assert not any("set-cookie" in each.headers for each in answers)
