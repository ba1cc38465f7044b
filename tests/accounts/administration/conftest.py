import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.store.tables import memberships, users
from tests.support.clients import login, login_key

__all__ = ["login", "login_key"]

USERS = "/api/admin/users"


@pytest.fixture
async def administrator(make):
    return await make.user(is_admin=True, email="root@example.com", name="Root")


@pytest.fixture
async def admin(administrator, login):
    """A client with the session of an administrator."""
    return await login(administrator)


@pytest.fixture
def join(database):
    """Makes an account a member of the workspace of another."""

    async def join(account, other, role="editor"):
        async with database.transaction() as session:
            await session.execute(
                sa.insert(memberships).values(
                    workspace_id=other.workspace_id,
                    user_id=account.id,
                    role=role,
                    joined_at=clock.now(),
                )
            )

    return join


@pytest.fixture
def stored(database):
    """The row of a user."""

    async def stored(account):
        async with database.reading() as session:
            rows = await session.execute(sa.select(users).where(users.c.id == account.id))
            return rows.one()

    return stored


def answer(response):
    return response.status_code, response.json().get("code")
