"""Inputs and outputs that take long to validate are validated in a thread, wherever they come from."""

import asyncio
import threading
from collections.abc import Coroutine
from functools import partial
from itertools import count
from typing import Any, TypeVar

import pytest

from stepiq.core import clock
from stepiq.core.ids import uuid7
from stepiq.core.json import Json
from stepiq.execution.limits.plans import Plans
from stepiq.execution.records.run import RunCaller
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.language.schemas import validation as schemas
from stepiq.language.schemas.work import work_of
from stepiq.runs import examining, service
from stepiq.runs.bulk.worker import BulkWorker
from stepiq.store.database import Database
from stepiq.store.states import CallerType, RunStatus, StepStatus, TriggerType
from stepiq.triggers.schedules.firing import NotYet, WantedRun, start_many
from tests.support.make_accounts import actor

T = TypeVar("T")

ROWS: list[Json] = [{"a": number} for number in range(1_000)]
SOURCE = """\
name: Rows
input: {schema: {rows: {type: array}}}
steps:
  - {id: a, model: openai/gpt-4o-mini, prompt: x, output_schema: {type: array, items: {type: object}}}
  - {id: b, type: transform, template: "y"}
"""
LARGE: dict[str, Json] = {"rows": ROWS}
SMALL: dict[str, Json] = {"rows": ROWS[:3]}


async def of_pipeline(client, account, make, pipeline_id, data):
    return await client.post(f"/api/pipelines/{pipeline_id}/run", json={"input_data": data})


async def of_draft(client, account, make, pipeline_id, data):
    body = {"pipeline_id": str(pipeline_id), "text": SOURCE, "input_data": data}
    return await client.post("/api/runs/draft", json=body)


async def retry(client, account, make, pipeline_id, data):
    ended = await make.run(account, pipeline_id, status=RunStatus.FAILED, input_data=data)
    return await client.post(f"/api/runs/{ended}/retry", json={"from": "start"})


async def of_schedule(client, account, make, pipeline_id, data):
    schedule_id = await make.schedule(account, pipeline_id, input_data=data)
    return await client.post(f"/api/schedules/{schedule_id}/run-now")


async def new_schedule(client, account, make, pipeline_id, data):
    body = {"name": "Daily", "cron_expression": "0 0 * * *", "input_data": data}
    return await client.post(f"/api/pipelines/{pipeline_id}/schedules", json=body)


async def changed_schedule(client, account, make, pipeline_id, data):
    schedule_id = await make.schedule(account, pipeline_id, input_data=SMALL)
    return await client.patch(f"/api/schedules/{schedule_id}", json={"input_data": data})


async def of_webhook(client, account, make, pipeline_id, data):
    return await client.post(f"/api/webhooks/{pipeline_id}", json=data)


async def outputs_of_retry(client, account, make, pipeline_id, data):
    ended = await make.run(account, pipeline_id, status=RunStatus.FAILED)
    await make.step(ended, "a", output=[])
    await make.step(ended, "b", ordinal=2, status=StepStatus.FAILED)
    body = {"from": "b", "outputs": {"a": data["rows"]}}
    return await client.post(f"/api/runs/{ended}/retry", json=body)


async def of_step_run(client, account, make, pipeline_id, data):
    ended = await make.run(account, pipeline_id, status=RunStatus.FAILED, input_data=data)
    body = {"pipeline_id": str(pipeline_id), "text": SOURCE, "step_id": "b"}
    return await client.post("/api/runs/draft", json={**body, "from_run": str(ended)})


async def retry_of_step_run(client, account, make, pipeline_id, data):
    ended = await make.run(account, pipeline_id, status=RunStatus.FAILED, only_step="b")
    body = {"outputs": {"a": data["rows"]}}
    return await client.post(f"/api/runs/{ended}/retry", json=body)


async def outputs_of_step_run(client, account, make, pipeline_id, data):
    body = {"pipeline_id": str(pipeline_id), "text": SOURCE, "step_id": "b"}
    return await client.post("/api/runs/draft", json={**body, "outputs": {"a": data["rows"]}})


WAYS = pytest.mark.parametrize(
    "way",
    [
        of_pipeline,
        of_draft,
        retry,
        of_schedule,
        new_schedule,
        changed_schedule,
        of_webhook,
        of_step_run,
        retry_of_step_run,
        outputs_of_retry,
        outputs_of_step_run,
    ],
)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads in which validations were begun."""
    names: list[str] = []

    def noted(*args: Any) -> Any:
        names.append(threading.current_thread().name)
        return work_of(*args)

    monkeypatch.setattr(schemas, "work_of", noted)
    return names


@pytest.fixture
def client_of(owner, login_key, account):
    async def client_of(way):
        return await login_key(account, ["webhooks:trigger"]) if way is of_webhook else owner

    return client_of


@WAYS
async def test_a_large_one_is_validated_in_a_thread(client_of, account, make, threads, way):
    pipeline_id = await make.pipeline(account, source=SOURCE)

    answer = await way(await client_of(way), account, make, pipeline_id, LARGE)

    assert answer.is_success
    assert "offload" in threads


@WAYS
async def test_a_small_one_needs_no_thread(client_of, account, make, threads, way):
    pipeline_id = await make.pipeline(account, source=SOURCE)

    answer = await way(await client_of(way), account, make, pipeline_id, SMALL)

    assert answer.is_success
    assert set(threads) == {threading.current_thread().name}


@pytest.fixture
def start_due(database, engine, account, make):
    """Starts runs of due schedules in one transaction; returns their refusals."""

    async def start_due(*inputs: dict[str, Json]):
        pipeline_id = await make.pipeline(account, source=SOURCE)
        wanted = [
            WantedRun(
                id=uuid7(),
                workspace_id=account.workspace_id,
                pipeline_id=pipeline_id,
                version=1,
                plan=Plans.load({}).get("enterprise"),
                trigger=TriggerType.CRON,
                input_data=data,
                caller=RunCaller(CallerType.USER, account.id),
            )
            for data in inputs
        ]
        async with database.transaction() as session:
            return await start_many(session, wanted, engine=engine)

    return start_due


async def test_that_of_a_due_schedule_is_validated_in_a_thread(start_due, threads):
    assert await start_due(LARGE) == [None]
    assert "offload" in threads


async def test_due_schedules_whose_inputs_take_long_leave_time_to_others(start_due, monkeypatch):
    # Each look at the clock is a second later.
    monkeypatch.setattr(clock, "monotonic", partial(next, count()))

    refusals = await start_due(LARGE, SMALL, LARGE)

    assert [type(each) for each in refusals] == [type(None), type(None), NotYet]


class OtherWriter:
    """A transaction that writes, from before some work until the work validates a value in a thread."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self._database = database
        self._validated = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.validations = 0
        """In threads."""
        monkeypatch.setattr(schemas, "work_of", self._noted)

    def _noted(self, *args: Any) -> Any:
        if threading.current_thread().name == "offload":
            self.validations += 1
            self._loop.call_soon_threadsafe(self._validated.set)
        return work_of(*args)

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        async with asyncio.timeout(10), self._database.transaction():
            task = asyncio.create_task(work)
            await self._validated.wait()
        return await task


class Client:
    """A client whose requests begin while another transaction writes."""

    def __init__(self, client: Any, writer: OtherWriter) -> None:
        self._client = client
        self._writer = writer

    async def post(self, url: str, **options: Any) -> Any:
        return await self._writer.during(self._client.post(url, **options))

    async def patch(self, url: str, **options: Any) -> Any:
        return await self._writer.during(self._client.patch(url, **options))


class TestBeforeTheTransaction:
    """On SQLite, a transaction that writes blocks others. On PostgreSQL, a transaction holds a connection."""

    pytestmark = pytest.mark.both_stores

    @pytest.fixture
    async def writer(self, database, monkeypatch):
        return OtherWriter(database, monkeypatch)

    @pytest.mark.slow
    @WAYS
    async def test_a_large_one_is_validated_once(self, client_of, account, make, writer, way):
        pipeline_id = await make.pipeline(account, source=SOURCE)
        client = Client(await client_of(way), writer)

        answer = await way(client, account, make, pipeline_id, LARGE)

        assert answer.is_success
        assert writer.validations == 1

    @WAYS
    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    async def test_no_connection_is_held_meanwhile(
        self, app, client_of, account, make, database, monkeypatch, way
    ):
        pipeline_id = await make.pipeline(account, source=SOURCE)
        client, held = await client_of(way), list[int]()
        # The first request with a credential also records its use, in a transaction of its own.
        await client.get("/api/user/me")
        await app.state.doors.authenticator.settle()

        def noted(*args: Any) -> Any:
            if threading.current_thread().name == "offload":
                held.append(database.connections()["all"])
            return work_of(*args)

        monkeypatch.setattr(schemas, "work_of", noted)
        answer = await way(client, account, make, pipeline_id, LARGE)

        assert answer.is_success
        assert held == [0]

    @pytest.mark.slow
    @WAYS
    async def test_a_large_one_that_is_invalid_is_validated_once(
        self, client_of, account, make, writer, way
    ):
        pipeline_id = await make.pipeline(account, source=SOURCE)
        client = Client(await client_of(way), writer)

        answer = await way(client, account, make, pipeline_id, {"rows": {"a": ROWS}})

        assert answer.status_code == 422
        assert writer.validations == 1

    async def test_that_of_a_retry_in_a_bulk_job_is_validated_once(
        self, services, database, owner, account, make, writer
    ):
        pipeline_id = await make.pipeline(account, source=SOURCE)
        ended = await make.run(account, pipeline_id, status=RunStatus.FAILED, input_data=LARGE)
        body = {"action": "retry", "run_ids": [str(ended)]}
        job_id = (await owner.post("/api/bulk-jobs", json=body)).json()["id"]
        worker = BulkWorker(database, services.engine, Plans.load({}))

        await writer.during(worker.turn())

        assert (await owner.get(f"/api/bulk-jobs/{job_id}")).json()["done"] == 1
        assert writer.validations == 1

    @pytest.mark.parametrize("way", [of_pipeline, retry, of_schedule])
    async def test_other_refusals_come_before_that_of_an_invalid_one(
        self, owner, account, make, way
    ):
        pipeline_id = await make.pipeline(account, source=SOURCE)
        await owner.post(f"/api/pipelines/{pipeline_id}/pause")

        answer = await way(owner, account, make, pipeline_id, {"rows": {"a": ROWS}})

        assert answer.json()["code"] == "pipeline_paused"

    async def test_the_version_that_is_the_newest_in_the_transaction_decides(
        self, database, engine, owner, account, make
    ):
        pipeline_id = await make.pipeline(account, source=SOURCE)
        plan = Plans.load({}).get("enterprise")
        find = partial(
            service.to_validate,
            actor=actor(account),
            pipeline_id=pipeline_id,
            engine=engine,
            input_data=SMALL,
        )
        examined = await examining.examine(database, find)
        saved = await owner.put(
            f"/api/pipelines/{pipeline_id}",
            content=SOURCE.replace("type: array}}}", "type: string}}}"),
            headers={"Content-Type": "application/yaml"},
        )
        assert saved.is_success

        async with database.transaction() as session:
            with pytest.raises(InputInvalid):
                await service.prepare(
                    session,
                    actor(account),
                    pipeline_id,
                    engine=engine,
                    plan=plan,
                    input_data=SMALL,
                    version=None,
                    examined=examined,
                )
