from datetime import timedelta

import pytest

from stepiq.accounts import service
from stepiq.accounts.authentication.authenticator import Authenticator
from stepiq.accounts.errors import AccountNotFound, CredentialInvalid, NoWorkspace
from stepiq.core import ids
from stepiq.core.settings.model import RegistrationPolicy
from stepiq.store.states import Role
from tests.support.clients import login, login_key, login_service_key, outcome

__all__ = ["login", "login_key", "login_service_key"]


@pytest.fixture
async def member(make, account):
    """A member of the workspace of `account`."""

    async def member(role=Role.EDITOR, **user):
        return await make.member(account, role, **user)

    return member


class TestWorkspaces:
    async def test_the_first_is_the_default(self, login, make, account, stranger):
        joined = await make.join(stranger, account, Role.VIEWER)
        client = await login(stranger)

        [own, other] = (await client.get("/api/workspaces")).json()["data"]
        me = (await client.get("/api/user/me")).json()

        assert (own["id"], own["role"]) == (str(stranger.workspace_id), "owner")
        assert (other["id"], other["role"]) == (str(joined), "viewer")
        assert (me["workspace"]["id"], me["role"]) == (own["id"], "owner")

    async def test_a_header_names_another_one(self, login, make, account, stranger):
        await make.join(stranger, account, Role.VIEWER)
        client = await login(stranger)
        headers = {"X-Workspace": str(account.workspace_id)}

        me = (await client.get("/api/user/me", headers=headers)).json()

        assert (me["workspace"]["id"], me["role"]) == (str(account.workspace_id), "viewer")

    @pytest.mark.parametrize("named", ["0192f0c0-9e2b-7b76-be9f-a1402c6f8d08", "mine", "stranger"])
    async def test_a_foreign_or_unknown_one_is_not_found(self, owner, stranger, named):
        named = str(stranger.workspace_id) if named == "stranger" else named

        response = await owner.get("/api/pipelines", headers={"X-Workspace": named})

        assert outcome(response) == (404, "workspace_not_found")

    async def test_a_key_works_in_its_own_workspace_only(self, login_key, make, account, stranger):
        await make.join(stranger, account)
        client = await login_key(stranger)
        own, other = str(stranger.workspace_id), str(account.workspace_id)

        assert (await client.get("/api/pipelines", headers={"X-Workspace": own})).status_code == 200
        response = await client.get("/api/pipelines", headers={"X-Workspace": other})
        assert outcome(response) == (404, "workspace_not_found")

    async def test_an_administrator_creates_one(self, login, make, settings):
        settings.registration = RegistrationPolicy.INVITE
        client = await login(await make.user(is_admin=True))

        created = (await client.post("/api/workspaces", json={"name": "Team"})).json()

        headers = {"X-Workspace": created["id"]}
        assert (created["name"], created["role"]) == ("Team", "owner")
        assert (await client.get("/api/workspace", headers=headers)).json() == created

    async def test_others_create_some_if_registration_is_open(self, owner, settings):
        settings.registration = RegistrationPolicy.INVITE
        refused = await owner.post("/api/workspaces", json={"name": "Team"})
        settings.registration = RegistrationPolicy.OPEN
        made = [await owner.post("/api/workspaces", json={"name": "Team"}) for _ in range(5)]

        assert outcome(refused) == (403, "workspaces_restricted")
        assert [each.status_code for each in made] == [201, 201, 201, 201, 409]
        assert made[-1].json()["code"] == "too_many_workspaces"

    @pytest.mark.both_stores
    async def test_admins_rename_it(self, login, member, owner):
        editor = await login(await member())
        refused = await editor.patch("/api/workspace", json={"name": "Ours"})

        renamed = await owner.patch("/api/workspace", json={"name": "Ours"})

        assert outcome(refused) == (403, "role_missing")
        assert renamed.json()["name"] == "Ours"


class TestRoles:
    @pytest.mark.parametrize(
        ("role", "statuses"),
        [
            (Role.VIEWER, [200, 403, 403]),
            (Role.OPERATOR, [200, 202, 403]),
            (Role.EDITOR, [200, 202, 201]),
        ],
    )
    async def test_a_role_limits_a_session_and_a_key(
        self, login, login_key, make, member, account, role, statuses
    ):
        pipeline = await make.pipeline(account)
        someone = await member(role)

        for client in (await login(someone), await login_key(someone)):
            answers = [
                await client.get("/api/pipelines"),
                await client.post(f"/api/pipelines/{pipeline}/run", json={}),
                await client.post("/api/user/secrets", json={"name": "A", "value": "12345678"}),
            ]

            assert [each.status_code for each in answers][:2] == statuses[:2]
            assert (answers[2].status_code in (200, 201)) == (statuses[2] == 201)
            for each in answers:
                assert each.status_code != 403 or each.json()["code"] == "role_missing"

    async def test_the_error_names_both_roles(self, login, member):
        client = await login(await member(Role.VIEWER))

        response = await client.post("/api/user/secrets", json={"name": "A", "value": "12345678"})

        assert "requires the role `editor`" in response.json()["detail"]
        assert "Your role is `viewer`" in response.json()["detail"]

    async def test_a_key_gains_what_its_owner_gains(self, login_key, member, owner):
        someone = await member(Role.VIEWER)
        client = await login_key(someone)
        body = {"name": "A", "value": "12345678"}
        before = await client.post("/api/user/secrets", json=body)

        await owner.patch(f"/api/workspace/members/{someone.id}", json={"role": "editor"})

        assert (
            before.status_code,
            (await client.post("/api/user/secrets", json=body)).status_code,
        ) == (
            403,
            201,
        )

    async def test_a_service_key_has_its_scopes_only(self, make, account, login_service_key):
        client = await login_service_key(await make.service_key(account, scopes=["pipelines:read"]))

        assert (await client.get("/api/pipelines")).status_code == 200
        response = await client.post("/api/user/secrets", json={"name": "A", "value": "12345678"})
        assert outcome(response) == (403, "scope_missing")
        assert outcome(await client.get("/api/drafts")) == (403, "member_required")


class TestMembers:
    @pytest.mark.both_stores
    async def test_the_list_shows_them(self, login, member):
        viewer = await member(Role.VIEWER, email="eve@example.com", name="Eve")
        client = await login(viewer)

        found = (await client.get("/api/workspace/members")).json()["data"]

        assert next((each["email"], each["role"]) for each in found) == (
            "eve@example.com",
            "viewer",
        )
        assert {each["role"] for each in found} == {"viewer", "owner"}

    async def test_an_admin_changes_roles_below_owner(self, login, member, account):
        admin, other = await login(await member(Role.ADMIN)), await member()

        changed = await admin.patch(f"/api/workspace/members/{other.id}", json={"role": "operator"})
        up = await admin.patch(f"/api/workspace/members/{other.id}", json={"role": "owner"})
        down = await admin.patch(f"/api/workspace/members/{account.id}", json={"role": "viewer"})
        gone = await admin.delete(f"/api/workspace/members/{account.id}")

        assert changed.json()["role"] == "operator"
        assert [outcome(each) for each in (up, down, gone)] == [(403, "role_missing")] * 3

    async def test_the_last_owner_stays(self, owner, account, login, member):
        refused = [
            await owner.patch(f"/api/workspace/members/{account.id}", json={"role": "admin"}),
            await owner.delete(f"/api/workspace/members/{account.id}"),
            await owner.post("/api/workspace/leave"),
        ]
        other = await member(Role.OWNER)

        left = await owner.post("/api/workspace/leave")

        assert [outcome(each) for each in refused] == [(409, "last_owner")] * 3
        assert left.status_code == 200
        client = await login(other)
        assert (await client.get("/api/workspace")).json()["role"] == "owner"

    async def test_a_stranger_is_not_found(self, owner, stranger):
        for response in (
            await owner.patch(f"/api/workspace/members/{stranger.id}", json={"role": "viewer"}),
            await owner.delete(f"/api/workspace/members/{stranger.id}"),
            await owner.get(f"/api/workspace/members/{stranger.id}/holdings"),
        ):
            assert outcome(response) == (404, "member_not_found")

    @pytest.mark.both_stores
    async def test_holdings_list_what_a_member_leaves(self, owner, login, member, login_key):
        someone = await member()
        client = await login(someone)
        await login_key(someone)
        definition = {
            "name": "P",
            "steps": [{"id": "a", "type": "transform", "template": "x"}],
        }
        pipeline = (await client.post("/api/pipelines", json=definition)).json()
        await client.post(
            f"/api/pipelines/{pipeline['id']}/schedules",
            json={"name": "Daily", "cron_expression": "0 9 * * *", "timezone": "UTC"},
        )

        held = (await owner.get(f"/api/workspace/members/{someone.id}/holdings")).json()

        assert [each["name"] for each in held["pipelines"]] == ["P"]
        assert [each["name"] for each in held["schedules"]] == ["Daily"]
        assert [each["prefix"][:8] for each in held["api_keys"]] == ["sk_live_"]


class TestRemove:
    async def test_it_ends_sessions_and_keys(self, owner, login, login_key, member):
        someone = await member()
        session, key = await login(someone), await login_key(someone)
        assert (await key.get("/api/pipelines")).status_code == 200

        done = (await owner.delete(f"/api/workspace/members/{someone.id}")).json()

        assert (done["api_keys_revoked"], done["sessions_ended"]) == (1, 1)
        assert (await session.get("/api/pipelines")).status_code == 401
        assert (await key.get("/api/pipelines")).status_code == 401

    async def test_another_process_refuses_the_session_within_five_seconds(
        self, app, database, owner, login, member, clock
    ):
        someone = await member()
        session = await login(someone)
        doors = app.state.doors
        elsewhere = Authenticator(database, doors.tokens)
        header = session.headers["Authorization"]
        await elsewhere.authenticate(header, None)

        await owner.delete(f"/api/workspace/members/{someone.id}")
        clock.advance(timedelta(seconds=5))

        with pytest.raises(CredentialInvalid):
            await elsewhere.authenticate(header, None)

    async def test_a_removed_member_cannot_log_in_without_a_workspace(
        self, owner, client, member, database
    ):
        someone = await member(email="eve@example.com")
        await owner.delete(f"/api/workspace/members/{someone.id}")
        body = {"email": "eve@example.com", "password": "correct horse battery staple"}

        response = await client.post("/api/auth/login", json=body)

        assert outcome(response) == (403, NoWorkspace.code)

    async def test_the_other_workspaces_remain(self, owner, login, make, account, stranger):
        await make.join(stranger, account)

        await owner.delete(f"/api/workspace/members/{stranger.id}")

        client = await login(stranger)
        rows = (await client.get("/api/workspaces")).json()["data"]
        assert [each["id"] for each in rows] == [str(stranger.workspace_id)]

    async def test_a_service_key_survives_the_member_who_made_it(
        self, owner, login, member, login_service_key, make
    ):
        admin = await member(Role.ADMIN)
        made = await (await login(admin)).post("/api/workspace/service-keys", json={"name": "CI"})

        await owner.delete(f"/api/workspace/members/{admin.id}")

        client = await login_service_key(made.json()["key"])
        assert (await client.get("/api/pipelines")).status_code == 200
        await owner.delete(f"/api/workspace/service-keys/{made.json()['id']}")
        assert (await client.get("/api/pipelines")).status_code == 401

    async def test_pipelines_stay(self, owner, login, member):
        someone = await member()
        definition = {"name": "P", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
        made = (await (await login(someone)).post("/api/pipelines", json=definition)).json()

        await owner.delete(f"/api/workspace/members/{someone.id}")

        run = await owner.post(f"/api/pipelines/{made['id']}/run", json={})
        assert run.status_code == 202


class TestInvitations:
    async def invite(self, owner, email="eve@example.com", role="operator"):
        made = await owner.post("/api/workspace/invitations", json={"email": email, "role": role})
        assert made.status_code == 201, made.text
        body = made.json()
        return body, body["url"].partition("#invitation=")[2]

    async def test_a_new_person_registers_into_the_workspace(self, owner, client, account):
        _body, token = await self.invite(owner)
        opened = await client.post("/api/invitations/open", json={"invitation": token})
        registration = {"email": "eve@example.com", "password": "a long password"}

        joined = await client.post("/api/auth/register", json=registration | {"invitation": token})

        assert (opened.json()["has_account"], opened.json()["role"]) == (False, "operator")
        user = joined.json()["user"]
        assert (user["workspace"]["id"], user["role"]) == (str(account.workspace_id), "operator")
        again = await client.post("/api/invitations/open", json={"invitation": token})
        assert outcome(again) == (422, "invitation_invalid")

    async def test_a_person_with_an_account_joins(self, owner, login, stranger, client, account):
        _, token = await self.invite(owner, stranger.email)
        opened = await client.post("/api/invitations/open", json={"invitation": token})
        person = await login(stranger)

        joined = await person.post("/api/workspaces/join", json={"invitation": token})

        assert opened.json()["has_account"] is True
        assert (joined.json()["id"], joined.json()["role"]) == (
            str(account.workspace_id),
            "operator",
        )
        headers = {"X-Workspace": joined.json()["id"]}
        assert (await person.get("/api/pipelines", headers=headers)).status_code == 200

    async def test_a_person_without_workspace_joins_by_logging_in(self, owner, client, member):
        someone = await member(email="eve@example.com")
        await owner.delete(f"/api/workspace/members/{someone.id}")
        _, token = await self.invite(owner, role="viewer")
        body = {"email": "eve@example.com", "password": "correct horse battery staple"}

        response = await client.post("/api/auth/login", json=body | {"invitation": token})

        assert response.json()["user"]["role"] == "viewer"

    async def test_it_is_for_one_address_only(self, owner, login, stranger, client):
        _, token = await self.invite(owner)

        by_other = await (await login(stranger)).post(
            "/api/workspaces/join", json={"invitation": token}
        )
        registration = {"email": "other@example.com", "password": "a long password"}
        by_new = await client.post("/api/auth/register", json=registration | {"invitation": token})

        assert [outcome(each) for each in (by_other, by_new)] == [(422, "invitation_invalid")] * 2

    @pytest.mark.both_stores
    async def test_a_person_who_has_not_answered_has_no_account_yet(self, owner, database):
        await self.invite(owner)

        async with database.reading() as session:
            with pytest.raises(AccountNotFound) as raised:
                await service.user_named(session, "eve@example.com")

        assert "its invitation is open" in raised.value.message

    @pytest.mark.both_stores
    async def test_it_can_be_withdrawn(self, owner, client):
        body, token = await self.invite(owner)
        listed = (await owner.get("/api/workspace/invitations")).json()["data"]

        gone = await owner.delete(f"/api/workspace/invitations/{body['id']}")
        again = await owner.delete(f"/api/workspace/invitations/{body['id']}")

        assert [each["email"] for each in listed] == ["eve@example.com"]
        assert (gone.status_code, outcome(again)) == (200, (404, "invitation_not_found"))
        opened = await client.post("/api/invitations/open", json={"invitation": token})
        assert outcome(opened) == (422, "invitation_invalid")

    async def test_without_a_mail_server_the_answer_says_that_no_email_was_sent(self, owner):
        body, _ = await self.invite(owner)

        assert (body["emailed"], body["unsent_reason"]) == (
            False,
            "This server has no mail server.",
        )

    async def test_a_member_is_not_invited_again(self, owner, member):
        someone = await member()

        response = await owner.post(
            "/api/workspace/invitations", json={"email": someone.email, "role": "viewer"}
        )

        assert outcome(response) == (409, "already_member")

    async def test_an_admin_invites_no_owner(self, login, member):
        admin = await login(await member(Role.ADMIN))
        body = {"email": "eve@example.com", "role": "owner"}

        response = await admin.post("/api/workspace/invitations", json=body)

        assert outcome(response) == (403, "role_missing")

    async def test_those_of_another_workspace_stay_valid(self, owner, login, stranger, client):
        _, first = await self.invite(owner)
        _, second = await self.invite(await login(stranger))

        for token in (first, second):
            opened = await client.post("/api/invitations/open", json={"invitation": token})
            assert opened.status_code == 200

    async def test_an_unknown_member_or_invitation_of_another_workspace_is_not_found(
        self, owner, login, stranger
    ):
        body, _ = await self.invite(await login(stranger))

        response = await owner.delete(f"/api/workspace/invitations/{body['id']}")
        unknown = await owner.delete(f"/api/workspace/invitations/{ids.uuid7()}")

        assert [outcome(each) for each in (response, unknown)] == [
            (404, "invitation_not_found")
        ] * 2
