"""Finding accounts and workspaces for the operator."""

import pytest

from stepiq.accounts import service
from stepiq.accounts.workspaces import service as workspaces
from stepiq.store.database import Database
from tests.support.make import Make

pytestmark = pytest.mark.both_stores


class TestAdministrator:
    async def test_the_oldest_one_that_is_not_disabled(self, database: Database, make: Make):
        await make.user(is_admin=True, is_disabled=True)
        await make.user()
        oldest = await make.user(is_admin=True)
        await make.user(is_admin=True)

        async with database.reading() as session:
            assert await service.administrator(session) == oldest.email

    async def test_without_one_there_is_none(self, database: Database, make: Make):
        await make.user()

        async with database.reading() as session:
            assert await service.administrator(session) is None


class TestNamed:
    async def test_workspaces_are_found_by_id_or_name_or_all_the_oldest_first(
        self, database: Database, make: Make
    ):
        first, second, third = [await make.workspace(name=name) for name in ("a", "b", "a")]

        async with database.reading() as session:
            by_id = await workspaces.named(session, second, None, limit=9)
            by_name = await workspaces.named(session, None, "a", limit=9)
            two = await workspaces.named(session, None, None, limit=2)

        assert [row.id for row in by_id] == [second]
        assert [row.id for row in by_name] == [first, third]
        assert [row.id for row in two] == [first, second]
