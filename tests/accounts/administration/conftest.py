import pytest
import sqlalchemy as sa

from stepiq.store.tables import users
from tests.support.clients import login, login_key, login_service_key

__all__ = ["login", "login_key", "login_service_key"]

USERS = "/api/admin/users"


@pytest.fixture
async def administrator(make):
    return await make.user(is_admin=True, email="root@example.com", name="Root")


@pytest.fixture
async def admin(administrator, login):
    """A client with the session of an administrator."""
    return await login(administrator)


@pytest.fixture
def stored(database):
    """The row of a user."""

    async def stored(account):
        async with database.reading() as session:
            rows = await session.execute(sa.select(users).where(users.c.id == account.id))
            return rows.one()

    return stored
