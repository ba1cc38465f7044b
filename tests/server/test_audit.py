"""Every route that changes something writes to the audit log, and no entry contains a secret."""

import base64

import httpx2
import pytest

from stepiq.core import ids
from stepiq.server.app import create_app
from stepiq.server.routes import routes_of
from tests.support import audit_acts, audit_administration, audit_sign_in
from tests.support.audit_acts import Acts, World
from tests.support.audit_log import recorded
from tests.support.clients import login, login_key, login_service_key

pytestmark = pytest.mark.one_store

__all__ = ["login", "login_key", "login_service_key"]

ACTS = Acts(audit_acts.ACTS | audit_administration.ACTS | audit_sign_in.ACTS)
"""The routes that write entries, in the order of their calls."""
STEP = {"id": "a", "type": "transform", "template": "x"}

NOT_RECORDED = {
    "auth_refresh": "extends a session. A token that is used twice is recorded, see below",
    "auth_forgot_password": "sends an email at most. The new password is recorded",
    "auth_send_verification": "sends an email",
    "device_login_start": "has no effect until a person decides",
    "device_login_open": "reads",
    "two_factor_begin": "stores a secret that has no effect until it is confirmed",
    "reviews_open_link": "reads",
    "runs_open_link": "reads",
    "invitations_open": "reads",
    "pipelines_validate": "reads",
    "schedules_preview": "reads",
    "drafts_create": "a text that only its author sees, and that no run uses",
    "drafts_update": "as above",
    "drafts_delete": "as above",
    "webhooks_trigger": "only for keys. The run has its trigger and its caller",
}
"""Operations that write no entry, with the reason. `docs/audit.md` lists them too."""


@pytest.fixture
async def world(app, client, login, login_key, make, settings, database):
    """The routes are called in the order of `ACTS`: the registration needs a server without an account."""
    world = World(app, client, client, client, login, None, make, database, settings)
    answer = await call(world, "auth_register")
    assert answer.status_code == 201, answer.text
    note_credentials(world, answer)
    world.account = await make.user()
    world.client = await login(world.account)
    world.known["other"] = await login(await make.user())
    world.known["keyed"] = await login_key(world.account)
    world.admin = await login(await make.user(is_admin=True))
    return world


async def call(world: World, name: str) -> httpx2.Response:
    return await ACTS[name][0](world)


def note_credentials(world: World, answer: httpx2.Response) -> None:
    """Remember the credentials in an answer: they must not be in the log either."""
    if not answer.content or answer.headers.get("content-type") != "application/json":
        return
    body = answer.json()
    for name in ("token", "refresh_token", "key", "csrf_token"):
        if isinstance(body.get(name), str):
            world.canaries.append(body[name])


class TestRoutes:
    def test_each_that_changes_something_is_listed_here(self):
        changing = {
            route.operation_id
            for route in routes_of(create_app())
            if route.method in ("POST", "PUT", "PATCH", "DELETE") and route.operation_id
        }

        assert changing == set(ACTS) | set(NOT_RECORDED)
        assert not set(ACTS) & set(NOT_RECORDED)

    async def test_each_records_its_action_and_no_secret(self, world, database):
        assert [row.action for row in await recorded(database)] == [
            "user.registered",
            "session.opened",
        ]
        for name, (_, action) in ACTS.items():
            if name == "auth_register":
                continue
            before = {row.id for row in await recorded(database)}

            answer = await call(world, name)

            assert answer.is_success, (name, answer.text)
            note_credentials(world, answer)
            new = [row for row in await recorded(database) if row.id not in before]
            assert action in [row.action for row in new], name
            for row in new:
                assert row.client == "127.0.0.1", name
                assert row.actor_name, name
        text = "\n".join(str(tuple(row)) for row in await recorded(database))
        assert len(world.canaries) > 20
        for canary in world.canaries:
            for form in (canary, base64.b64encode(canary.encode()).decode().rstrip("=")):
                assert form not in text

    async def test_a_refused_request_records_nothing(self, world, database):
        before = len(await recorded(database))

        answers = [
            await world.client.post("/api/user/api-keys", json={"name": ""}),
            await world.client.delete(f"/api/user/api-keys/{ids.uuid7()}"),
            await world.client.patch(f"/api/pipelines/{ids.uuid7()}", json={"name": "x"}),
            await world.client.post(f"/api/runs/{ids.uuid7()}/cancel"),
        ]

        assert not any(answer.is_success for answer in answers)
        assert len(await recorded(database)) == before


class TestSignIn:
    async def test_failures_are_recorded_without_the_password(self, world, database):
        known, unknown = world.account.email, "nobody@example.com"
        canary = world.canary()
        for email in (known, unknown):
            body = {"email": email, "password": canary}
            assert (await world.guest.post("/api/auth/login", json=body)).status_code == 401

        first, second = (await recorded(database))[-2:]
        assert {first.action, second.action} == {"session.refused"}
        assert (first.target_name, first.workspace_id) == (known, world.account.workspace_id)
        assert (second.target_name, second.workspace_id) == (unknown, None)
        assert canary not in str((tuple(first), tuple(second)))

    async def test_a_reused_refresh_token_is_recorded(self, world, database):
        opened = await world.make.session(world.account)
        body = {"refresh_token": opened.refresh_token}
        assert (await world.guest.post("/api/auth/refresh", json=body)).is_success

        assert (await world.guest.post("/api/auth/refresh", json=body)).status_code == 401

        last = (await recorded(database))[-1]
        assert (last.action, last.target_id) == (
            "session.refresh_reused",
            str(opened.session_id),
        )


class TestKeys:
    async def test_a_service_key_acts_under_its_own_name(self, world, login_service_key, database):
        key = await world.make.service_key(world.account)
        client = await login_service_key(key)

        await client.post("/api/pipelines", json={"name": "X", "steps": [STEP]})

        last = (await recorded(database))[-1]
        assert (last.actor_kind, last.actor_name, last.actor_id) == (
            "service_key", "Service", key.id,
        )  # fmt: skip
        assert last.key_id == key.id

    async def test_a_personal_key_acts_as_its_owner(self, world, login_key, database):
        client = await login_key(world.account)

        await client.post("/api/pipelines", json={"name": "X", "steps": [STEP]})

        last = (await recorded(database))[-1]
        assert (last.actor_kind, last.actor_id) == ("personal_key", world.account.id)
        assert (last.actor_name, last.key_name) == (world.account.email, "Key")
