"""What a process refuses to a former administrator whose session it still trusts for a few seconds."""

import re

import pytest
import sqlalchemy as sa
from fastapi.routing import iter_route_contexts

from stepiq.accounts.administration import queries
from stepiq.accounts.http import administrator as administrator_only
from stepiq.accounts.queries import sessions as session_queries
from stepiq.core import clock
from stepiq.store.tables import password_resets, users
from stepiq.web.requests import dependencies
from tests.accounts.administration.conftest import USERS
from tests.support.clients import outcome

BODIES = {
    ("PATCH", "/api/admin/users/{user_id}"): {"is_admin": True},
    ("DELETE", "/api/admin/users/{user_id}"): {"data": "keep"},
    ("POST", "/api/admin/users/{user_id}/reset"): None,
    ("DELETE", "/api/admin/users/{user_id}/totp"): None,
    ("PATCH", "/api/admin/workspaces/{workspace_id}"): {"plan": "free"},
    ("DELETE", "/api/admin/workspaces/{workspace_id}"): None,
}


@pytest.fixture
def requests(account):
    """Each request that changes something as an administrator."""
    named = {"{user_id}": str(account.id), "{workspace_id}": str(account.workspace_id)}
    return [
        (method, re.sub(r"\{\w+\}", lambda found: named[found[0]], path), body)
        for (method, path), body in BODIES.items()
    ]


@pytest.fixture
async def trusted(admin):
    """A client of an administrator, whose session this process trusts for a few seconds."""
    assert (await admin.get(USERS)).status_code == 200
    return admin


def test_all_routes_that_change_something_are_tested(app):
    found = {
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if administrator_only in dependencies(route.dependant)
    }

    assert {each for each in found if each[0] != "GET"} == set(BODIES)


@pytest.mark.both_stores
class TestChanges:
    async def test_a_dismissed_administrator_changes_nothing(
        self, trusted, administrator, requests, database, stored, account
    ):
        # As in another process.
        async with database.transaction() as session:
            await queries.set_admin(session, administrator.id, is_admin=False)

        answers = [await trusted.request(*each[:2], json=each[2]) for each in requests]

        assert {outcome(each) for each in answers} == {(403, "admin_required")}
        assert (await stored(account)).is_admin is False
        async with database.reading() as session:
            assert (
                await session.scalar(sa.select(sa.func.count()).select_from(password_resets)) == 0
            )

    async def test_an_administrator_without_a_session_changes_nothing(
        self, trusted, administrator, requests, database
    ):
        async with database.transaction() as session:
            await session_queries.end_all(session, administrator.id, clock.now())

        answers = [await trusted.request(*each[:2], json=each[2]) for each in requests]

        assert {outcome(each) for each in answers} == {(401, "credential_invalid")}

    async def test_nor_does_one_whose_account_is_disabled(
        self, trusted, administrator, requests, database
    ):
        async with database.transaction() as session:
            disabled = sa.update(users).where(users.c.id == administrator.id)
            await session.execute(disabled.values(disabled_at=clock.now()))

        answers = [await trusted.request(*each[:2], json=each[2]) for each in requests]

        assert {outcome(each) for each in answers} == {(403, "admin_required")}
