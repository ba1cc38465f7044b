"""Calls of routes that change something, with values that must not appear in the audit log."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2

from stepiq.accounts.signing_in import registration
from stepiq.core import clock, ids
from stepiq.notify.recipients import queries as recipients
from stepiq.notify.recipients.service import RecipientLink, RecipientLinks
from stepiq.runs.reviews.links import ReviewLinks
from stepiq.runs.reviews.records import LinkHolder
from stepiq.store.states import RunStatus
from tests.support.clients import Login
from tests.support.make_accounts import PASSWORD


@dataclass
class World:
    """A server with one account, and everything that must not be in the log."""

    app: Any
    client: httpx2.AsyncClient
    """With a session of the account."""
    guest: httpx2.AsyncClient
    admin: httpx2.AsyncClient
    login: Login
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


class Acts(dict[str, tuple[Act, str]]):
    """By operation id: what calls the route, and the action that it must record."""

    def records(self, action: str) -> Callable[[Act], Act]:
        """Add a function with the name of the operation."""

        def add(function: Act) -> Act:
            self[function.__name__] = (function, action)
            return function

        return add


ACTS = Acts()


def definition(world: World) -> dict[str, Any]:
    step = {"id": "a", "type": "transform", "template": world.canary()}
    return {"name": "Brief", "steps": [step], "output": {"deliver": [{"type": "email", "to": ["a@b.cd"]}]}}  # fmt: skip


@ACTS.records("user.registered")
async def auth_register(world: World) -> httpx2.Response:
    token = registration.setup_token(world.app.state.doors.jwt_secret)
    world.canaries.append(token)
    body = {"email": "new@example.com", "password": world.canary(), "setup_token": token}
    return await world.guest.post("/api/auth/register", json=body)


@ACTS.records("session.opened")
async def auth_login(world: World) -> httpx2.Response:
    body = {"email": world.account.email, "password": PASSWORD}
    return await world.guest.post("/api/auth/login", json=body)


@ACTS.records("session.opened")
async def auth_open_session(world: World) -> httpx2.Response:
    body = {"email": world.account.email, "password": PASSWORD}
    return await world.guest.post("/api/session", json=body)


@ACTS.records("password.reset")
async def auth_reset_password(world: World) -> httpx2.Response:
    token = await world.make.reset(await world.make.user())
    world.canaries.append(token)
    body = {"token": token, "password": world.canary()}
    return await world.guest.post("/api/auth/reset-password", json=body)


@ACTS.records("user.email_verified")
async def auth_verify_email(world: World) -> httpx2.Response:
    user = await world.make.user(is_verified=False)
    token = world.app.state.doors.verification.token(user.id)
    world.canaries.append(token)
    return await world.guest.post("/api/auth/verify-email", json={"token": token})


@ACTS.records("password.changed")
async def auth_change_password(world: World) -> httpx2.Response:
    body = {"current_password": PASSWORD, "new_password": world.canary()}
    return await world.known["other"].post("/api/user/password", json=body)


@ACTS.records("session.ended")
async def auth_logout(world: World) -> httpx2.Response:
    return await world.known["other"].post("/api/auth/logout")


@ACTS.records("session.ended")
async def auth_end_session(world: World) -> httpx2.Response:
    opened = await world.make.session(world.account)
    token = world.app.state.doors.tokens.issue(world.account.id, opened.session_id)
    return await world.guest.request(
        "DELETE", "/api/session", headers={"Authorization": f"Bearer {token}"}
    )


@ACTS.records("session.ended")
async def sessions_end(world: World) -> httpx2.Response:
    opened = await world.make.session(world.account)
    return await world.client.delete(f"/api/user/sessions/{opened.session_id}")


@ACTS.records("api_key.created")
async def api_keys_create(world: World) -> httpx2.Response:
    answer = await world.client.post("/api/user/api-keys", json={"name": "CI"})
    world.known["key"] = answer.json()["id"]
    return answer


@ACTS.records("api_key.rolled")
async def api_keys_roll(world: World) -> httpx2.Response:
    return await world.client.post(f"/api/user/api-keys/{world.known['key']}/roll")


@ACTS.records("api_key.revoked")
async def api_keys_revoke(world: World) -> httpx2.Response:
    return await world.client.delete(f"/api/user/api-keys/{world.known['key']}")


@ACTS.records("user.disabled")
async def users_update(world: World) -> httpx2.Response:
    user = await world.make.user()
    return await world.admin.patch(f"/api/admin/users/{user.id}", json={"disabled": True})


@ACTS.records("pipeline.created")
async def pipelines_create(world: World) -> httpx2.Response:
    answer = await world.client.post("/api/pipelines", json=definition(world))
    world.known["pipeline"] = f"/api/pipelines/{answer.json()['id']}"
    return answer


@ACTS.records("pipeline.updated")
async def pipelines_update(world: World) -> httpx2.Response:
    return await world.client.put(world.known["pipeline"], json=definition(world))


@ACTS.records("pipeline.updated")
async def pipelines_update_metadata(world: World) -> httpx2.Response:
    return await world.client.patch(world.known["pipeline"], json={"name": "Other"})


@ACTS.records("pipeline.updated")
async def pipelines_restore_version(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['pipeline']}/versions/1/restore")


@ACTS.records("pipeline.version_deleted")
async def pipelines_delete_version(world: World) -> httpx2.Response:
    return await world.client.delete(f"{world.known['pipeline']}/versions/1")


@ACTS.records("secret.created")
async def secrets_set(world: World) -> httpx2.Response:
    body = {"name": "TOKEN", "value": world.canary(), "hosts": ["api.example.com"]}
    return await world.client.post("/api/user/secrets", json=body)


@ACTS.records("secret.deleted")
async def secrets_delete(world: World) -> httpx2.Response:
    return await world.client.delete("/api/user/secrets/TOKEN")


@ACTS.records("secret.created")
async def secrets_set_for_pipeline(world: World) -> httpx2.Response:
    body = {"name": "TOKEN", "value": world.canary()}
    return await world.client.post(f"{world.known['pipeline']}/secrets", json=body)


@ACTS.records("secret.deleted")
async def secrets_delete_for_pipeline(world: World) -> httpx2.Response:
    return await world.client.delete(f"{world.known['pipeline']}/secrets/TOKEN")


@ACTS.records("run.started")
async def runs_start(world: World) -> httpx2.Response:
    body = {"input_data": {"topic": world.canary()}}
    return await world.client.post(f"{world.known['pipeline']}/run?wait=0", json=body)


@ACTS.records("run.started")
async def drafts_run(world: World) -> httpx2.Response:
    text = f'name: Draft\nsteps: [{{id: a, type: transform, template: "{world.canary()}"}}]\n'
    body = {"text": text, "input_data": {"topic": world.canary()}}
    return await world.client.post("/api/runs/draft", json=body)


@ACTS.records("run.cancelled")
async def runs_cancel(world: World) -> httpx2.Response:
    run_id = await world.make.run(world.account, await world.pipeline(), output=world.canary())
    return await world.client.post(f"/api/runs/{run_id}/cancel")


@ACTS.records("run.retried")
async def runs_retry(world: World) -> httpx2.Response:
    run_id = await world.make.run(
        world.account,
        await world.pipeline(),
        status=RunStatus.COMPLETED,
        input_data={"topic": world.canary()},
    )
    body = {"outputs": {}, "input_data": {"topic": world.canary()}}
    return await world.client.post(f"/api/runs/{run_id}/retry", json=body)


@ACTS.records("review.decided")
async def reviews_decide(world: World) -> httpx2.Response:
    review = await world.make.review(
        world.account, await world.pipeline(), message=world.canary(), under_review=world.canary()
    )
    body = {"decision": "approve", "comment": world.canary(), "output": world.canary()}
    return await world.client.post(review.url, json=body)


@ACTS.records("review.decided")
async def reviews_decide_by_link(world: World) -> httpx2.Response:
    review = await world.make.review(world.account, await world.pipeline())
    token = ReviewLinks(world.settings).token(LinkHolder(review.id, 0))
    world.canaries.append(token)
    body = {"token": token, "decision": "reject", "comment": world.canary()}
    return await world.guest.post("/api/reviews/decide", json=body)


@ACTS.records("bulk_job.created")
async def bulk_jobs_create(world: World) -> httpx2.Response:
    run_id = await world.make.run(world.account, await world.pipeline())
    body = {"action": "cancel", "run_ids": [str(run_id)]}
    answer = await world.client.post("/api/bulk-jobs", json=body)
    world.known["job"] = answer.json()["id"]
    return answer


@ACTS.records("bulk_job.cancelled")
async def bulk_jobs_cancel(world: World) -> httpx2.Response:
    return await world.client.post(f"/api/bulk-jobs/{world.known['job']}/cancel")


@ACTS.records("schedule.created")
async def schedules_create(world: World) -> httpx2.Response:
    body = {
        "name": "Daily",
        "cron_expression": "0 9 * * *",
        "input_data": {"topic": world.canary()},
    }
    answer = await world.client.post(f"{world.known['pipeline']}/schedules", json=body)
    world.known["schedule"] = f"/api/schedules/{answer.json()['id']}"
    return answer


@ACTS.records("schedule.updated")
async def schedules_update(world: World) -> httpx2.Response:
    body = {"input_data": {"topic": world.canary()}}
    return await world.client.patch(world.known["schedule"], json=body)


@ACTS.records("schedule.updated")
async def schedules_disable(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['schedule']}/disable")


@ACTS.records("schedule.updated")
async def schedules_enable(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['schedule']}/enable")


@ACTS.records("run.started")
async def schedules_run_now(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['schedule']}/run-now")


@ACTS.records("schedule.deleted")
async def schedules_delete(world: World) -> httpx2.Response:
    return await world.client.delete(world.known["schedule"])


@ACTS.records("delivery.tested")
async def deliveries_test(world: World) -> httpx2.Response:
    return await world.client.post(f"{world.known['pipeline']}/deliveries/test")


@ACTS.records("delivery.repeated")
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


@ACTS.records("recipient.confirmed")
async def deliveries_confirm_recipient(world: World) -> httpx2.Response:
    body = {"token": await _recipient(world)}
    return await world.guest.post("/api/recipients/confirm", json=body)


@ACTS.records("recipient.refused")
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


# Workspaces, members, invitations and service keys


@ACTS.records("workspace.created")
async def workspaces_create(world: World) -> httpx2.Response:
    return await world.client.post("/api/workspaces", json={"name": "Second"})


@ACTS.records("workspace.updated")
async def workspaces_rename(world: World) -> httpx2.Response:
    return await world.client.patch("/api/workspace", json={"name": "Renamed"})


async def _invite(world: World, email: str) -> tuple[httpx2.Response, str]:
    body = {"email": email, "role": "viewer"}
    answer = await world.client.post("/api/workspace/invitations", json=body)
    token = answer.json()["url"].rpartition("=")[2]
    world.canaries.append(token)
    return answer, token


@ACTS.records("invitation.created")
async def invitations_create(world: World) -> httpx2.Response:
    answer, _ = await _invite(world, "invited@example.com")
    world.known["invitation"] = f"/api/workspace/invitations/{answer.json()['id']}"
    return answer


@ACTS.records("invitation.revoked")
async def invitations_withdraw(world: World) -> httpx2.Response:
    return await world.client.delete(world.known["invitation"])


@ACTS.records("member.added")
async def invitations_accept(world: World) -> httpx2.Response:
    person = await world.make.user()
    _, token = await _invite(world, person.email)
    client = await world.login(person)
    return await client.post("/api/workspaces/join", json={"invitation": token})


@ACTS.records("member.role_changed")
async def members_update(world: World) -> httpx2.Response:
    member = await world.make.member(world.account)
    return await world.client.patch(f"/api/workspace/members/{member.id}", json={"role": "admin"})


@ACTS.records("member.removed")
async def members_remove(world: World) -> httpx2.Response:
    member = await world.make.member(world.account)
    return await world.client.delete(f"/api/workspace/members/{member.id}")


@ACTS.records("member.left")
async def workspaces_leave(world: World) -> httpx2.Response:
    client = await world.login(await world.make.member(world.account))
    return await client.post("/api/workspace/leave")


@ACTS.records("workspace.deleted")
async def workspaces_delete(world: World) -> httpx2.Response:
    person = await world.make.user()
    await world.make.join(person, world.account)
    client = await world.login(person)
    return await client.request("DELETE", "/api/workspace", json={"name": person.workspace_name})


@ACTS.records("service_key.created")
async def service_keys_create(world: World) -> httpx2.Response:
    answer = await world.client.post("/api/workspace/service-keys", json={"name": "Deploy"})
    world.known["service_key"] = f"/api/workspace/service-keys/{answer.json()['id']}"
    return answer


@ACTS.records("service_key.revoked")
async def service_keys_revoke(world: World) -> httpx2.Response:
    return await world.client.delete(world.known["service_key"])


@ACTS.records("oidc.unlinked")
async def users_disconnect_identity(world: World) -> httpx2.Response:
    identity = await world.make.identity(world.account)
    return await world.client.delete(f"/api/user/identities/{identity}")
