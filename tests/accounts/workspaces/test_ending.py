"""What ends with a membership, also if a process still trusts the credential of the removed person."""

import pytest
import sqlalchemy as sa

from stepiq.accounts.administration import service as administration
from stepiq.accounts.administration.queries import Data
from stepiq.accounts.audit.records import OPERATOR
from stepiq.accounts.errors import RoleMissing
from stepiq.accounts.queries import members
from stepiq.accounts.workspaces import invitations, service
from stepiq.accounts.workspaces import queries as workspace_queries
from stepiq.accounts.workspaces import service as workspaces
from stepiq.core import clock
from stepiq.store.states import Role
from stepiq.store.tables import identities, identity_roles, memberships, recipients
from stepiq.store.tables import invitations as invitations_table
from tests.support.clients import login, outcome
from tests.support.make_accounts import actor

__all__ = ["login"]


@pytest.fixture
async def admin(make, account):
    return await make.member(account, Role.ADMIN)


@pytest.fixture
def remove(database, account):
    async def remove(member):
        async with database.transaction() as session:
            await service.remove(session, actor(account), account.workspace_id, member.id)

    return remove


class TestRoleOfTheTransaction:
    async def test_a_person_who_was_just_removed_invites_nobody(
        self, database, services, admin, remove
    ):
        await remove(admin)

        async with database.transaction() as session:
            with pytest.raises(RoleMissing):
                await invitations.create(
                    session,
                    actor(admin),
                    services.settings,
                    email="eve@example.com",
                    role=Role.VIEWER,
                    plan=services.plans.get("unlimited"),
                )

    async def test_and_changes_no_member(self, database, make, account, admin, remove):
        other = await make.member(account)
        await remove(admin)

        async with database.transaction() as session:
            with pytest.raises(RoleMissing):
                await service.change_role(
                    session, actor(admin), admin.workspace_id, other.id, Role.ADMIN
                )
            with pytest.raises(RoleMissing):
                await service.remove(session, actor(admin), admin.workspace_id, other.id)

    @pytest.mark.both_stores
    async def test_and_creates_no_service_key(self, database, admin, remove, login, monkeypatch):
        client = await login(admin)
        assert (await client.get("/api/workspace/service-keys")).status_code == 200
        # As in another process, which trusts the session for a few seconds.
        async with database.transaction() as session:
            await members.set_role(session, admin.workspace_id, admin.id, Role.VIEWER)

        refused = await client.post("/api/workspace/service-keys", json={"name": "CI"})

        assert (refused.status_code, refused.json()["code"]) == (403, "role_missing")


@pytest.mark.both_stores
class TestWhatEnds:
    async def test_open_invitations_by_and_for_the_person(
        self, database, make, account, admin, remove
    ):
        by_admin = {"workspace_id": account.workspace_id, "role": Role.VIEWER}
        async with database.transaction() as session:
            for email, inviter in (
                ("a@example.com", admin.id),
                (admin.email, account.id),
                ("b@example.com", account.id),
            ):
                await invitations.queries.insert(session, email, **by_admin, invited_by=inviter)

        await remove(admin)

        async with database.reading() as session:
            left = await session.execute(
                sa.select(invitations_table.c.email).where(invitations_table.c.used_at.is_(None))
            )
            assert left.scalars().all() == ["b@example.com"]

    async def test_the_memory_that_a_provider_gave_the_role(
        self, database, account, admin, remove, make
    ):
        async with database.transaction() as session:
            identity = sa.insert(identities).values(
                id=admin.id,
                user_id=admin.id,
                provider="company",
                issuer="https://id.example.com",
                subject="1",
                created_at=clock.now(),
                last_used_at=clock.now(),
            )
            await session.execute(identity)
            await session.execute(
                sa.insert(identity_roles).values(
                    identity_id=admin.id, workspace_id=account.workspace_id, role=Role.ADMIN
                )
            )

        await remove(admin)

        async with database.reading() as session:
            assert await session.scalar(sa.select(sa.func.count()).select_from(identity_roles)) == 0

    async def test_the_consent_of_the_address_to_emails(
        self, database, make, account, admin, remove
    ):
        async with database.transaction() as session:
            await session.execute(
                sa.insert(recipients).values(
                    id=admin.id,
                    workspace_id=account.workspace_id,
                    email=admin.email,
                    asked_at=clock.now(),
                    confirmed_at=clock.now(),
                )
            )

        await remove(admin)

        async with database.reading() as session:
            assert await session.scalar(sa.select(recipients.c.confirmed_at)) is None


class TestIsRemoved:
    async def is_removed(self, database, account, email):
        async with database.reading() as session:
            return await members.is_removed(session, account.workspace_id, email)

    async def test_a_removed_member_is_and_a_member_is_not(self, database, account, admin, remove):
        before = await self.is_removed(database, account, admin.email)
        await remove(admin)

        assert not before
        assert await self.is_removed(database, account, admin.email)

    async def test_still_after_the_account_is_deleted(self, database, make, account, admin, remove):
        await remove(admin)
        async with database.transaction() as session:
            await administration.delete(session, OPERATOR, admin.id, Data.KEEP)

        assert await self.is_removed(database, account, admin.email)

    async def test_so_is_a_deleted_member(self, database, make, account, admin):
        async with database.transaction() as session:
            await administration.delete(session, OPERATOR, admin.id, Data.KEEP)

        assert await self.is_removed(database, account, admin.email)

    async def test_a_new_account_with_the_address_that_joins_again_is_not(
        self, database, make, account, admin
    ):
        async with database.transaction() as session:
            await administration.delete(session, OPERATOR, admin.id, Data.KEEP)

        await make.member(account, Role.VIEWER, email=admin.email)

        assert not await self.is_removed(database, account, admin.email)

    @pytest.mark.both_stores
    async def test_someone_who_joins_again_is_not(self, database, make, account, admin, remove):
        await remove(admin)

        await make.join(admin, account)

        assert not await self.is_removed(database, account, admin.email)
        async with database.reading() as session:
            digests = await session.execute(sa.select(memberships.c.address_digest))
            assert set(digests.scalars()) == {None}


class TestDeletedWorkspace:
    async def test_nobody_can_join_it(self, database, make, account, stranger):
        async with database.transaction() as session:
            await workspaces.close(session, [account.workspace_id], is_erased=True)
            new = members.NewMember(account.workspace_id, stranger.id, Role.OWNER, clock.now())

            assert not await members.add(session, new)

    @pytest.mark.both_stores
    async def test_an_invitation_to_it_by_an_operator_is_not_valid(
        self, database, make, client, login, account, stranger
    ):
        async with database.transaction() as session:
            _, token = await invitations.queries.insert(
                session,
                stranger.email,
                workspace_id=account.workspace_id,
                role=Role.VIEWER,
            )
            await workspace_queries.mark_erased(session, [account.workspace_id], clock.now())
        person = await login(stranger)
        registration = {"email": "eve@example.com", "password": "a long password"}

        refused = [
            await client.post("/api/invitations/open", json={"invitation": token}),
            await client.post("/api/auth/register", json=registration | {"invitation": token}),
            await person.post("/api/workspaces/join", json={"invitation": token}),
        ]

        assert [outcome(each) for each in refused] == [(422, "invitation_invalid")] * 3

    @pytest.mark.both_stores
    async def test_operators_do_not_find_it(self, database, account):
        async with database.transaction() as session:
            before = await workspace_queries.named(session, None, account.workspace_name, limit=2)
            await workspace_queries.mark_erased(session, [account.workspace_id], clock.now())
            after = await workspace_queries.named(session, None, account.workspace_name, limit=2)

        assert [row.id for row in before] == [account.workspace_id]
        assert after == []
