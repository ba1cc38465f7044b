"""An owner deletes a workspace."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts.errors import RoleMissing
from stepiq.accounts.workspaces import service as closing
from stepiq.core import clock as clocks
from stepiq.store.states import Role, RunStatus
from stepiq.store.tables import runs, workspaces
from tests.support.clients import login, login_key, login_service_key, outcome
from tests.support.make_accounts import actor

__all__ = ["login", "login_key", "login_service_key"]

PATH = "/api/workspace"


pytestmark = pytest.mark.both_stores


@pytest.fixture
async def elsewhere(make, account, stranger):
    """Makes the owner a member of another workspace too."""
    await make.join(account, stranger, Role.VIEWER)


@pytest.fixture
def delete(account):
    async def delete(client, name=account.workspace_name):
        headers = {"X-Workspace": str(account.workspace_id)}
        return await client.request("DELETE", PATH, json={"name": name}, headers=headers)

    return delete


@pytest.mark.usefixtures("elsewhere")
class TestDelete:
    async def test_all_access_to_it_ends(
        self, delete, owner, login, login_key, login_service_key, make, account
    ):
        member = await make.member(account)
        service_key = await make.service_key(account)
        clients = [
            await login(member),
            await login_key(member),
            await login_service_key(service_key.text),
        ]
        used = [(await client.get("/api/pipelines")).status_code for client in clients]

        done = await delete(owner)

        assert done.json() == {
            "id": str(account.workspace_id),
            "deleted": True,
            "members_removed": 2,
            "api_keys_revoked": 2,
        }
        assert used == [200, 200, 200]
        clients[2] = await login_service_key(service_key.text)
        assert (await clients[0].get("/api/pipelines")).status_code == 401
        assert (await clients[1].get("/api/pipelines")).status_code == 401

    async def test_a_service_key_stops_within_five_seconds(
        self, delete, owner, login_service_key, make, account, clock
    ):

        client = await login_service_key((await make.service_key(account)).text)
        await client.get("/api/pipelines")

        await delete(owner)
        clock.advance(timedelta(seconds=5))

        assert (await client.get("/api/pipelines")).status_code == 401

    async def test_a_service_key_of_a_former_member_stops_at_once(
        self, delete, owner, login_service_key, make, account
    ):
        member = await make.member(account, Role.ADMIN)
        client = await login_service_key((await make.service_key(member)).text)
        await owner.delete(f"/api/workspace/members/{member.id}")
        used = await client.get("/api/pipelines")

        await delete(owner)

        assert used.status_code == 200
        assert (await client.get("/api/pipelines")).status_code == 401

    async def test_runs_are_cancelled_and_the_data_will_be_erased(
        self, delete, owner, make, account, database
    ):
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.PENDING)

        await delete(owner)

        async with database.reading() as session:
            status = await session.scalar(sa.select(runs.c.status).where(runs.c.id == run_id))
            marked = sa.select(workspaces.c.id).where(workspaces.c.deleted_at <= clocks.now())
            assert status == RunStatus.CANCELLED
            assert (await session.execute(marked)).scalars().all() == [account.workspace_id]

    async def test_the_log_of_the_server_names_it(self, delete, owner, login, make, account):
        administrator = await login(await make.user(is_admin=True))

        await delete(owner)

        path = "/api/admin/audit?action=workspace.deleted"
        [entry] = (await administrator.get(path)).json()["data"]
        assert entry["target"]["name"] == account.workspace_name
        assert entry["actor"]["name"] == account.email

    async def test_another_name_deletes_nothing(self, delete, owner, database):
        refused = await delete(owner, name="Another")

        assert outcome(refused) == (422, "workspace_name_wrong")
        assert (await owner.get("/api/pipelines")).status_code == 200

    async def test_an_admin_can_not(self, delete, login, make, account):
        admin = await login(await make.member(account, Role.ADMIN))

        assert outcome(await delete(admin)) == (403, "role_missing")

    async def test_nor_an_owner_whose_role_has_just_changed(self, database, make, account):
        other = await make.member(account, Role.ADMIN)
        before = actor(other)
        async with database.transaction() as session:
            with pytest.raises(RoleMissing):
                await closing.delete(session, before, name=account.workspace_name)

    async def test_two_at_once_delete_it_once(self, delete, owner, login, make, account):
        other = await make.member(account, Role.OWNER)
        await make.join(other, await make.user())
        clients = [owner, await login(other)]

        answers = await asyncio.gather(*(delete(client) for client in clients))

        statuses = sorted(each.status_code for each in answers)
        assert statuses[0] == 200
        assert statuses[1] in (401, 403, 404)

    async def test_a_second_time_the_workspace_is_not_found(self, delete, owner, login, account):
        await delete(owner)
        again = await login(account)

        assert outcome(await delete(again)) == (404, "workspace_not_found")


async def test_the_only_workspace_stays(delete, owner):
    assert outcome(await delete(owner)) == (409, "only_workspace")
    assert (await owner.get("/api/pipelines")).status_code == 200
