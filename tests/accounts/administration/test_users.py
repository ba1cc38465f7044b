import asyncio

import pytest
from structlog.testing import capture_logs

from stepiq.accounts.administration import service
from stepiq.core import clock, ids
from stepiq.core.mail import Mailer
from tests.accounts.administration.conftest import USERS
from tests.support.clients import outcome
from tests.support.mail import mail_server
from tests.support.make_accounts import PASSWORD


class TestList:
    @pytest.mark.both_stores
    async def test_filters_find_users_by_text_and_state(self, admin, make):
        ada = await make.user(email="ada@example.com", name="Ada Löve")
        bob = await make.user(email="bob_b@example.com", name="Bob", is_disabled=True)

        async def found(query):
            response = await admin.get(f"{USERS}?{query}")
            assert response.status_code == 200
            return {each["email"] for each in response.json()["data"]}

        everyone = {"root@example.com", ada.email, bob.email}
        assert await found("") == everyone
        assert await found("q=ADA") == await found("q=löve") == {ada.email}
        assert await found("q=b_b") == {bob.email}
        assert await found("q=%25") == set()
        assert await found("disabled=true") == {bob.email}
        assert await found("disabled=false") == everyone - {bob.email}
        assert await found("is_admin=true&q=root") == {"root@example.com"}
        assert await found("email=ada@example.com") == {ada.email}

    @pytest.mark.both_stores
    async def test_a_name_is_found_in_any_case(self, admin, make):
        ada = await make.user(email="ada@example.com", name="ADA LÖVE")

        for wanted in ("löve", "LÖVE", "Lo\u0308ve"):
            response = await admin.get(USERS, params={"q": wanted})
            assert [each["email"] for each in response.json()["data"]] == [ada.email]

    @pytest.mark.both_stores
    async def test_it_comes_in_pages(self, admin, make):
        for _ in range(3):
            await make.user()

        first = (await admin.get(f"{USERS}?limit=2")).json()
        second = (await admin.get(f"{USERS}?limit=2&cursor={first['next_cursor']}")).json()

        seen = [each["id"] for each in first["data"] + second["data"]]
        assert (len(seen), second["next_cursor"]) == (4, None)
        assert seen == sorted(seen, reverse=True)

    async def test_others_are_refused(self, owner, client, login_key, administrator):
        key = await login_key(administrator)

        assert outcome(await owner.get(USERS)) == (403, "admin_required")
        assert outcome(await key.get(USERS)) == (403, "session_required")
        assert (await client.get(USERS)).status_code == 401


class TestGet:
    async def test_it_shows_workspaces_and_credentials(self, admin, owner, account, make, stranger):
        await make.api_key(account)
        await make.join(stranger, account)

        shown = (await admin.get(f"{USERS}/{account.id}")).json()

        assert (shown["sessions"], shown["api_keys"], shown["workspaces"]) == (1, 1, 1)
        assert shown["memberships"] == [
            {
                "id": str(account.workspace_id),
                "name": account.name,
                "role": "owner",
                "members": 2,
                "owners": 1,
            }
        ]

    async def test_an_unknown_user_is_not_found(self, admin):
        for method in ("get", "patch", "delete", "post"):
            body = {"data": "keep"} if method == "delete" else {}
            path = f"{USERS}/{ids.uuid7()}" + ("/reset" if method == "post" else "")
            json = None if method == "get" else body
            response = await admin.request(method.upper(), path, json=json)
            assert outcome(response) == (404, "user_not_found"), method


class TestChange:
    async def test_a_user_becomes_an_administrator_and_an_ordinary_user_again(
        self, admin, owner, account
    ):
        made = await admin.patch(f"{USERS}/{account.id}", json={"is_admin": True})
        can = await owner.get(USERS)
        unmade = await admin.patch(f"{USERS}/{account.id}", json={"is_admin": False})
        cannot = await owner.get(USERS)

        assert (made.json()["is_admin"], unmade.json()["is_admin"]) == (True, False)
        assert (can.status_code, outcome(cannot)) == (200, (403, "admin_required"))

    async def test_an_address_is_verified(self, admin, make):
        user = await make.user(is_verified=False)

        verified = await admin.patch(f"{USERS}/{user.id}", json={"email_verified": True})

        assert verified.json()["email_verified"] is True

    async def test_nothing_changes_without_a_field(self, admin, account):
        before = (await admin.get(f"{USERS}/{account.id}")).json()

        assert (await admin.patch(f"{USERS}/{account.id}", json={})).json() == before

    @pytest.mark.parametrize("change", [{"disabled": True}, {"is_admin": False}])
    async def test_administrators_do_not_change_themselves(self, admin, administrator, change):
        refused = await admin.patch(f"{USERS}/{administrator.id}", json=change)

        assert outcome(refused) == (409, "own_account")

    @pytest.mark.both_stores
    async def test_of_two_that_dismiss_each_other_one_remains(
        self, admin, administrator, make, login
    ):
        second = await make.user(is_admin=True)
        other = await login(second)

        found = await asyncio.gather(
            admin.patch(f"{USERS}/{second.id}", json={"is_admin": False}),
            other.patch(f"{USERS}/{administrator.id}", json={"disabled": True}),
        )

        assert min(each.status_code for each in found) == 200
        remaining = [
            client for client in (admin, other) if (await client.get(USERS)).status_code == 200
        ]
        assert len(remaining) == 1


class TestReset:
    async def test_the_link_sets_a_new_password_once(self, admin, account, client, owner):
        made = await admin.post(f"{USERS}/{account.id}/reset")
        token = made.json()["link"].partition("#token=")[2]

        used = await client.post(
            "/api/auth/reset-password", json={"token": token, "password": "a new password"}
        )
        again = await client.post(
            "/api/auth/reset-password", json={"token": token, "password": "another password"}
        )

        assert (made.status_code, made.json()["emailed"]) == (200, False)
        assert (used.status_code, again.status_code) == (200, 422)
        assert (await owner.get("/api/user/me")).status_code == 401
        login = {"email": account.email, "password": "a new password"}
        assert (await client.post("/api/auth/login", json=login)).status_code == 200

    async def test_the_log_says_why_it_was_not_emailed(self, account, settings):
        made = service.Reset(account.email, "https://example.com/#token=t", clock.now())
        async with mail_server() as box:
            box.refuse["MAIL"] = "553 not yours"
            url = f"smtp://127.0.0.1:{box.port}"
            mailer = Mailer(settings.model_validate({**settings.model_dump(), "smtp_url": url}))
            with capture_logs() as logs:
                is_sent = await service.send_reset(mailer, "https://example.com", made)

        assert not is_sent
        assert [line["event"] for line in logs] == ["password_link_unsent"]
        assert logs[0]["reason"].endswith("see STEPIQ_MAIL_FROM: 553 not yours")

    async def test_nothing_changes_before_and_a_second_link_replaces_the_first(
        self, admin, account, client, owner
    ):
        first = (await admin.post(f"{USERS}/{account.id}/reset")).json()
        await admin.post(f"{USERS}/{account.id}/reset")

        token = first["link"].partition("#token=")[2]
        refused = await client.post(
            "/api/auth/reset-password", json={"token": token, "password": "a new password"}
        )

        assert refused.status_code == 422
        assert (await owner.get("/api/user/me")).status_code == 200
        login = {"email": account.email, "password": PASSWORD}
        assert (await client.post("/api/auth/login", json=login)).status_code == 200

    async def test_a_repeated_request_with_a_key_gets_the_same_link(self, admin, account):
        path, headers = f"{USERS}/{account.id}/reset", {"Idempotency-Key": "once"}

        first = await admin.post(path, headers=headers)
        again = await admin.post(path, headers=headers)

        assert first.status_code == 200
        assert again.json() == first.json()
        assert again.headers["Idempotent-Replayed"] == "true"
