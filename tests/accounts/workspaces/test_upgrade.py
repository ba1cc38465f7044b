"""A server of the release before "Teams" upgrades, and its clients notice nothing."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from stepiq.store import migrate
from stepiq.store.states import RunStatus
from tests.support.clients import login_key

pytestmark = [pytest.mark.both_stores, pytest.mark.new_store]

__all__ = ["login_key"]

BEFORE = "202611270230"
"""The last revision without roles and audit log."""
PATHS = ["/api/user/me", "/api/pipelines", "/api/runs", "/api/user/api-keys", "/api/user/secrets"]


@pytest.fixture
def url(database_url):
    return make_url(database_url)


async def answers(client):
    found = {path: (await client.get(path)).json() for path in PATHS}
    for page in found.values():
        for row in page.get("data", []):
            row.pop("last_used_at", None)
    return found


@pytest.mark.slow
async def test_accounts_keys_and_runs_work_as_before(
    url, app, make, account, stranger, owner, login_key, client
):
    pipeline_id = await make.pipeline(account)
    await make.run(account, pipeline_id, status=RunStatus.COMPLETED)
    await make.secret(account)
    await make.pipeline(stranger)
    program = await login_key(account)
    opened = await make.session(account)
    before = await answers(owner), await answers(program)

    # The server stores in the background that the credentials were used.
    await app.state.doors.authenticator.settle()
    migrate.downgrade(url, BEFORE)
    migrate.upgrade(url)

    assert (await answers(owner), await answers(program)) == before
    refreshed = await client.post("/api/auth/refresh", json={"refresh_token": opened.refresh_token})
    assert refreshed.status_code == 200
    user = refreshed.json()["user"]
    assert (user["role"], user["workspace"]["id"]) == ("owner", str(account.workspace_id))
    started = await program.post(f"/api/pipelines/{pipeline_id}/run", json={})
    assert started.status_code == 202


@pytest.mark.slow
async def test_a_process_of_the_release_before_can_still_work(url, database, account, client):
    """During an upgrade, it adds accounts and sessions to the new schema, with the columns that it knows."""
    engine = migrate.sync_engine(url)
    migrate.downgrade(url, BEFORE)
    old = sa.MetaData()
    old.reflect(engine, only=("users", "workspaces", "memberships", "sessions", "api_keys"))
    migrate.upgrade(url)

    with engine.begin() as connection:
        user = dict(connection.execute(sa.select(old.tables["users"])).mappings().one())
        workspace = dict(connection.execute(sa.select(old.tables["workspaces"])).mappings().one())
        user |= {"id": _other(user["id"]), "email": "new@example.com"}
        workspace |= {"id": _other(workspace["id"])}
        connection.execute(old.tables["users"].insert().values(user))
        connection.execute(old.tables["workspaces"].insert().values(workspace))
        connection.execute(
            old.tables["memberships"]
            .insert()
            .values(workspace_id=workspace["id"], user_id=user["id"], role="owner")
        )
    engine.dispose()

    body = {"email": "new@example.com", "password": "correct horse battery staple"}
    response = await client.post("/api/auth/login", json=body)
    assert (response.status_code, response.json()["user"]["role"]) == (200, "owner")


def _other(identity):
    """Another id of the same type as a stored one, which reflection reads as text on SQLite."""
    if isinstance(identity, str):
        return ("0" if identity[0] != "0" else "1") + identity[1:]
    return type(identity)(int=identity.int ^ 1)
