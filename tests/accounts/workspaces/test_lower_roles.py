"""A member with a lower role has no open invitations that this role could not create."""

import pytest
import sqlalchemy as sa

from stepiq.accounts.audit.records import operator_of
from stepiq.accounts.oidc import roles
from stepiq.accounts.oidc.queries import Connected
from stepiq.accounts.queries import invitations
from stepiq.accounts.workspaces import service
from stepiq.core import clock
from stepiq.store.states import Role
from stepiq.store.tables import identities, identity_roles
from stepiq.store.tables import invitations as table
from tests.support.make_accounts import actor

pytestmark = pytest.mark.both_stores


@pytest.fixture
async def member(make, account, database):
    """An owner who has invited an owner, an admin and a viewer. Another owner has invited a viewer."""
    member = await make.member(account, Role.OWNER)
    invited = [(member, Role.OWNER), (member, Role.ADMIN), (member, Role.VIEWER)]
    async with database.transaction() as session:
        for inviter, role in [*invited, (account, Role.VIEWER)]:
            await invitations.insert(
                session,
                f"{role}-of-{'member' if inviter is member else 'other'}@example.com",
                workspace_id=account.workspace_id,
                role=role,
                invited_by=inviter.id,
            )
    return member


async def by_owner(session, account, member, role):
    await service.change_role(session, actor(account), account.workspace_id, member.id, role)


async def by_operator(session, account, member, role):
    await service.change_role(
        session, operator_of(account.workspace_id), account.workspace_id, member.id, role
    )


async def by_provider(session, account, member, role):
    await service.members.set_role(session, account.workspace_id, member.id, Role.ADMIN)
    identity = {"id": member.id, "user_id": member.id, "provider": "company"}
    rest = {"issuer": "https://id.example.com", "subject": "1"}
    dates = {"created_at": clock.now(), "last_used_at": clock.now()}
    await session.execute(sa.insert(identities).values({**identity, **rest, **dates}))
    given = {"identity_id": member.id, "workspace_id": account.workspace_id, "role": Role.ADMIN}
    await session.execute(sa.insert(identity_roles).values(given))
    connected = Connected(**identity, email=member.email)
    await roles.apply(session, connected, {account.workspace_id: role})


ADMIN_AND_VIEWER = {"admin-of-member@example.com", "viewer-of-member@example.com"}


@pytest.mark.parametrize(
    ("change", "role", "left"),
    [
        (by_owner, Role.ADMIN, ADMIN_AND_VIEWER),
        (by_owner, Role.EDITOR, set()),
        (by_operator, Role.VIEWER, set()),
        (by_provider, Role.VIEWER, set()),
    ],
)
async def test_those_that_it_could_not_create_are_deleted(
    database, account, member, change, role, left
):
    async with database.transaction() as session:
        await change(session, account, member, role)

    open_ones = sa.select(table.c.email).where(table.c.used_at.is_(None))
    async with database.reading() as session:
        found = set((await session.execute(open_ones)).scalars())
    assert found == left | {"viewer-of-other@example.com"}
