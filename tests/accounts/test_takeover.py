"""A reset of the password ends what an account has made before its address was verified."""

from datetime import UTC, datetime
from unittest.mock import AsyncMock

import pytest
import sqlalchemy as sa

from stepiq.accounts.authentication import disabling
from stepiq.accounts.signing_in import takeover
from stepiq.store.database import StoreUnavailable
from stepiq.store.states import Role, RunStatus
from stepiq.store.tables import invitations, runs, schedules
from tests.support.clients import login, login_key, login_service_key, outcome
from tests.support.make_two_factor import Phone, to_next_step

__all__ = ["login", "login_key", "login_service_key"]

NINE = datetime(2030, 1, 7, 9, tzinfo=UTC)
NEW = "a different horse"
SCHEDULED = {
    "name": "Scheduled",
    "steps": [{"id": "a", "type": "transform", "template": "x"}],
    "schedule": {"cron": "0 * * * *"},
}


@pytest.fixture
async def squatted(make):
    """An account that someone else has registered with the owner's address."""
    return await make.user(is_verified=False)


@pytest.fixture
async def pipeline_id(make, squatted):
    return await make.pipeline(squatted)


@pytest.fixture
def reset(client, make):
    """Sets a new password with the link of a reset email; returns the answer."""

    async def reset(account):
        body = {"token": await make.reset(account), "password": NEW}
        response = await client.post("/api/auth/reset-password", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    return reset


@pytest.fixture
def rows(database):
    async def rows(statement):
        async with database.reading() as session:
            return (await session.execute(statement)).all()

    return rows


@pytest.mark.both_stores
class TestUnverifiedAccount:
    async def test_its_service_keys_are_revoked(self, make, squatted, reset, login_service_key):
        program = await login_service_key(await make.service_key(squatted))
        assert (await program.get("/api/pipelines")).status_code == 200

        answer = await reset(squatted)

        assert (await program.get("/api/pipelines")).status_code == 401
        assert answer["ended"]["service_keys_revoked"] == 1

    async def test_its_schedules_are_disabled_and_kept(
        self, make, squatted, pipeline_id, reset, rows
    ):
        await make.schedule(squatted, pipeline_id, next_run_at=NINE)
        await make.schedule(squatted, pipeline_id, enabled=False)

        answer = await reset(squatted)

        kept = await rows(sa.select(schedules.c.enabled, schedules.c.next_run_at))
        assert kept == [(False, None), (False, None)]
        assert answer["ended"]["schedules_disabled"] == 1

    async def test_its_open_invitations_are_withdrawn(self, make, squatted, reset, rows):
        await make.invitation(squatted)

        answer = await reset(squatted)

        assert await rows(sa.select(invitations.c.id)) == []
        assert answer["ended"]["invitations_withdrawn"] == 1

    async def test_its_unfinished_runs_are_cancelled(
        self, make, squatted, pipeline_id, reset, rows
    ):
        waiting = await make.run(squatted, pipeline_id, status=RunStatus.WAITING)
        done = await make.run(squatted, pipeline_id, status=RunStatus.COMPLETED)

        answer = await reset(squatted)

        found = dict(await rows(sa.select(runs.c.id, runs.c.status)))
        assert found == {waiting: RunStatus.CANCELLED, done: RunStatus.COMPLETED}
        assert answer["ended"]["runs_cancelled"] == 1

    async def test_another_reset_cancels_the_runs_that_one_could_not(
        self, client, make, squatted, pipeline_id, reset, rows, monkeypatch
    ):
        await make.run(squatted, pipeline_id, status=RunStatus.WAITING)
        body = {"token": await make.reset(squatted), "password": NEW}
        with monkeypatch.context() as broken:
            broken.setattr(disabling, "cancel_runs_of", AsyncMock(side_effect=StoreUnavailable("")))
            assert (await client.post("/api/auth/reset-password", json=body)).status_code == 503

        answer = await reset(squatted)

        assert await rows(sa.select(runs.c.status)) == [(RunStatus.CANCELLED,)]
        assert answer["ended"]["runs_cancelled"] == 1

    async def test_its_second_factor_does_not_lock_the_owner_out(
        self, client, squatted, reset, login
    ):
        stranger = await login(squatted)
        begun = await stranger.post("/api/user/totp")
        phone = Phone(squatted, begun.json()["secret"])
        to_next_step()
        await stranger.post("/api/user/totp/confirm", json={"code": phone.code()})

        answer = await reset(squatted)

        body = {"email": squatted.email, "password": NEW}
        assert (await client.post("/api/auth/login", json=body)).status_code == 200
        assert answer["ended"]["two_factor_disabled"] is True

    async def test_the_audit_log_says_what_ended(self, make, squatted, reset, login):
        await make.service_key(squatted)
        await reset(squatted)

        page = (await (await login(squatted)).get("/api/audit?action=password.reset")).json()

        [entry] = page["data"]
        assert entry["after"]["service_keys_revoked"] == 1

    async def test_the_link_of_an_administrator_ends_it_too(
        self, make, squatted, client, login, login_service_key
    ):
        program = await login_service_key(await make.service_key(squatted))
        admin = await login(await make.user(is_admin=True))
        link = (await admin.post(f"/api/admin/users/{squatted.id}/reset")).json()["link"]

        body = {"token": link.partition("#token=")[2], "password": NEW}
        answer = (await client.post("/api/auth/reset-password", json=body)).json()

        assert answer["ended"]["service_keys_revoked"] == 1
        assert (await program.get("/api/pipelines")).status_code == 401


class TestWorkspaces:
    async def test_what_was_left_in_a_workspace_that_is_now_its_own_ends_too(
        self, make, squatted, reset, login, login_service_key
    ):
        stranger = await make.user()
        await make.join(squatted, stranger, Role.OWNER)
        program = await login_service_key(await make.service_key(stranger))
        left = await (await login(stranger)).post("/api/workspace/leave")
        assert left.status_code == 200, left.text

        await reset(squatted)

        assert (await program.get("/api/pipelines")).status_code == 401

    async def test_a_workspace_of_others_continues(
        self, make, account, reset, login_service_key, rows
    ):
        pipeline_id = await make.pipeline(account)
        program = await login_service_key(await make.service_key(account))
        await make.schedule(account, pipeline_id, next_run_at=NINE)
        await make.run(account, pipeline_id, status=RunStatus.WAITING)
        member = await make.member(account, Role.ADMIN, is_verified=False)

        answer = await reset(member)

        assert not any(answer["ended"].values())
        assert (await program.get("/api/pipelines")).status_code == 200
        assert await rows(sa.select(schedules.c.enabled)) == [(True,)]
        assert await rows(sa.select(runs.c.status)) == [(RunStatus.WAITING,)]

    async def test_but_what_the_account_made_there_ends(
        self, make, account, reset, login_service_key, rows
    ):
        member = await make.member(account, Role.ADMIN, is_verified=False)
        program = await login_service_key(await make.service_key(member))
        await make.schedule(member, await make.pipeline(account), next_run_at=NINE)

        await reset(member)

        assert (await program.get("/api/pipelines")).status_code == 401
        assert await rows(sa.select(schedules.c.enabled)) == [(False,)]


class TestAnotherProcess:
    """It trusts what a reset has ended for a few seconds, and the address is verified then."""

    @pytest.fixture
    def reset_elsewhere(self, database, make):
        async def reset_elsewhere(account):
            token = await make.reset(account)
            async with database.transaction() as session:
                await takeover.reset_password(session, token, new_hash="x")

        return reset_elsewhere

    @pytest.mark.both_stores
    async def test_it_creates_no_invitation(self, squatted, login, reset_elsewhere):
        stranger = await login(squatted)
        assert (await stranger.get("/api/workspace/invitations")).status_code == 200
        await reset_elsewhere(squatted)

        body = {"email": "eve@example.com", "role": "owner"}
        response = await stranger.post("/api/workspace/invitations", json=body)

        assert outcome(response) == (401, "credential_invalid")

    @pytest.mark.both_stores
    @pytest.mark.parametrize("credential", ["session", "key"])
    async def test_it_creates_no_schedule(
        self, squatted, pipeline_id, login, login_key, reset_elsewhere, credential
    ):
        stranger = await (login if credential == "session" else login_key)(squatted)
        assert (await stranger.get("/api/schedules")).status_code == 200
        await reset_elsewhere(squatted)

        body = {"name": "Hourly", "cron_expression": "0 * * * *"}
        response = await stranger.post(f"/api/pipelines/{pipeline_id}/schedules", json=body)

        assert outcome(response) == (401, "credential_invalid")

    async def test_it_saves_no_definition_with_a_schedule(
        self, squatted, pipeline_id, login_key, reset_elsewhere
    ):
        stranger = await login_key(squatted)
        assert (await stranger.get("/api/schedules")).status_code == 200
        await reset_elsewhere(squatted)

        response = await stranger.put(f"/api/pipelines/{pipeline_id}", json=SCHEDULED)

        assert outcome(response) == (401, "credential_invalid")


class TestVerifiedAccount:
    async def test_its_service_keys_schedules_and_runs_continue(
        self, make, account, reset, login_service_key, rows
    ):
        pipeline_id = await make.pipeline(account)
        program = await login_service_key(await make.service_key(account))
        await make.schedule(account, pipeline_id, next_run_at=NINE)
        await make.run(account, pipeline_id, status=RunStatus.WAITING)

        answer = await reset(account)

        assert answer == {"sessions_ended": 0, "api_keys_revoked": 0}
        assert (await program.get("/api/pipelines")).status_code == 200
        assert await rows(sa.select(schedules.c.enabled)) == [(True,)]
        assert await rows(sa.select(runs.c.status)) == [(RunStatus.WAITING,)]

    async def test_a_second_reset_ends_nothing_more(self, make, squatted, reset, login_service_key):
        await reset(squatted)
        program = await login_service_key(await make.service_key(squatted))

        answer = await reset(squatted)

        assert "ended" not in answer
        assert (await program.get("/api/pipelines")).status_code == 200
