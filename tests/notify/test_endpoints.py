"""Deliveries through the API: lists, redelivery, test events, and who may do what."""

import asyncio
from datetime import timedelta
from types import ModuleType
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import ids
from stepiq.notify import queries
from stepiq.notify.records import Verdict
from stepiq.store.database import Database
from stepiq.store.states import DeliveryStatus, PipelineStatus
from stepiq.store.tables import workspaces
from tests.notify.conftest import PIPELINE, Sender, set_pauses
from tests.support.make import Make
from tests.support.query_plans import query_plan
from tests.support.receiver import Receiver, Reply

QUIET = "name: Quiet\nsteps: [{id: a, type: transform, template: x}]"
BOTH = """
name: Both
input: {{schema: {{topic: {{type: string}}}}}}
steps: [{{id: a, type: transform, template: x}}]
output:
  deliver:
    - {{type: webhook, url: "{url}/{{{{input.topic}}}}", signing_secret_name: SIGNING}}
    - {{type: api}}
notifications:
  on_failure:
    - {{type: email, to: [one@example.com, two@example.com]}}
"""


async def failed(sender: Sender, receiver: Receiver) -> dict[str, object]:
    """A delivery that has failed, whose receiver is well again."""
    receiver.reply_with(410)
    delivery = await sender.sent(PIPELINE.format(url=receiver.url))
    receiver.reply_with(200)
    return delivery


class TestListRunDeliveries:
    async def test_a_run_without_targets_has_none(self, sender: Sender):
        run_id = await sender.run(await sender.pipeline(QUIET))

        answer = await sender.client.get(f"/api/runs/{run_id}/deliveries")

        assert answer.json() == {"data": [], "next_cursor": None}

    @pytest.mark.both_stores
    async def test_it_goes_page_by_page(self, sender: Sender, receiver: Receiver):
        target = '    - {type: webhook, url: "%s/%d", signing_secret_name: SIGNING}\n'
        more = "".join(target % (receiver.url, number) for number in range(2))
        source = PIPELINE.format(url=receiver.url) + more
        run_id = await sender.run(await sender.pipeline(source))
        whole = await sender.deliveries(run_id, final=3)

        first = (await sender.client.get(f"/api/runs/{run_id}/deliveries?limit=2")).json()
        cursor = first["next_cursor"]
        second = (
            await sender.client.get(f"/api/runs/{run_id}/deliveries?limit=2&cursor={cursor}")
        ).json()

        assert first["data"] + second["data"] == whole
        assert [d["target_path"] for d in whole] == [f"output.deliver[{n}]" for n in (2, 1, 0)]
        assert second["next_cursor"] is None

    async def test_an_unknown_run_is_not_found(self, sender: Sender):
        answer = await sender.client.get(f"/api/runs/{ids.uuid7()}/deliveries")

        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


class TestListPipelineDeliveries:
    async def test_what_failed_is_listed(self, sender: Sender, receiver: Receiver):
        delivery = await failed(sender, receiver)
        path = f"/api/pipelines/{delivery['pipeline_id']}/deliveries"
        await sender.deliveries(await sender.run(UUID(str(delivery["pipeline_id"]))))

        every = (await sender.client.get(path)).json()["data"]
        only_failed = (await sender.client.get(f"{path}?status=failed")).json()["data"]
        delivered = (await sender.client.get(f"{path}?status=delivered")).json()["data"]

        assert [d["status"] for d in every] == ["delivered", "failed"]
        assert only_failed == [delivery]
        assert delivered == every[:1]

    @pytest.mark.both_stores
    @pytest.mark.parametrize("status", [None, *DeliveryStatus])
    @pytest.mark.new_store
    async def test_each_list_walks_an_index_of_its_own(
        self, database: Database, status: DeliveryStatus | None
    ):
        statement = queries.of_pipeline_statement(
            ids.uuid7(), status=status, before=ids.uuid7(), limit=51
        )

        index = "pipeline_id_id" if status is None else "pipeline_id_status_id"
        assert f" ix_deliveries_{index} " in await query_plan(database, statement)


class TestGetDelivery:
    async def test_it_is_as_in_the_list(self, sender: Sender, receiver: Receiver):
        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        answer = await sender.client.get(f"/api/deliveries/{delivery['id']}")

        assert answer.json() == delivery
        assert delivery["target"] == {"type": "webhook", "url": receiver.url, "to": None}


class TestRedeliver:
    async def test_it_is_sent_again_under_the_same_id_and_goes_on_counting(
        self, sender: Sender, receiver: Receiver
    ):
        delivery = await failed(sender, receiver)

        answer = await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")
        [again] = await sender.deliveries(str(delivery["run_id"]))

        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["error"]) == ("pending", None)
        [request] = receiver.received
        assert request.json["meta"]["attempt"] == 2
        assert request.headers["webhook-id"] == delivery["id"]
        assert [a["status_code"] for a in again["attempts"]] == [410, 200]
        assert again["status"] == "delivered"

    async def test_it_is_tried_up_to_four_times_more(
        self, sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ):
        set_pauses(monkeypatch, 0.1, 0.2, 0.4)
        delivery = await failed(sender, receiver)
        receiver.reply_with(500)

        await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")
        [again] = await sender.deliveries(str(delivery["run_id"]))

        assert [a["number"] for a in again["attempts"]] == [1, 2, 3, 4, 5]
        assert len(receiver.received) == 4
        receiver.assert_pauses(0.1, 0.2, 0.4)

    async def test_one_that_arrived_may_be_sent_again(self, sender: Sender, receiver: Receiver):
        delivery = await sender.sent(PIPELINE.format(url=receiver.url))

        answer = await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")

        assert answer.status_code == 200
        await receiver.until(2)

    async def test_a_late_record_of_the_last_attempt_does_not_undo_it(
        self, sender: Sender, receiver: Receiver, database: Database
    ):
        sent = await sender.sent(PIPELINE.format(url=receiver.url))
        workspace_id, delivery_id = sender.account.workspace_id, UUID(sent["id"])
        async with database.transaction() as session:
            before = await queries.find(session, workspace_id, delivery_id)
            assert before is not None
            assert await queries.reopen(session, workspace_id, delivery_id)
            # As of a courier that was never told that this was committed already.
            verdict = Verdict(is_delivered=True, status_code=200)
            attempt = before.attempts[-1]
            await queries.end(session, before, attempt, verdict, DeliveryStatus.DELIVERED)
            after = await queries.find(session, workspace_id, delivery_id)

        assert after is not None
        assert after.status is DeliveryStatus.PENDING

    async def test_one_that_is_being_tried_is_refused(self, sender: Sender, receiver: Receiver):
        receiver.reply_with(Reply(delay=30))
        run_id = await sender.run(await sender.pipeline(PIPELINE.format(url=receiver.url)))
        await receiver.until(1)
        [delivery] = await sender.deliveries(run_id, final=0)

        answer = await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")

        assert (answer.status_code, answer.json()["code"]) == (409, "delivery_pending")

    @pytest.mark.both_stores
    async def test_of_many_at_once_one_is_taken(self, sender: Sender, receiver: Receiver):
        delivery = await failed(sender, receiver)
        asked = asyncio.Event()
        receiver.reply_with(Reply(after=asked))
        path = f"/api/deliveries/{delivery['id']}/redeliver"

        answers = await asyncio.gather(*[sender.client.post(path) for _ in range(5)])

        asked.set()
        assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]
        await sender.deliveries(str(delivery["run_id"]))
        assert len(receiver.received) == 1

    @pytest.mark.both_stores
    async def test_a_plan_without_webhooks_refuses(
        self, sender: Sender, receiver: Receiver, database: Database, clock: ModuleType
    ):
        delivery = await failed(sender, receiver)
        await _set_plan(database, "free")
        # The caller's plan is up to 5 seconds old.
        clock.advance(timedelta(seconds=6))

        answer = await sender.client.post(f"/api/deliveries/{delivery['id']}/redeliver")

        assert (answer.status_code, answer.json()["code"]) == (403, "plan_webhooks_disabled")


class TestPlan:
    async def test_a_plan_that_has_lost_its_webhooks_sends_none(
        self, sender: Sender, receiver: Receiver, database: Database
    ):
        pipeline_id = await sender.pipeline(PIPELINE.format(url=receiver.url))
        await _set_plan(database, "free")

        run_id = await sender.run(pipeline_id)
        [delivery] = await sender.deliveries(run_id)

        assert receiver.received == []
        assert "Plan `free` does not include webhooks" in delivery["error"]


class TestTestDeliveries:
    @pytest.mark.both_stores
    async def test_every_target_gets_a_marked_sample(self, sender: Sender, receiver: Receiver):
        pipeline_id = await sender.pipeline(BOTH.format(url=receiver.url))

        answer = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")

        assert answer.status_code == 202
        sent = answer.json()["data"]
        assert [d["target"]["to"] for d in sent] == [None, "one@example.com", "two@example.com"]
        assert {d["event"] for d in sent} == {"pipeline.test"}
        assert {d["run_id"] for d in sent} == {None}
        [request] = await receiver.until(1)
        # Of a run there is a sample to read, too: what the input declares, and nothing in it.
        assert request.path == "/"
        assert request.headers["x-stepiq-event"] == "pipeline.test"
        assert (request.json["event"], request.json["test"]) == ("pipeline.test", True)
        assert request.json["run"]["id"] == sent[0]["id"]

    async def test_a_pipeline_without_targets_has_nothing_to_test(self, sender: Sender):
        pipeline_id = await sender.pipeline(QUIET)

        answer = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")

        assert (answer.status_code, answer.json()["code"]) == (409, "no_delivery_targets")

    async def test_an_archived_pipeline_sends_nothing(
        self, sender: Sender, make: Make, receiver: Receiver
    ):
        pipeline_id = await make.pipeline(
            sender.account,
            source=PIPELINE.format(url=receiver.url),
            status=PipelineStatus.ARCHIVED,
        )

        answer = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")

        assert answer.status_code == 404

    async def test_a_plan_without_webhooks_refuses(
        self, sender: Sender, receiver: Receiver, database: Database
    ):
        pipeline_id = await sender.pipeline(PIPELINE.format(url=receiver.url))
        await _set_plan(database, "free")

        answer = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")

        assert (answer.status_code, answer.json()["code"]) == (403, "plan_webhooks_disabled")


class TestScopes:
    async def test_who_may_read_may_not_send(self, sender: Sender, receiver: Receiver, login_key):
        delivery = await failed(sender, receiver)
        reader = await login_key(sender.account, ["pipelines:read"])
        path = f"/api/deliveries/{delivery['id']}"

        assert (await reader.get(path)).status_code == 200
        for refused in (
            f"{path}/redeliver",
            f"/api/pipelines/{delivery['pipeline_id']}/deliveries/test",
        ):
            assert (await reader.post(refused)).json()["code"] == "scope_missing"

    async def test_who_may_send_may_not_read(self, sender: Sender, receiver: Receiver, login_key):
        delivery = await failed(sender, receiver)
        executor = await login_key(sender.account, ["pipelines:execute"])
        path = f"/api/deliveries/{delivery['id']}"

        assert (await executor.get(path)).json()["code"] == "scope_missing"
        sent_again = (await executor.post(f"{path}/redeliver")).json()
        assert (sent_again["id"], sent_again["status"]) == (delivery["id"], "pending")
        assert sent_again["target"] == {"type": "webhook", "url": None, "to": None}
        assert (sent_again["attempts"], sent_again["error"]) == ([], None)

    async def test_who_may_test_may_not_see_the_addresses(
        self, sender: Sender, receiver: Receiver, login_key
    ):
        pipeline_id = await sender.pipeline(BOTH.format(url=receiver.url))
        executor = await login_key(sender.account, ["pipelines:execute"])

        answer = await executor.post(f"/api/pipelines/{pipeline_id}/deliveries/test")

        targets = [each["target"] for each in answer.json()["data"]]
        assert [each["type"] for each in targets] == ["webhook", "email", "email"]
        assert {(each["url"], each["to"]) for each in targets} == {(None, None)}


async def _set_plan(database: Database, plan: str) -> None:
    async with database.transaction() as session:
        await session.execute(sa.update(workspaces).values(plan=plan))
