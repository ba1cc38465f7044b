"""Texts of drafts that were run count for the quotas of versions, until they are deleted."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.core.settings.model import Settings
from stepiq.runs import service
from stepiq.store.database import Database
from stepiq.store.states import FIRST_DRAFT_VERSION
from stepiq.store.tables import pipeline_versions, pipelines, quota_counts, runs
from tests.support.clients import login, outcome
from tests.support.locks import until_one_waits, until_waiting

__all__ = ["login"]

pytestmark = pytest.mark.both_stores

KEPT = timedelta(days=30)
PLANS = {"versions": {"versions": 3}, "bytes": {"definition_bytes": 250}}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    plans = {name: {"extends": "unlimited", **limits} for name, limits in PLANS.items()}
    return settings.model_copy(update={"plans": plans})


def text(number: int = 0) -> str:
    """One of many different definitions with the same size in bytes, which is not that in characters."""
    return f"name: Größe\nsteps: [{{id: a, type: transform, template: x}}]\n#{number:02}".ljust(82)


SIZE = len(text().encode())


async def run(client, number=0, **body):
    return await client.post("/api/runs/draft", json={"text": text(number), **body})


async def save(client):
    return await client.post(
        "/api/pipelines", content=text(), headers={"Content-Type": "application/yaml"}
    )


async def end(client, answer):
    assert answer.status_code == 202, answer.text
    cancelled = await client.post(f"/api/runs/{answer.json()['id']}/cancel")
    assert cancelled.status_code == 200, cancelled.text


@pytest.fixture
def sweep(database):
    """Deletes the runs that have ended by now."""

    async def sweep():
        async with database.transaction() as session:
            return await service.sweep(session, clock.now() + KEPT, kept=KEPT)

    return sweep


@pytest.fixture
def counted(database):
    """The counters of versions and bytes of a workspace."""

    async def counted(account):
        async with database.reading() as session:
            statement = sa.select(quota_counts.c.name, quota_counts.c.value).where(
                quota_counts.c.workspace_id == account.workspace_id
            )
            found = {row.name: row.value for row in await session.execute(statement)}
        return found.get("versions", 0), found.get("definition_bytes", 0)

    return counted


class TestCounting:
    async def test_a_text_counts_as_one_version_with_its_bytes(
        self, login, account, counted, database
    ):
        client = await login(account)

        answers = [await run(client, number) for number in range(2)]

        assert [answer.status_code for answer in answers] == [202, 202]
        assert await counted(account) == (2, 2 * SIZE)

    async def test_another_run_of_the_same_text_does_not_count(self, login, account, counted, make):
        client = await login(account)
        pipeline_id = str(await make.pipeline(account))

        for _ in range(3):
            await run(client, pipeline_id=pipeline_id)

        assert await counted(account) == (1, SIZE)

    async def test_equal_texts_that_are_run_at_once_count_once(self, login, account, counted, make):
        client = await login(account)
        pipeline_id = str(await make.pipeline(account))

        answers = await asyncio.gather(*(run(client, pipeline_id=pipeline_id) for _ in range(4)))

        assert [answer.status_code for answer in answers] == [202] * 4
        assert await counted(account) == (1, SIZE)


class TestRefusals:
    async def test_a_new_text_beyond_the_number_of_versions_is_not_run(
        self, login, make, counted, database
    ):
        account = await make.user(plan="versions")
        client = await login(account)
        for number in range(3):
            assert (await run(client, number)).status_code == 202

        refused = await run(client, 3)

        assert outcome(refused) == (403, "plan_versions_exceeded")
        detail = refused.json()["detail"]
        assert "allows 3 stored versions of pipelines, and the workspace has 3." in detail
        assert (
            "The text of a draft that was run counts only for other drafts, until its runs"
            in detail
        )
        assert "`versions = …` under `[plans.versions]`" in detail
        async with database.reading() as session:
            for table in (runs, pipelines, pipeline_versions):
                assert await session.scalar(sa.select(sa.func.count()).select_from(table)) == 3

    async def test_a_text_that_does_not_fit_into_the_bytes_is_not_run(self, login, make, counted):
        account = await make.user(plan="bytes")
        client = await login(account)
        for number in range(2):
            assert (await run(client, number)).status_code == 202

        refused = await run(client, 2)

        assert outcome(refused) == (403, "plan_definition_bytes_exceeded")
        assert f"the workspace has {2 * SIZE}." in refused.json()["detail"]
        assert await counted(account) == (2, 2 * SIZE)

    async def test_a_text_that_counts_already_can_be_run_again(self, login, make):
        account = await make.user(plan="versions")
        client = await login(account)
        pipeline_id = str(await make.pipeline(account))
        for number in range(3):
            await run(client, number, pipeline_id=pipeline_id)

        assert (await run(client, 1, pipeline_id=pipeline_id)).status_code == 202

    async def test_no_more_than_the_plan_allows_are_run_at_once(self, login, make, counted):
        account = await make.user(plan="versions")
        client = await login(account)

        answers = await asyncio.gather(*(run(client, number) for number in range(6)))

        assert sorted(answer.status_code for answer in answers) == [202] * 3 + [403] * 3
        assert await counted(account) == (3, 3 * SIZE)

    async def test_saved_versions_count_for_drafts(self, login, make):
        client = await login(await make.user(plan="versions"))
        saved = [await save(client) for _ in range(2)]

        answers = [await run(client, number) for number in range(2)]

        assert [answer.status_code for answer in (*saved, *answers)] == [201, 201, 202, 403]


class TestSaving:
    """Texts of drafts, which a person cannot delete, do not prevent saving."""

    @pytest.mark.parametrize(("plan", "limit", "has"), [("versions", 3, 3), ("bytes", 2, 2 * SIZE)])
    async def test_as_many_versions_are_saved_as_without_drafts(
        self, login, make, plan, limit, has, counted
    ):
        account = await make.user(plan=plan)
        client = await login(account)
        for number in range(limit):
            assert (await run(client, number)).status_code == 202

        saved = [await save(client) for _ in range(limit + 1)]

        assert [answer.status_code for answer in saved] == [201] * limit + [403]
        assert f"the workspace has {has}." in saved[-1].json()["detail"]
        assert await counted(account) == (2 * limit, 2 * limit * SIZE)
        assert (await run(client, limit)).status_code == 403

    async def test_no_more_than_the_plan_allows_are_saved_at_once(self, login, make):
        client = await login(await make.user(plan="versions"))
        for number in range(3):
            await run(client, number)

        answers = await asyncio.gather(*(save(client) for _ in range(6)))

        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [403] * 3


class TestDeletion:
    async def test_a_text_counts_until_it_is_deleted(self, login, account, counted, sweep):
        client = await login(account)
        await end(client, await run(client, 0))
        kept = await run(client, 1)

        assert await sweep() == 1

        assert kept.status_code == 202
        assert await counted(account) == (1, SIZE)

    async def test_it_counts_while_another_run_needs_it(self, login, account, counted, sweep, make):
        client = await login(account)
        pipeline_id = str(await make.pipeline(account))
        await end(client, await run(client, pipeline_id=pipeline_id))
        last = await run(client, pipeline_id=pipeline_id)
        await sweep()
        needed = await counted(account)

        await end(client, last)
        await sweep()

        assert needed == (1, SIZE)
        assert await counted(account) == (0, 0)

    async def test_each_workspace_gets_back_its_own(self, login, account, stranger, counted, sweep):
        own, other = await login(account), await login(stranger)
        for client, numbers in ((own, range(3)), (other, range(2))):
            for number in numbers:
                await end(client, await run(client, number))
        await run(other, 2)

        assert await sweep() == 5

        assert await counted(account) == (0, 0)
        assert await counted(stranger) == (1, SIZE)

    @pytest.mark.slow
    async def test_the_count_stays_exact_while_texts_are_run_and_deleted(
        self, login, account, counted, sweep, make, database
    ):
        client = await login(account)
        pipeline_id = str(await make.pipeline(account))
        for _ in range(5):
            for number in range(3):
                await end(client, await run(client, number, pipeline_id=pipeline_id))

            answers = await asyncio.gather(
                sweep(),
                *(run(client, number, pipeline_id=pipeline_id) for number in range(4)),
                sweep(),
            )

            started = [answer for answer in answers if not isinstance(answer, int)]
            assert [answer.status_code for answer in started] == [202] * 4
            assert await counted(account) == await _stored(database, pipeline_id)
            for answer in started:
                await end(client, answer)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_text_is_run_again_while_it_is_deleted(login, account, sweep, database, settings):
    client = await login(account)
    draft = (await client.post("/api/drafts", json={"text": text()})).json()
    pipeline_id = draft["pipeline_id"]
    first = await run(client, pipeline_id=pipeline_id)
    await end(client, first)
    other = Database(settings)
    async with other.transaction(30) as session:
        # Holds both until both have locked what they lock before the text.
        await session.execute(sa.select(pipeline_versions.c.version).with_for_update())
        sweeping = asyncio.create_task(sweep())
        await until_one_waits(other)
        running = asyncio.create_task(run(client, pipeline_id=pipeline_id))
        await until_waiting(other, 2)

    await other.close()
    assert await sweeping == 1
    again = await running
    assert outcome(again) == (202, None)
    assert await _stored(database, pipeline_id) == (1, SIZE)


async def _stored(database, pipeline_id):
    """The number and the bytes of the stored texts of a pipeline's drafts."""
    statement = sa.select(pipeline_versions.c.source).where(
        pipeline_versions.c.pipeline_id == UUID(pipeline_id),
        pipeline_versions.c.version >= FIRST_DRAFT_VERSION,
    )
    async with database.reading() as session:
        sources = (await session.execute(statement)).scalars().all()
    return len(sources), sum(len(source.encode()) for source in sources)
