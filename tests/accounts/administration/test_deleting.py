import asyncio
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.accounts.administration import queries
from stepiq.store.states import Role, RunStatus
from stepiq.store.tables import drafts, memberships, workspaces
from tests.accounts.administration.conftest import USERS
from tests.support.clients import outcome
from tests.support.make_accounts import PASSWORD

pytestmark = pytest.mark.both_stores


@pytest.fixture
def delete(admin):
    async def delete(account, data="keep"):
        return await admin.request("DELETE", f"{USERS}/{account.id}", json={"data": data})

    return delete


class TestKeep:
    async def test_all_access_ends_and_the_personal_data_is_replaced(
        self, delete, owner, login_key, account, client, stored, admin
    ):
        key = await login_key(account)
        assert (await key.get("/api/pipelines")).status_code == 200

        deleted = await delete(account)

        assert deleted.status_code == 200
        assert deleted.json() == {
            "id": str(account.id),
            "deleted": True,
            "data": "keep",
            "sessions_ended": 1,
            "api_keys_revoked": 1,
            "workspaces_left": [str(account.workspace_id)],
        }
        assert (await owner.get("/api/user/me")).status_code == 401
        assert (await key.get("/api/pipelines")).status_code == 401
        login = {"email": account.email, "password": PASSWORD}
        assert outcome(await client.post("/api/auth/login", json=login)) == (401, "login_failed")
        row = await stored(account)
        assert (row.email, row.name) == (f"{account.id}@deleted.invalid", "Deleted user")
        assert None not in (row.deleted_at, row.disabled_at)
        assert row.is_admin is False
        listed = (await admin.get(f"{USERS}?q=deleted")).json()["data"]
        assert (listed, (await admin.get(f"{USERS}/{account.id}")).status_code) == ([], 404)
        assert outcome(await delete(account)) == (404, "user_not_found")

    async def test_a_service_key_of_a_former_member_stops_at_once(
        self, delete, account, owner, login_service_key, make
    ):
        member = await make.member(account, Role.ADMIN)
        client = await login_service_key((await make.service_key(member)).text)
        await owner.delete(f"/api/workspace/members/{member.id}")
        used = await client.get("/api/pipelines")

        await delete(account)

        assert used.status_code == 200
        assert (await client.get("/api/pipelines")).status_code == 401

    async def test_the_address_can_register_again(self, delete, account, make):
        await delete(account)

        again = await make.user(email=account.email)

        assert again.id != account.id

    async def test_it_can_not_come_back(self, delete, account, admin, client, stored):
        await delete(account)

        for change in ({"disabled": False}, {"is_admin": True}, {"email_verified": True}):
            refused = await admin.patch(f"{USERS}/{account.id}", json=change)
            assert outcome(refused) == (404, "user_not_found")
        row = await stored(account)
        for password in ("", "!", PASSWORD):
            login = {"email": row.email, "password": password}
            assert (await client.post("/api/auth/login", json=login)).status_code == 401

    async def test_a_workspace_with_other_members_stays_theirs(
        self, delete, account, stranger, login, make, database
    ):
        await make.join(stranger, account, Role.OWNER)
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.PENDING)
        key = await login(stranger)

        deleted = await delete(account, "erase")

        in_it = {"X-Workspace": str(account.workspace_id)}
        assert deleted.json()["workspaces_left"] == []
        assert (await key.get(f"/api/pipelines/{pipeline_id}", headers=in_it)).status_code == 200
        run = (await key.get(f"/api/runs/{run_id}", headers=in_it)).json()
        assert run["status"] == "pending"
        async with database.reading() as session:
            statement = sa.select(memberships.c.user_id).where(
                memberships.c.workspace_id == account.workspace_id,
                memberships.c.removed_at.is_(None),
            )
            assert list((await session.execute(statement)).scalars()) == [stranger.id]

    async def test_runs_of_a_workspace_without_members_are_cancelled(
        self, delete, account, make, database
    ):
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.PENDING)

        await delete(account)

        from stepiq.store.tables import runs

        async with database.reading() as session:
            status = await session.scalar(sa.select(runs.c.status).where(runs.c.id == run_id))
        assert status == RunStatus.CANCELLED

    async def test_the_log_of_another_workspace_shows_that_a_member_is_gone(
        self, delete, account, stranger, make, login
    ):
        await make.join(account, stranger)
        other = await login(stranger)

        await delete(account)

        found = (await other.get("/api/audit?action=member.removed")).json()["data"]
        assert [each["target"]["id"] for each in found] == [str(account.id)]
        assert [each["actor"]["name"] for each in found] == ["root@example.com"]

    async def test_drafts_are_deleted(self, delete, account, owner, database):
        kept = await owner.post("/api/drafts", json={"text": "name: A"})
        assert kept.status_code == 201

        await delete(account)

        async with database.reading() as session:
            assert await session.scalar(sa.select(sa.func.count()).select_from(drafts)) == 0


class TestRefusals:
    async def test_the_last_owner_of_others_must_hand_over_first(
        self, delete, account, stranger, make, owner
    ):
        await make.join(stranger, account, Role.ADMIN)

        refused = await delete(account)

        assert outcome(refused) == (409, "owns_workspaces")
        assert f"“{account.name}” ({account.workspace_id})" in refused.json()["detail"]
        assert (await owner.get("/api/user/me")).status_code == 200

    async def test_administrators_do_not_delete_themselves(self, delete, administrator):
        assert outcome(await delete(administrator)) == (409, "own_account")

    async def test_the_last_administrator_stays(self, database, administrator, make):
        from stepiq.accounts.administration import service
        from stepiq.accounts.administration.queries import Data
        from stepiq.accounts.administration.service import LastAdministrator
        from stepiq.accounts.audit.records import OPERATOR

        await make.user(is_admin=True, is_disabled=True)

        for refused in (
            lambda session: service.delete(session, OPERATOR, administrator.id, Data.KEEP),
            lambda session: service.disable(session, administrator.id),
            lambda session: service.set_admin(session, administrator.id, is_admin=False),
        ):
            with pytest.raises(LastAdministrator):
                async with database.transaction() as session:
                    await refused(session)

    async def test_what_happens_to_the_data_must_be_said(self, admin, account):
        for body in ({}, {"data": "burn"}):
            refused = await admin.request("DELETE", f"{USERS}/{account.id}", json=body)
            assert refused.status_code == 422

    async def test_two_deletions_at_once_delete_once(self, delete, account):
        found = await asyncio.gather(*(delete(account) for _ in range(3)))

        assert sorted(each.status_code for each in found) == [200, 404, 404]


class TestErase:
    async def test_only_workspaces_without_other_members_are_marked(
        self, delete, account, stranger, make, database
    ):
        await make.join(account, stranger)

        await delete(account, "erase")

        async with database.reading() as session:
            rows = await session.execute(
                sa.select(workspaces.c.id).where(workspaces.c.deleted_at.is_not(None))
            )
            assert list(rows.scalars()) == [UUID(str(account.workspace_id))]


class TestPersonalTables:
    def test_each_table_with_a_user_is_either_deleted_or_kept(self):
        # A new table with `user_id` is deleted with its user, unless `_KEPT_WITH_WORKSPACES` has it. Decide which.
        assert {table.name for table in queries.personal_tables()} == {
            "drafts",
            "identities",
            "known_clients",
            "password_resets",
            "recovery_codes",
            "totp_secrets",
        }
