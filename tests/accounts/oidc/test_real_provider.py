"""Sign-ins with a certified provider, the npm package `oidc-provider`, as a separate process."""

from datetime import timedelta

import pytest

from stepiq.accounts.oidc.http import LIFETIME, OIDC, OidcServices
from tests.accounts.oidc.conftest import ada, failure, opened

pytestmark = pytest.mark.usefixtures("account")


class TestFirstSignIn:
    async def test_it_creates_an_account_and_opens_the_page(self, provider, browser, accounts):
        answer = await browser.sign_in(next="/runs?status=failed")

        session = await browser.client.get("/api/session")
        user = session.json()["user"]
        assert opened(answer) == "/runs?status=failed"
        assert (user["email"], user["name"]) == ("ada@example.com", "Ada Lovelace")
        assert user["email_verified"] is True
        assert list((await accounts.roles("ada@example.com")).values()) == ["owner"]

    async def test_the_second_one_finds_the_account_also_with_another_address(
        self, provider, browser
    ):
        await browser.sign_in()
        first = (await browser.client.get("/api/user/me")).json()
        await provider.sign_in("ada-1", **ada(email="ada.king@example.com"))

        await browser.sign_in()

        identities = (await browser.client.get("/api/user/identities")).json()
        assert (await browser.client.get("/api/user/me")).json()["id"] == first["id"]
        assert [each["email"] for each in identities["data"]] == ["ada.king@example.com"]

    @pytest.mark.one_store
    async def test_claims_can_come_from_the_userinfo_endpoint(
        self, settings, configure, browser, make, accounts
    ):
        from stepiq.accounts.oidc.http import callback_url
        from tests.accounts.oidc.conftest import NAME
        from tests.support.oidc_process import running_oidc_provider

        workspace = await make.workspace()
        async with running_oidc_provider(callback_url(settings, NAME), userinfo=True) as provider:
            groups = {"eng": {"role": "editor", "workspace": str(workspace)}}
            await configure(provider.settings(groups=groups))
            await provider.sign_in("ada-1", **ada(groups=["eng"]))

            opened(await browser.sign_in())

        assert await accounts.roles("ada@example.com") == {workspace: "editor"}


class TestGroups:
    @pytest.fixture
    async def workspace(self, provider, configure, make):
        """A workspace in which two groups have a role."""
        workspace = await make.workspace()
        groups = {
            "eng": {"role": "editor", "workspace": str(workspace)},
            "support": {"role": "operator", "workspace": str(workspace)},
        }
        await configure(provider.settings(groups=groups))
        await provider.sign_in("ada-1", **ada(groups=["eng", "others"]))
        return workspace

    async def test_a_group_gives_a_role(self, workspace, browser, accounts):
        opened(await browser.sign_in())

        assert await accounts.roles("ada@example.com") == {workspace: "editor"}

    async def test_another_group_changes_the_role(self, workspace, provider, browser, accounts):
        await browser.sign_in()
        await provider.sign_in("ada-1", **ada(groups=["support"]))

        opened(await browser.sign_in())

        assert await accounts.roles("ada@example.com") == {workspace: "operator"}

    async def test_without_the_group_the_membership_and_all_access_end(
        self, workspace, provider, browser, accounts
    ):
        await browser.sign_in()
        await provider.sign_in("ada-1", **ada(groups=["others"]))

        answer = await browser.sign_in()

        assert failure(answer) == "no_role"
        assert "stepiq_session" not in answer.headers["set-cookie"]
        assert await accounts.roles("ada@example.com") == {}
        assert (await browser.client.get("/api/runs")).status_code == 401

    async def test_back_in_the_group_the_person_can_sign_in_again(
        self, workspace, provider, browser, accounts
    ):
        await browser.sign_in()
        await provider.sign_in("ada-1", **ada(groups=[]))
        await browser.sign_in()
        await provider.sign_in("ada-1", **ada(groups=["eng"]))

        opened(await browser.sign_in())

        assert await accounts.roles("ada@example.com") == {workspace: "editor"}

    async def test_a_person_without_a_mapped_group_gets_no_account(
        self, workspace, provider, browser, accounts
    ):
        await provider.sign_in("bob-1", **ada(email="bob@example.com"))

        assert failure(await browser.sign_in()) == "no_role"
        assert await accounts.is_admin("bob@example.com") is None


class TestRefusals:
    async def test_the_same_return_does_not_work_twice(self, provider, browser):
        path = await browser.come_back()
        cookies = dict(browser.client.cookies)
        first = await browser.client.get(path)
        browser.client.cookies.update(cookies)

        assert opened(first) == "/"
        assert failure(await browser.client.get(path)) == "expired"

    async def test_nor_in_another_process(self, provider, browser, app, services):
        path = await browser.come_back()
        cookies = dict(browser.client.cookies)
        await browser.client.get(path)
        browser.client.cookies.update(cookies)
        await OIDC.get(app).close()
        OIDC.set(app, OidcServices.build(services, app.state.doors.jwt_secret))

        assert failure(await browser.client.get(path)) == "expired"

    @pytest.mark.one_store
    async def test_a_new_sign_in_does_not_accept_the_code_of_an_old_one(self, provider, browser):
        old = await browser.come_back()
        await browser.client.get(old)
        state = (await browser.come_back()).partition("state=")[2].partition("&")[0]
        forged = old.replace(old.partition("state=")[2].partition("&")[0], state)

        assert failure(await browser.client.get(forged)) == "expired"

    @pytest.mark.one_store
    async def test_another_browser_cannot_complete_the_sign_in(self, provider, browser, client):
        path = await browser.come_back()

        answer = await client.get(path)

        assert failure(answer) == "expired"
        assert "stepiq_session" not in answer.headers.get("set-cookie", "")

    @pytest.mark.one_store
    async def test_it_expires_after_ten_minutes(self, provider, browser, clock):
        path = await browser.come_back()
        clock.advance(LIFETIME + timedelta(seconds=1))

        assert failure(await browser.client.get(path)) == "expired"

    @pytest.mark.one_store
    async def test_an_old_token_has_expired(self, provider, browser, clock):
        # The server's clock is two hours ahead of the provider's.
        clock.advance(timedelta(hours=2))

        assert failure(await browser.sign_in()) == "token_invalid"

    @pytest.mark.one_store
    async def test_a_person_can_decline(self, provider, browser):
        await provider.decline()

        assert failure(await browser.sign_in()) == "denied"

    @pytest.mark.one_store
    async def test_the_issuer_must_be_spelled_as_the_provider_does(
        self, provider, configure, browser
    ):
        other = provider.issuer.replace("127.0.0.1", "localhost")
        await configure(provider.settings(issuer=other))

        assert failure(await browser.start()) == "wrong_issuer"

    @pytest.mark.one_store
    async def test_a_wrong_secret_is_a_fault_of_the_configuration(
        self, provider, configure, browser
    ):
        await configure(provider.settings(client_secret="wrong"))

        assert failure(await browser.sign_in()) == "provider_misconfigured"


class TestKeys:
    @pytest.mark.one_store
    async def test_a_new_key_of_the_provider_is_fetched(self, provider, browser):
        opened(await browser.sign_in())
        await provider.rotate_key()

        assert opened(await browser.sign_in()) == "/"
