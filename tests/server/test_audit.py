"""Every route that changes something writes to the audit log, and no entry contains a secret."""

import base64
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.accounts import keys, service
from stepiq.accounts.queries import resets
from stepiq.core import clock, ids
from stepiq.notify.recipients import queries as recipients
from stepiq.notify.recipients.links import RecipientLink, RecipientLinks
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder
from stepiq.server.app import create_app
from stepiq.server.routes import routes_of
from stepiq.store.states import RunStatus
from stepiq.store.tables import audit_entries
from tests.support.clients import login
from tests.support.make_accounts import PASSWORD

pytestmark = pytest.mark.one_store

__all__ = ["login"]

NOT_RECORDED = {
    "auth_refresh": "extends a session. A token that is used twice is recorded, see below",
    "auth_forgot_password": "sends an email at most. The new password is recorded",
    "auth_send_verification": "sends an email",
    "reviews_open_link": "reads",
    "runs_open_link": "reads",
    "pipelines_validate": "reads",
    "schedules_preview": "reads",
    "drafts_create": "a text that only its author sees, and that no run uses",
    "drafts_update": "as above",
    "drafts_delete": "as above",
    "webhooks_trigger": "only for keys. The run has its trigger and its caller",
}
"""Operations that write no entry, with the reason. `docs/audit.md` lists them too."""


@dataclass
class World:
    """A server with one account, and everything that must not be in the log."""

    app: Any
    client: httpx2.AsyncClient
    """With a session of the account."""
    guest: httpx2.AsyncClient
    admin: httpx2.AsyncClient
    account: Any
    make: Any
    database: Any
    settings: Any
    canaries: list[str] = field(default_factory=list[str])
    known: dict[str, Any] = field(default_factory=dict[str, Any])

    def canary(self) -> str:
        value = f"{secrets.token_hex(8)}/é+{secrets.token_hex(8)}"
        self.canaries.append(value)
        return value

    async def pipeline(self) -> Any:
        return await self.make.pipeline(self.account)


Act = Callable[[World], Awaitable[httpx2.Response]]
ACTS: dict[str, tuple[Act, str]] = {}
"""By operation id: what calls the route, and the action that it must record."""


def act(action: str) -> Callable[[Act], Act]:
    def add(function: Act) -> Act:
        ACTS[function.__name__] = (function, action)
        return function

    return add


def definition(world: World) -> dict[str, Any]:
    step = {"id": "a", "type": "transform", "template": world.canary()}
    return {"name": "Brief", "steps": [step], "output": {"deliver": [{"type": "email", "to": ["a@b.cd"]}]}}  # fmt: skip


@act("user.registered")
async def auth_register(world: World) -> httpx2.Response:
    token = service.setup_token(world.app.state.doors.jwt_secret)
    world.canaries.append(token)
    body = {"email": "new@example.com", "password": world.canary(), "setup_token": token}
    return await world.guest.post("/api/auth/register", json=body)


@act("session.opened")
async def auth_login(world: World) -> httpx2.Response:
    body = {"email": world.account.email, "password": PASSWORD}
    return await world.guest.post("/api/auth/login", json=body)


@act("session.opened")
async def auth_open_session(world: World) -> httpx2.Response:
    body = {"email": world.account.email, "password": PASSWORD}
    return await world.guest.post("/api/session", json=body)


@act("password.reset")
async def auth_reset_password(world: World) -> httpx2.Response:
    token, now = world.canary(), clock.now()
    user = await world.make.user()
    async with world.database.transaction() as session:
        await resets.insert(
            session,
            reset_id=ids.uuid7(),
            user_id=user.id,
            token_hash=keys.digest(token),
            created_at=now,
            expires_at=now + timedelta(hours=1),
        )
    body = {"token": token, "password": world.canary()}
    return await world.guest.post("/api/auth/reset-password", json=body)


@act("user.email_verified")
async def auth_verify_email(world: World) -> httpx2.Response:
    user = await world.make.user(is_verified=False)
    token = world.app.state.doors.verification.token(user.id)
    world.canaries.append(token)
    return await world.guest.post("/api/auth/verify-email", json={"token": token})


@act("oidc.unlinked")
async def users_disconnect_identity(world: World) -> httpx2.Response:
    identity = await world.make.identity(world.account)
    return await world.client.delete(f"/api/user/identities/{identity}")


@act("password.changed")
async def auth_change_password(world: World) -> httpx2.Response:
    body = {"current_password": PASSWORD, "new_password": world.canary()}
    return await world.known["other"].post("/api/user/password", json=body)


@act("session.ended")
async def auth_logout(world: World) -> httpx2.Response:
    return await world.known["other"].post("/api/auth/logout")


@act("session.ended")
async def auth_end_session(world: World) -> httpx2.Response:
    opened = await world.make.session(world.account)
    token = world.app.state.doors.tokens.issue(world.account.id, opened.session_id)
    return await world.guest.request(
        "DELETE", "/api/session", headers={"Authorization": f"Bearer {token}"}
    )


@act("session.ended")
async def sessions_end(world: World) -> httpx2.Response:
    opened = await world.make.session(world.account)
    return await world.client.delete(f"/api/user/sessions/{opened.session_id}")


@act("api_key.created")
async def api_keys_create(world: World) -> httpx2.Response:
    answer = await world.client.post("/api/user/api-keys", json={"name": "CI"})
    world.known["key"] = answer.json()["id"]
    return answer


@act("api_key.rolled")
async def api_keys_roll(world: World) -> httpx2.Response:
    return await world.client.post(f"/api/user/api-keys/{world.known['key']}/roll")


@act("api_key.revoked")
async def api_keys_revoke(world: World) -> httpx2.Response:
    return await world.client.delete(f"/api/user/api-keys/{world.known['key']}")


@act("user.disabled")
async def users_update(world: World) -> httpx2.Response:
    user = await world.make.user()
    return await world.admin.patch(f"/api/admin/users/{user.id}", json={"disabled": True})


@act("pipeline.created")
async def pipelines_create(world: World) -> httpx2.Response:
    answer = await world.client.post("/api/pipelines", json=definition(world))
    world.known["pipeline"] = f"/api/pipelines/{answer.json()['id']}"
    return answer


@act("pipeline.updated")
async def pipelines_update(world: World) -> httpx2.Response:
    return await world.client.put(world.known["pipeline"], json=definition(world))


@act("pipeline.updated")
async def pipelines_update_metadata(world: World) -> httpx2.Response:
    return await world.client.patch(world.known["pipeline"], json={"name": "Other"})


@act("pipeline.updated")
async def pipelines_restore_version(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['pipeline']}/versions/1/restore")


@act("pipeline.version_deleted")
async def pipelines_delete_version(world: World) -> httpx2.Response:
    return await world.client.delete(f"{world.known['pipeline']}/versions/1")


@act("secret.created")
async def secrets_set(world: World) -> httpx2.Response:
    body = {"name": "TOKEN", "value": world.canary(), "hosts": ["api.example.com"]}
    return await world.client.post("/api/user/secrets", json=body)


@act("secret.deleted")
async def secrets_delete(world: World) -> httpx2.Response:
    return await world.client.delete("/api/user/secrets/TOKEN")


@act("secret.created")
async def secrets_set_for_pipeline(world: World) -> httpx2.Response:
    body = {"name": "TOKEN", "value": world.canary()}
    return await world.client.post(f"{world.known['pipeline']}/secrets", json=body)


@act("secret.deleted")
async def secrets_delete_for_pipeline(world: World) -> httpx2.Response:
    return await world.client.delete(f"{world.known['pipeline']}/secrets/TOKEN")


@act("run.started")
async def runs_start(world: World) -> httpx2.Response:
    body = {"input_data": {"topic": world.canary()}}
    return await world.client.post(f"{world.known['pipeline']}/run?wait=0", json=body)


@act("run.started")
async def drafts_run(world: World) -> httpx2.Response:
    text = f'name: Draft\nsteps: [{{id: a, type: transform, template: "{world.canary()}"}}]\n'
    body = {"text": text, "input_data": {"topic": world.canary()}}
    return await world.client.post("/api/runs/draft", json=body)


@act("run.cancelled")
async def runs_cancel(world: World) -> httpx2.Response:
    run_id = await world.make.run(world.account, await world.pipeline(), output=world.canary())
    return await world.client.post(f"/api/runs/{run_id}/cancel")


@act("run.retried")
async def runs_retry(world: World) -> httpx2.Response:
    run_id = await world.make.run(
        world.account,
        await world.pipeline(),
        status=RunStatus.COMPLETED,
        input_data={"topic": world.canary()},
    )
    body = {"outputs": {}, "input_data": {"topic": world.canary()}}
    return await world.client.post(f"/api/runs/{run_id}/retry", json=body)


@act("review.decided")
async def reviews_decide(world: World) -> httpx2.Response:
    review = await world.make.review(
        world.account, await world.pipeline(), message=world.canary(), under_review=world.canary()
    )
    body = {"decision": "approve", "comment": world.canary(), "output": world.canary()}
    return await world.client.post(review.url, json=body)


@act("review.decided")
async def reviews_decide_by_link(world: World) -> httpx2.Response:
    review = await world.make.review(world.account, await world.pipeline())
    token = ReviewLinks(world.settings).token(LinkHolder(review.id, 0))
    world.canaries.append(token)
    body = {"token": token, "decision": "reject", "comment": world.canary()}
    return await world.guest.post("/api/reviews/decide", json=body)


@act("bulk_job.created")
async def bulk_jobs_create(world: World) -> httpx2.Response:
    run_id = await world.make.run(world.account, await world.pipeline())
    body = {"action": "cancel", "run_ids": [str(run_id)]}
    answer = await world.client.post("/api/bulk-jobs", json=body)
    world.known["job"] = answer.json()["id"]
    return answer


@act("bulk_job.cancelled")
async def bulk_jobs_cancel(world: World) -> httpx2.Response:
    return await world.client.post(f"/api/bulk-jobs/{world.known['job']}/cancel")


@act("schedule.created")
async def schedules_create(world: World) -> httpx2.Response:
    body = {
        "name": "Daily",
        "cron_expression": "0 9 * * *",
        "input_data": {"topic": world.canary()},
    }
    answer = await world.client.post(f"{world.known['pipeline']}/schedules", json=body)
    world.known["schedule"] = f"/api/schedules/{answer.json()['id']}"
    return answer


@act("schedule.updated")
async def schedules_update(world: World) -> httpx2.Response:
    body = {"input_data": {"topic": world.canary()}}
    return await world.client.patch(world.known["schedule"], json=body)


@act("schedule.updated")
async def schedules_disable(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['schedule']}/disable")


@act("schedule.updated")
async def schedules_enable(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['schedule']}/enable")


@act("run.started")
async def schedules_run_now(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['schedule']}/run-now")


@act("schedule.deleted")
async def schedules_delete(world: World) -> httpx2.Response:
    return await world.client.delete(world.known["schedule"])


@act("delivery.tested")
async def deliveries_test(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['pipeline']}/deliveries/test")


@act("delivery.repeated")
async def deliveries_redeliver(world: World) -> httpx2.Response:
    delivery_id = await world.make.delivery(world.account, await world.pipeline())
    return await world.client.post(f"/api/deliveries/{delivery_id}/redeliver")


async def _recipient(world: World) -> str:
    now = clock.now()
    async with world.database.transaction() as session:
        found = await recipients.begin_ask(
            session,
            ids.uuid7(),
            world.account.workspace_id,
            f"{secrets.token_hex(4)}@example.com",
            now=now,
            lifetime=timedelta(days=7),
            retried_within=timedelta(days=1),
            trying=timedelta(minutes=5),
        )
    assert found is not None
    link = RecipientLink(found.id, now + timedelta(days=1))
    token = RecipientLinks(world.settings).token(link)
    world.canaries.append(token)
    return token


@act("recipient.confirmed")
async def deliveries_confirm_recipient(world: World) -> httpx2.Response:
    body = {"token": await _recipient(world)}
    return await world.guest.post("/api/recipients/confirm", json=body)


@act("recipient.refused")
async def deliveries_refuse_recipient(world: World) -> httpx2.Response:
    body = {"token": await _recipient(world)}
    return await world.guest.post("/api/recipients/refuse", json=body)


def _status(action: str, name: str, method: str, path: str = "") -> None:
    async def call(world: World) -> httpx2.Response:
        return await world.client.request(method, world.known["pipeline"] + path)

    ACTS[name] = (call, action)


_status("pipeline.archived", "pipelines_archive", "DELETE")
_status("pipeline.restored", "pipelines_restore", "POST", "/restore")
_status("pipeline.paused", "pipelines_pause", "POST", "/pause")
_status("pipeline.resumed", "pipelines_resume", "POST", "/resume")


@pytest.fixture
async def world(app, client, login, make, settings, database):
    """The routes are called in the order of `ACTS`: the registration needs a server without an account."""
    world = World(app, client, client, client, None, make, database, settings)
    answer = await call(world, "auth_register")
    assert answer.status_code == 201, answer.text
    note_credentials(world, answer)
    world.account = await make.user()
    world.client = await login(world.account)
    world.known["other"] = await login(await make.user())
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


async def entries(database) -> list[Any]:
    async with database.reading() as session:
        found = await session.execute(sa.select(audit_entries).order_by(audit_entries.c.id))
        return list(found.all())


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
        assert [row.action for row in await entries(database)] == ["user.registered"]
        for name, (_, action) in ACTS.items():
            if name == "auth_register":
                continue
            before = {row.id for row in await entries(database)}
            answer = await call(world, name)

            assert answer.is_success, (name, answer.text)
            note_credentials(world, answer)
            new = [row for row in await entries(database) if row.id not in before]
            assert action in [row.action for row in new], name
            for row in new:
                assert row.client == "127.0.0.1", name
                assert row.actor_name, name
        text = "\n".join(str(tuple(row)) for row in await entries(database))
        assert len(world.canaries) > 20
        for canary in world.canaries:
            for form in (canary, base64.b64encode(canary.encode()).decode().rstrip("=")):
                assert form not in text

    async def test_a_refused_request_records_nothing(self, world, database):
        before = len(await entries(database))

        answers = [
            await world.client.post("/api/user/api-keys", json={"name": ""}),
            await world.client.delete(f"/api/user/api-keys/{ids.uuid7()}"),
            await world.client.patch(f"/api/pipelines/{ids.uuid7()}", json={"name": "x"}),
            await world.client.post(f"/api/runs/{ids.uuid7()}/cancel"),
        ]

        assert not any(answer.is_success for answer in answers)
        assert len(await entries(database)) == before


class TestSignIn:
    async def test_failures_are_recorded_without_the_password(self, world, database):
        known, unknown = world.account.email, "nobody@example.com"
        canary = world.canary()
        for email in (known, unknown):
            body = {"email": email, "password": canary}
            assert (await world.guest.post("/api/auth/login", json=body)).status_code == 401

        first, second = (await entries(database))[-2:]
        assert {first.action, second.action} == {"session.refused"}
        assert (first.target_name, first.workspace_id) == (known, world.account.workspace_id)
        assert (second.target_name, second.workspace_id) == (unknown, None)
        assert canary not in str((tuple(first), tuple(second)))

    async def test_a_reused_refresh_token_is_recorded(self, world, database):
        opened = await world.make.session(world.account)
        body = {"refresh_token": opened.refresh_token}
        assert (await world.guest.post("/api/auth/refresh", json=body)).is_success

        assert (await world.guest.post("/api/auth/refresh", json=body)).status_code == 401

        last = (await entries(database))[-1]
        assert last.action == "session.refresh_reused"
        assert last.target_id == str(opened.session_id)
