import asyncio
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import ids
from stepiq.pipelines import queries
from stepiq.store.database import Database
from stepiq.store.states import PipelineStatus, RunStatus
from stepiq.store.tables import pipelines, runs
from tests.support.clients import outcome
from tests.support.locks import until_one_waits
from tests.support.make_pipelines import GREETING

INPUT = {"input_data": {"name": "Ada"}}


pytestmark = pytest.mark.both_stores


@pytest.fixture
async def url(account, make):
    return f"/api/pipelines/{await make.pipeline(account)}"


@pytest.fixture
async def sender(login_key, account):
    return await login_key(account, ["webhooks:trigger"])


@pytest.fixture
def started(database):
    """The number of stored runs."""

    async def started():
        async with database.reading() as session:
            return await session.scalar(sa.select(sa.func.count()).select_from(runs))

    return started


class TestPause:
    async def test_a_paused_pipeline_shows_since_when_by_whom_and_why(
        self, owner, account, url, clock
    ):
        paused = await owner.post(f"{url}/pause", json={"reason": " New prices "})

        shown = paused.json()
        author = {"id": str(account.id), "name": account.name, "email": account.email}
        assert (paused.status_code, shown["status"]) == (200, "paused")
        assert (shown["pause"]["by"], shown["pause"]["reason"]) == (author, "New prices")
        assert shown["pause"]["at"] == shown["updated_at"]
        assert (await owner.get(url)).json() == shown

    async def test_lists_show_it_unless_they_are_filtered_by_another_status(
        self, owner, account, make, url
    ):
        other = await make.pipeline(account)
        archived = await make.pipeline(account, status=PipelineStatus.ARCHIVED)
        await owner.post(f"{url}/pause")

        async def listed(query=""):
            found = (await owner.get(f"/api/pipelines{query}")).json()["data"]
            return {(each["id"], each["status"]) for each in found}

        paused = (url.rpartition("/")[2], "paused")
        active = (str(other), "active")
        assert await listed() == {paused, active}
        assert await listed("?status=paused") == {paused}
        assert await listed("?status=active") == {active}
        assert await listed("?status=archived") == {(str(archived), "archived")}

    async def test_pausing_twice_changes_only_the_reason(self, owner, url, clock):
        first = (await owner.post(f"{url}/pause")).json()
        again = (await owner.post(f"{url}/pause")).json()
        third = (await owner.post(f"{url}/pause", json={"reason": "Prices"})).json()
        fourth = (await owner.post(f"{url}/pause", json={})).json()

        assert again == first
        assert third["pause"] == {**first["pause"], "reason": "Prices"}
        assert fourth["pause"] == third["pause"]

    @pytest.mark.parametrize("what", ["pause", "resume"])
    async def test_an_archived_or_foreign_pipeline_is_refused(
        self, owner, make, account, stranger, what
    ):
        archived = await make.pipeline(account, status=PipelineStatus.ARCHIVED)
        foreign = await make.pipeline(stranger)

        found = [
            outcome(await owner.post(f"/api/pipelines/{each}/{what}"))
            for each in (archived, foreign, ids.uuid7())
        ]

        not_found = (404, "pipeline_not_found")
        assert found == [(409, "pipeline_archived"), not_found, not_found]

    @pytest.mark.parametrize("what", ["pause", "resume"])
    async def test_a_key_needs_the_scope_to_write(self, login_key, account, url, what):
        reader = await login_key(account, ["pipelines:read", "pipelines:execute"])

        refused = await reader.post(f"{url}/{what}")

        assert outcome(refused) == (403, "scope_missing")

    async def test_archiving_ends_the_pause(self, owner, url):
        await owner.post(f"{url}/pause")
        await owner.delete(url)

        restored = (await owner.post(f"{url}/restore")).json()

        assert (restored["status"], restored["pause"]) == ("active", None)

    async def test_a_row_that_an_earlier_version_archived_comes_back_active(
        self, owner, database, url
    ):
        await owner.post(f"{url}/pause")
        async with database.transaction() as session:
            await session.execute(sa.update(pipelines).values(status="archived"))

        assert (await owner.get(url)).json()["status"] == "archived"
        assert (await owner.post(f"{url}/restore")).json()["status"] == "active"

    async def test_restoring_does_not_resume(self, owner, url):
        paused = (await owner.post(f"{url}/pause")).json()

        assert (await owner.post(f"{url}/restore")).json() == paused


class TestTriggers:
    async def test_runs_and_webhooks_are_refused_until_it_is_resumed(self, owner, sender, url):
        hook = url.replace("pipelines", "webhooks")
        # Both are known to the caches of webhooks.
        assert (await sender.post(hook, json=INPUT)).status_code == 202
        await owner.post(f"{url}/pause", json={"reason": "New prices"})

        refused = await owner.post(f"{url}/run", json=INPUT)
        unknown = await sender.post(hook, json=INPUT)
        keyed = await sender.post(hook, json=INPUT, headers={"Idempotency-Key": "a"})
        resumed = await owner.post(f"{url}/resume")

        assert outcome(refused) == (409, "pipeline_paused")
        assert refused.json()["detail"].endswith(f"POST {url}/resume. Reason: New prices")
        assert outcome(unknown) == outcome(keyed) == (404, "pipeline_not_active")
        assert "paused" in unknown.json()["detail"]
        assert (resumed.json()["status"], resumed.json()["pause"]) == ("active", None)
        assert (await owner.post(f"{url}/run", json=INPUT)).status_code == 202
        assert (await sender.post(hook, json=INPUT)).status_code == 202

    async def test_retries_are_refused_and_unfinished_runs_remain(self, owner, account, make, url):
        pipeline_id = UUID(url.rpartition("/")[2])
        ended = await make.run(account, pipeline_id, status=RunStatus.FAILED)
        waiting = await make.run(account, pipeline_id)
        await owner.post(f"{url}/pause")

        retried = await owner.post(f"/api/runs/{ended}/retry", json={"from": "start"})

        assert outcome(retried) == (409, "pipeline_paused")
        assert (await owner.get(f"/api/runs/{waiting}")).json()["status"] == "pending"

    async def test_it_can_be_edited_and_its_drafts_tested(self, owner, url):
        await owner.post(f"{url}/pause")
        text = GREETING.replace("Hello", "Good morning,")

        tested = await owner.post(
            "/api/runs/draft", json={"pipeline_id": url.rpartition("/")[2], "text": text, **INPUT}
        )
        saved = await owner.put(url, content=text, headers={"Content-Type": "application/yaml"})
        renamed = await owner.patch(url, json={"name": "Other"})

        assert (tested.status_code, saved.status_code) == (202, 200)
        assert (saved.json()["version"], saved.json()["status"]) == (2, "paused")
        assert (renamed.json()["name"], renamed.json()["status"]) == ("Other", "paused")

    async def test_a_webhook_that_was_checked_before_the_pause_is_refused(
        self, owner, sender, database, url
    ):
        hook = url.replace("pipelines", "webhooks")
        await sender.post(hook, json=INPUT)
        # As another process pauses it: this one does not know.
        async with database.transaction() as session:
            await session.execute(
                sa.update(pipelines).values(
                    paused_at=sa.func.coalesce(pipelines.c.paused_at, pipelines.c.created_at)
                )
            )

        refused = await sender.post(hook, json=INPUT)
        keyed = await sender.post(hook, json=INPUT, headers={"Idempotency-Key": "a"})

        assert outcome(refused) == outcome(keyed) == (404, "pipeline_not_active")

    async def test_a_webhook_that_was_checked_before_the_archive_is_refused(
        self, sender, database, url
    ):
        hook = url.replace("pipelines", "webhooks")
        await sender.post(hook, json=INPUT)
        # As another process archives it: this one does not know.
        async with database.transaction() as session:
            await session.execute(sa.update(pipelines).values(status=PipelineStatus.ARCHIVED))

        refused = await sender.post(hook, json=INPUT)
        keyed = await sender.post(hook, json=INPUT, headers={"Idempotency-Key": "a"})

        assert outcome(refused) == outcome(keyed) == (404, "pipeline_not_found")


class TestTogether:
    async def test_no_run_is_accepted_after_the_answer_to_a_pause(
        self, owner, sender, url, started
    ):
        hook = url.replace("pipelines", "webhooks")
        calls = [
            asyncio.create_task(client.post(path, json=INPUT))
            for _ in range(15)
            for client, path in ((owner, f"{url}/run"), (sender, hook))
        ]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)

        paused = await owner.post(f"{url}/pause")
        at_the_answer = await started()
        found = {outcome(await call) for call in calls}

        assert paused.json()["status"] == "paused"
        assert await started() == at_the_answer
        # On a busy machine, the thirty calls may also wait too long for a connection.
        refused = {
            (409, "pipeline_paused"),
            (404, "pipeline_not_active"),
            (503, "store_unavailable"),
        }
        assert found <= {(202, None), *refused}

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    async def test_a_pause_waits_for_a_run_that_is_being_started(
        self, owner, database, settings, account, url
    ):
        other = Database(settings)
        pipeline_id = UUID(url.rpartition("/")[2])
        async with other.transaction(30) as session:
            await queries.lock_to_run(session, account.workspace_id, pipeline_id)
            pausing = asyncio.create_task(owner.post(f"{url}/pause"))
            await until_one_waits(database)
            saved = await owner.patch(url, json={"name": "Other"})

        await other.close()
        assert saved.status_code == 200
        assert (await pausing).json()["status"] == "paused"
