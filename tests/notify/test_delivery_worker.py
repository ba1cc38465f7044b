"""Deliveries whose courier is stopped, overtaken, or at fault."""

import asyncio
import time
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from stepiq.core import clock, ids
from stepiq.execution.definitions import Definitions
from stepiq.execution.records.run import ClaimedRun, Ending
from stepiq.execution.runtime import Engine
from stepiq.notify import delivery_worker, queries
from stepiq.notify.delivery_worker import DeliveryWorker
from stepiq.notify.outbox import DeliveryOutbox
from stepiq.notify.preparing import Unsendable
from stepiq.notify.records import SignedRequest
from stepiq.store.database import Database, StoreUnavailable
from stepiq.store.states import RunStatus, TriggerType
from stepiq.store.tables import deliveries, delivery_attempts
from tests.notify.conftest import PIPELINE, Sender, set_pauses
from tests.support import loop_time
from tests.support.noted_turns import NotedTurns
from tests.support.receiver import Receiver, Reply

NEVER = asyncio.Event()
TARGET = "{type: webhook, url: 'http://127.0.0.1:9', signing_secret_name: SIGNING}"
THREE = f"""
name: Three
steps: [{{id: a, type: transform, template: x}}]
output: {{deliver: [{TARGET}, {TARGET}, {TARGET}]}}
"""


pytestmark = pytest.mark.both_stores


@pytest.fixture
def let_go(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set once a courier has done with a delivery."""
    event, deliver = asyncio.Event(), DeliveryWorker.deliver

    async def noted(courier: DeliveryWorker, delivery_id: UUID, stopping: asyncio.Event) -> bool:
        try:
            return await deliver(courier, delivery_id, stopping)
        finally:
            event.set()

    monkeypatch.setattr(DeliveryWorker, "deliver", noted)
    return event


async def started(sender: Sender, receiver: Receiver) -> str:
    """A run whose delivery is at its receiver."""
    run_id = await sender.run(await sender.pipeline(PIPELINE.format(url=receiver.url)))
    await receiver.until(1)
    return run_id


def an_ended_run(sender: Sender) -> ClaimedRun:
    """A run of a pipeline that is not there."""
    now = clock.now()
    return ClaimedRun(
        id=ids.uuid7(),
        workspace_id=sender.account.workspace_id,
        pipeline_id=ids.uuid7(),
        pipeline_version=1,
        trigger_type=TriggerType.API,
        input_data={},
        claim=1,
        started_at=now,
        created_at=now,
        deadline_at=now,
    )


class TestStop:
    async def test_an_attempt_in_flight_ends_and_is_recorded(
        self, sender: Sender, receiver: Receiver, engine: Engine
    ):
        is_stopping = asyncio.Event()
        receiver.reply_with(Reply(after=is_stopping))
        run_id = await started(sender, receiver)

        stop = asyncio.create_task(engine.stop(timedelta(seconds=20)))
        await asyncio.sleep(0)
        is_stopping.set()
        await stop

        [delivery] = await sender.deliveries(run_id, final=0)
        assert delivery["status"] == "delivered"
        await engine.start()

    @pytest.mark.timeout(60)
    async def test_an_attempt_cut_off_counts_and_the_next_one_follows_after_the_start(
        self, sender: Sender, receiver: Receiver, engine: Engine
    ):
        receiver.reply_with(Reply(delay=30), 200)
        run_id = await started(sender, receiver)

        await engine.stop(timedelta(0))
        await engine.start()
        [delivery] = await sender.deliveries(run_id)

        assert [r.json["meta"]["attempt"] for r in receiver.received] == [1, 2]
        assert delivery["status"] == "delivered"
        cut, arrived = delivery["attempts"]
        pause = datetime.fromisoformat(arrived["at"]) - datetime.fromisoformat(cut["at"])
        assert pause >= timedelta(seconds=0.9)
        assert "server stopped during this attempt" in cut["error"]
        assert (cut["duration_ms"], arrived["error"]) == (None, None)

    async def test_a_pause_is_not_waited_for(
        self, sender: Sender, receiver: Receiver, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ):
        receiver.reply_with(503, 503, 503, 200)
        with monkeypatch.context() as patch:
            set_pauses(patch, 0.1, 0.2, 300)
            run_id = await started(sender, receiver)
            await receiver.until(3)
            before = await sender.attempted(run_id, 3)

            begun = time.monotonic()
            await engine.stop(timedelta(minutes=1))

            assert time.monotonic() - begun < 30
        assert before["status"] == "pending"
        set_pauses(monkeypatch, 0.1, 0.2, 2)
        await engine.start()
        [delivery] = await sender.deliveries(run_id)
        assert delivery["status"] == "delivered"
        assert len(delivery["attempts"]) == 4
        receiver.assert_pauses(0.1, 0.2, 2)

    async def test_nothing_begins_once_the_process_stops(self, outbox: DeliveryOutbox):
        stopping = asyncio.Event()
        stopping.set()

        assert not await outbox.deliver(ids.uuid7(), stopping)


class TestTurns:
    @pytest.mark.usefixtures("short_pauses")
    async def test_each_attempt_takes_a_turn_of_its_workspace(
        self, sender: Sender, receiver: Receiver, outbox: DeliveryOutbox
    ):
        turns = outbox._courier._turns = NotedTurns()
        receiver.reply_with(503, 200)

        run_id = await sender.run(await sender.pipeline(PIPELINE.format(url=receiver.url)))
        await sender.deliveries(run_id)

        assert turns.taken == [sender.account.workspace_id] * 2

    async def test_the_time_that_an_attempt_is_overdue_counts_as_waiting(
        self,
        sender: Sender,
        receiver: Receiver,
        outbox: DeliveryOutbox,
        engine: Engine,
        monkeypatch: pytest.MonkeyPatch,
    ):
        set_pauses(monkeypatch, 30, 30, 30)
        receiver.reply_with(503, 200)
        run_id = await started(sender, receiver)
        await sender.attempted(run_id, 1)
        await engine.stop(timedelta(seconds=20))
        turns = outbox._courier._turns = NotedTurns()

        clock.jump(timedelta(seconds=90))
        await engine.start()
        await sender.deliveries(run_id)

        assert 50 <= turns.waited[0] < 110


class TestClaim:
    async def test_a_courier_that_was_overtaken_changes_nothing(
        self, sender: Sender, receiver: Receiver, database: Database, let_go: asyncio.Event
    ):
        overtaken = asyncio.Event()
        receiver.reply_with(Reply(after=overtaken))
        run_id = await started(sender, receiver)
        [delivery] = await sender.deliveries(run_id, final=0)

        async with database.transaction() as session:
            assert await queries.claim(session, UUID(delivery["id"]))
        overtaken.set()
        await asyncio.wait_for(let_go.wait(), 20)
        assert receiver.answered

        [after] = await sender.deliveries(run_id, final=0)
        assert after["status"] == "pending"
        assert after["attempts"][0]["status_code"] is None

    @pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
    async def test_a_worker_that_has_lost_the_ticket_does_not_claim_the_delivery_again(
        self, sender: Sender, receiver: Receiver, database: Database, outbox: DeliveryOutbox
    ):
        receiver.reply_with(Reply(delay=20))
        run_id = await started(sender, receiver)
        [delivery] = await sender.deliveries(run_id, final=0)
        async with database.transaction() as session:
            await session.execute(
                sa.text("UPDATE dbos.workflow_status SET executor_id = 'worker-0'")
            )

        assert await outbox.deliver(UUID(delivery["id"]), asyncio.Event())

        assert len(receiver.received) == 1

    async def test_one_that_was_overtaken_in_its_pause_sends_nothing(
        self,
        sender: Sender,
        receiver: Receiver,
        database: Database,
        let_go: asyncio.Event,
        monkeypatch: pytest.MonkeyPatch,
    ):
        in_pause, overtaken = asyncio.Event(), asyncio.Event()

        async def pause(seconds: float, stopping: asyncio.Event) -> bool:
            if seconds > 0:
                in_pause.set()
                await overtaken.wait()
            return not stopping.is_set()

        set_pauses(monkeypatch, 30, 30, 30)
        monkeypatch.setattr(delivery_worker, "_pause", pause)
        receiver.reply_with(503)
        run_id = await started(sender, receiver)
        await asyncio.wait_for(in_pause.wait(), 20)
        [delivery] = await sender.deliveries(run_id, final=0)

        async with database.transaction() as session:
            assert await queries.claim(session, UUID(delivery["id"]))
        overtaken.set()
        await asyncio.wait_for(let_go.wait(), 20)

        assert len(receiver.received) == 1

    async def test_a_last_attempt_that_was_cut_off_is_the_last(
        self, sender: Sender, receiver: Receiver, database: Database, outbox: DeliveryOutbox
    ):
        delivery = await sender.sent(PIPELINE.format(url=receiver.url))
        delivery_id = UUID(delivery["id"])
        async with database.transaction() as session:
            await session.execute(
                deliveries.update().values(status="pending", completed_at=None, attempts=4)
            )
            await session.execute(
                delivery_attempts.insert().values(delivery_id=delivery_id, number=4, at=clock.now())
            )

        assert await outbox.deliver(delivery_id, NEVER)

        [after] = await sender.deliveries(delivery["run_id"])
        assert len(receiver.received) == 1
        assert after["status"] == "failed"
        assert "server stopped during this attempt" in after["error"]

    async def test_a_delivery_that_is_not_there_is_done_with(self, outbox: DeliveryOutbox):
        assert await outbox.deliver(ids.uuid7(), NEVER)


class TestFaults:
    async def test_what_was_sent_is_recorded_when_the_store_is_back(
        self, sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        outages, end = [1, 2], queries.end

        async def end_in_an_outage(*arguments: object) -> None:
            if outages:
                outages.pop()
                raise StoreUnavailable("The database did not respond.")
            await end(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(queries, "end", end_in_an_outage)
        loop_time.quicken(1)

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert delivery["status"] == "delivered"
        assert len(receiver.received) == 1

    async def test_a_claim_that_finds_no_store_is_made_again(
        self, sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        outages, claim = [1, 2], queries.claim

        async def claim_in_an_outage(*arguments: object) -> object:
            if outages:
                outages.pop()
                raise StoreUnavailable("The database did not respond.")
            return await claim(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(queries, "claim", claim_in_an_outage)
        loop_time.quicken(1)

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert delivery["status"] == "delivered"

    async def test_a_fault_of_ours_ends_it_and_says_where_to_look(
        self, sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def broken(*_arguments: object, **_options: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("stepiq.notify.sending.send", broken)

        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        assert delivery["status"] == "failed"
        assert delivery["id"] in delivery["error"]
        assert "server's log" in delivery["error"]

    async def test_sent_again_after_a_fault_of_ours_its_attempt_keeps_its_reason(
        self, sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        async def broken(*_arguments: object, **_options: object) -> None:
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr("stepiq.notify.sending.send", broken)
            delivery = await sender.sent(PIPELINE.format(url=receiver.url))
        await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")
        again = await sender.finished(delivery["id"])

        assert again["attempts"][0]["error"] == delivery["error"]
        assert [attempt["status_code"] for attempt in again["attempts"]] == [None, 200]

    async def test_a_fault_of_a_courier_that_was_overtaken_changes_nothing(
        self,
        sender: Sender,
        receiver: Receiver,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
        let_go: asyncio.Event,
    ):
        async def broken(_http: object, request: SignedRequest) -> None:
            async with database.transaction() as session:
                assert await queries.claim(session, UUID(request.headers["webhook-id"]))
            raise ZeroDivisionError

        monkeypatch.setattr("stepiq.notify.sending.send", broken)
        run_id = await sender.run(await sender.pipeline(PIPELINE.format(url=receiver.url)))
        await asyncio.wait_for(let_go.wait(), 20)

        [delivery] = await sender.deliveries(run_id, final=0)
        assert delivery["status"] == "pending"


class TestPrepare:
    async def test_what_has_been_deleted_meanwhile_cannot_be_sent(
        self, sender: Sender, receiver: Receiver, database: Database, outbox: DeliveryOutbox
    ):
        sent = await sender.sent(PIPELINE.format(url=receiver.url))
        async with database.reading() as session:
            found = await queries.find(session, sender.account.workspace_id, UUID(sent["id"]))
            assert found is not None
            for change in (
                {"run_id": ids.uuid7()},
                {"run_id": None, "pipeline_id": ids.uuid7()},
                {"pipeline_version": 99},
            ):
                changed = replace(found, **change)
                call = await outbox._courier._preparer.prepare(session, changed)

                assert isinstance(call, Unsendable)


class TestRunEnded:
    async def test_a_version_that_cannot_be_read_keeps_no_run_from_failing(
        self, sender: Sender, database: Database, definitions: Definitions, outbox: DeliveryOutbox
    ):
        async with database.transaction() as session:
            ending = Ending(RunStatus.FAILED)
            assert await outbox.run_ended(session, an_ended_run(sender), ending) == ()

    async def test_a_store_that_is_lost_meanwhile_is_no_version_that_cannot_be_read(
        self,
        sender: Sender,
        database: Database,
        definitions: Definitions,
        outbox: DeliveryOutbox,
        monkeypatch: pytest.MonkeyPatch,
    ):
        async def lose(*_: object) -> None:
            raise OperationalError("SELECT", {}, OSError("connection lost"))

        monkeypatch.setattr(definitions, "get", lose)

        with pytest.raises(StoreUnavailable):
            async with database.transaction() as session:
                await outbox.run_ended(session, an_ended_run(sender), Ending(RunStatus.COMPLETED))

    async def test_each_target_is_served_behind_all_that_waits_already(
        self, sender: Sender, database: Database, outbox: DeliveryOutbox
    ):
        pipeline_id = await sender.pipeline(THREE)
        priorities: list[int] = []
        for _ in range(2):
            ended = replace(
                an_ended_run(sender),
                id=await sender.make.run(sender.account, pipeline_id),
                pipeline_id=pipeline_id,
            )
            async with database.transaction() as session:
                new = await outbox.run_ended(session, ended, Ending(RunStatus.COMPLETED))
            priorities += [delivery.priority for delivery in new]

        async with database.reading() as session:
            by_id = sa.select(deliveries.c.target_path).order_by(deliveries.c.id)
            paths = (await session.execute(by_id)).scalars().all()
        assert priorities == [1, 2, 3, 4, 5, 6]
        assert paths == 2 * [f"output.deliver[{n}]" for n in range(3)]

    async def test_the_more_deliveries_wait_the_later_the_next_one_is_served(
        self, sender: Sender, receiver: Receiver, database: Database
    ):
        receiver.reply_with(Reply(delay=30))
        for number in (1, 2):
            await sender.run(await sender.pipeline(PIPELINE.format(url=receiver.url)))
            await receiver.until(number)

        async with database.reading() as session:
            assert await queries.pending(session, sender.account.workspace_id) == 2
            assert await queries.pending(session, ids.uuid7()) == 0
            count = await session.scalar(sa.select(sa.func.count()).select_from(deliveries))
        assert count == 2
