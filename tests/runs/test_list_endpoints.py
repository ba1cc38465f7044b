import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from stepiq.core import ids
from stepiq.runs import list_queries
from stepiq.store.connections.connection import Pool
from stepiq.store.states import RunStatus, TriggerType
from stepiq.store.tables import runs
from tests.support.make_pipelines import GREETING


@pytest.mark.both_stores
class TestCount:
    async def test_it_counts_what_the_list_has(self, owner, account, make):
        one, two = await make.pipeline(account), await make.pipeline(account)
        await make.run(account, one)
        await make.run(account, one, status=RunStatus.COMPLETED)
        await make.run(account, two)

        async def counted(query: str) -> dict[str, Any]:
            return (await owner.get(f"/api/runs/count?{query}")).json()

        assert await counted("") == {"count": 3, "has_more": False}
        assert await counted(f"pipeline_id={one}") == {"count": 2, "has_more": False}
        assert await counted("error_code=x&status=failed") == {"count": 0, "has_more": False}
        assert await counted("status=completed") == {"count": None, "has_more": True}

    async def test_it_stops(self, owner, account, make, monkeypatch):
        monkeypatch.setattr(list_queries, "COUNTED", 2)
        pipeline_id = await make.pipeline(account)
        for _ in range(3):
            await make.run(account, pipeline_id)

        response = await owner.get("/api/runs/count")

        assert response.json() == {"count": 2, "has_more": True}


class TestList:
    async def found(self, client, query=""):
        response = await client.get(f"/api/runs?{query}")
        assert response.status_code == 200, response.text
        return [run["id"] for run in response.json()["data"]]

    async def test_pages_hold_every_run_once_newest_first(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        made = [str(await make.run(account, pipeline_id)) for _ in range(5)]

        seen, cursor = [], ""
        while cursor is not None:
            query = "limit=2" + (f"&cursor={cursor}" if cursor else "")
            page = (await owner.get(f"/api/runs?{query}")).json()
            seen += [run["id"] for run in page["data"]]
            cursor = page["next_cursor"]

        assert seen == made[::-1]

    async def test_it_filters_by_pipeline_status_and_trigger(self, owner, account, make):
        one, two = await make.pipeline(account), await make.pipeline(account)
        a = str(await make.run(account, one, status=RunStatus.COMPLETED))
        b = str(await make.run(account, two, status=RunStatus.FAILED))
        c = str(await make.run(account, one, trigger_type=TriggerType.WEBHOOK))

        assert await self.found(owner, f"pipeline_id={one}") == [c, a]
        assert await self.found(owner, "status=failed") == [b]
        assert await self.found(owner, "status=failed&status=completed") == [b, a]
        assert await self.found(owner, f"status=failed&status=completed&pipeline_id={two}") == [b]
        assert await self.found(owner, "trigger_type=webhook") == [c]
        every = "&".join(f"status={status}" for status in RunStatus)
        assert await self.found(owner, every) == [c, b, a]
        assert await self.found(owner, "status=waiting&status=running") == []

    async def test_several_statuses_are_paged_as_one_list(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        statuses = [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.FAILED]
        made = [str(await make.run(account, pipeline_id, status=each)) for each in statuses]
        query = "status=completed&status=failed&limit=3"

        first = (await owner.get(f"/api/runs?{query}")).json()
        rest = (await owner.get(f"/api/runs?{query}&cursor={first['next_cursor']}")).json()

        listed = [run["id"] for run in first["data"] + rest["data"]]
        assert listed == made[::-1]

    @pytest.mark.both_stores
    async def test_it_filters_by_when_runs_were_made(self, owner, account, make, database):
        pipeline_id = await make.pipeline(account)
        old, new = [await make.run(account, pipeline_id) for _ in range(2)]
        async with database.reading() as session:
            rows = await session.execute(sa.select(runs.c.id, runs.c.created_at))
            at = {row.id: row.created_at for row in rows}

        def text(moment):
            return moment.isoformat().replace("+00:00", "Z")

        assert await self.found(owner, f"created_after={text(at[old])}") == [str(new)]
        assert await self.found(owner, f"created_before={text(at[new])}") == [str(old)]
        later = text(at[new] + timedelta(seconds=1))
        assert await self.found(owner, f"created_after={later}") == []
        assert await self.found(owner, f"created_before={later}") == [str(new), str(old)]
        assert await self.found(owner, "created_after=0001-01-01T00:00:00Z") != []
        assert await self.found(owner, "created_before=9999-12-31T23:59:59Z") != []

    async def test_it_finds_by_the_start_of_an_id_or_a_part_of_the_pipelines_name(
        self, owner, account, make
    ):
        named = await make.pipeline(
            account, source=GREETING.replace("Greeting", "Weekly Österreich 100%")
        )
        other = await make.pipeline(account)
        a, b = str(await make.run(account, named)), str(await make.run(account, other))

        assert await self.found(owner, "q=weekly") == [a]
        assert await self.found(owner, "q=ÖSTERREICH") == [a]
        assert await self.found(owner, "q=100%25") == [a]
        assert await self.found(owner, "q=_") == []
        assert await self.found(owner, f"q={a}") == [a]
        assert await self.found(owner, f"q={b[:30].upper()}") == [b]
        assert set(await self.found(owner, f"q={a[:8]}")) >= {a}
        assert await self.found(owner, "q=") == [b, a]

    @pytest.mark.both_stores
    async def test_it_filters_by_version_tag_error_and_caller(self, owner, account, make):
        tagged, other = await make.pipeline(account, tags=["a"]), await make.pipeline(account)
        caller = {"caller_type": "api_key", "caller_id": ids.uuid7()}
        a = str(await make.run(account, tagged, status=RunStatus.FAILED))
        b = str(await make.run(account, other, **caller))

        assert await self.found(owner, f"pipeline_id={other}&version=1") == [b]
        assert await self.found(owner, f"pipeline_id={other}&version=2") == []
        assert await self.found(owner, "tag=a") == [a]
        assert await self.found(owner, "tag=A") == []
        assert await self.found(owner, "error_code=step_failed") == [a]
        assert await self.found(owner, "error_code=step_failed&status=running") == []
        assert await self.found(owner, f"caller_id={caller['caller_id']}") == [b]

    @pytest.mark.both_stores
    async def test_it_filters_runs_that_passed_over_failures(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        await make.run(account, pipeline_id, status=RunStatus.COMPLETED)
        a = str(await make.run(account, pipeline_id, status=RunStatus.COMPLETED, failed_steps=3))

        assert await self.found(owner, "with_failures=true") == [a]
        assert (await owner.get(f"/api/runs/{a}")).json()["failed_steps"] == 3

    @pytest.mark.both_stores
    async def test_a_tag_is_found_whole_also_with_blanks(self, owner, account, make):
        both = await make.pipeline(account, tags=["very important", "b"])
        part = await make.pipeline(account, tags=["very"])
        a = str(await make.run(account, both, status=RunStatus.COMPLETED))
        b = str(await make.run(account, part, status=RunStatus.COMPLETED))

        assert await self.found(owner, "tag=very%20important") == [a]
        assert await self.found(owner, "tag=very+important") == [a]
        assert await self.found(owner, "tag=very") == [b]
        assert await self.found(owner, "tag=important") == []
        assert await self.found(owner, "tag=very%20%20important") == []

    async def test_blanks_around_a_tag_do_not_count(self, owner, account, make):
        pipeline = await make.pipeline(account, tags=["urgent"])
        run = str(await make.run(account, pipeline, status=RunStatus.COMPLETED))

        assert await self.found(owner, "tag=%20urgent%20") == [run]

    async def test_it_filters_by_the_slug_of_a_pipeline(self, owner, account, make):
        named = await make.pipeline(account, slug="letters")
        run = str(await make.run(account, named))
        await make.run(account, await make.pipeline(account))

        assert await self.found(owner, "pipeline_id=letters") == [run]
        assert (await owner.get("/api/runs?pipeline_id=unknown")).status_code == 422

    async def test_to_find_a_slug_takes_no_second_connection(
        self, owner, account, make, monkeypatch
    ):
        await make.pipeline(account, slug="letters")
        # Other tasks use connections at the same time.
        held: Counter[Any] = Counter()
        most: Counter[Any] = Counter()
        take, give_back = Pool.take, Pool.give_back

        async def taking(pool: Pool) -> Any:
            task = asyncio.current_task()
            held[task] += 1
            most[task] = max(most[task], held[task])
            return await take(pool)

        def giving_back(pool: Pool, connection: Any) -> None:
            held[asyncio.current_task()] -= 1
            give_back(pool, connection)

        monkeypatch.setattr(Pool, "take", taking)
        monkeypatch.setattr(Pool, "give_back", giving_back)

        assert (await owner.get("/api/runs?pipeline_id=letters")).status_code == 200

        assert set(most.values()) == {1}

    async def test_a_version_needs_its_pipeline(self, owner):
        response = await owner.get("/api/runs?version=1")

        assert response.status_code == 422
        (issue,) = response.json()["errors"]
        assert (issue["path"], issue["code"]) == ("version", "pipeline_missing")

    async def test_a_page_that_looked_at_enough_runs_continues_later(
        self, owner, account, make, monkeypatch
    ):
        monkeypatch.setattr(list_queries, "SCANNED", 2)
        pipeline_id = await make.pipeline(account)
        cron = {"trigger_type": TriggerType.CRON}
        wanted = str(await make.run(account, pipeline_id, status=RunStatus.FAILED, **cron))
        for _ in range(2):
            await make.run(account, pipeline_id, status=RunStatus.FAILED)

        query = "error_code=step_failed&trigger_type=cron"
        first = (await owner.get(f"/api/runs?{query}")).json()
        rest = (await owner.get(f"/api/runs?{query}&cursor={first['next_cursor']}")).json()

        assert first["data"] == []
        assert [run["id"] for run in rest["data"]] == [wanted]
        assert rest["next_cursor"] is None

    async def test_data_can_be_left_out(self, owner, account, make):
        data = {"input_data": {"a": 1}, "output": "x", "status": RunStatus.COMPLETED}
        await make.run(account, await make.pipeline(account), **data)

        (without,) = (await owner.get("/api/runs?include_data=false")).json()["data"]
        (whole,) = (await owner.get("/api/runs")).json()["data"]

        assert (whole["input_data"], whole["output"]) == ({"a": 1}, "x")
        assert without == whole | {"input_data": None, "output": None}

    @pytest.mark.parametrize(
        "query",
        [
            "status=gone",
            "caller_id=x",
            "pipeline_id=x",
            "trigger_type=x",
            "created_after=yesterday",
            "created_after=1772186400",
            "created_before=1772186400.5",
            "created_after=2026-01-01T00:00:00",
            "created_after=0001-01-01T00:00:00%2B14:00",
            "created_before=9999-12-31T23:59:59-14:00",
            "limit=0",
        ],
    )
    async def test_bad_parameters_are_refused(self, owner, query):
        response = await owner.get(f"/api/runs?{query}")

        assert response.status_code == 422
        assert response.json()["code"] == "invalid_query"

    async def test_parameters_nobody_knows_are_refused(self, owner):
        assert (await owner.get("/api/runs?pipeline=x")).status_code == 422
