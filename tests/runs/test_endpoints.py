import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from stepiq.core import clock, ids
from stepiq.execution.limits.plans import Plans
from stepiq.runs import queries, schemas
from stepiq.store.database import Database
from stepiq.store.states import RunStatus, StepStatus
from stepiq.store.tables import large_values, pipeline_versions, run_steps, runs

TYPED = """\
name: Typed
input:
  schema:
    topic: {type: string, required: true, max_length: 5}
    count: {type: integer, default: 3}
    note: {type: string}
steps:
  - id: a
    type: transform
    template: "{{input.topic}}"
"""


class TestStart:
    async def test_a_run_is_accepted_with_what_it_was_given(self, owner, account, make):
        pipeline_id = await make.pipeline(account)

        response = await owner.post(
            f"/api/pipelines/{pipeline_id}/run", json={"input_data": {"name": "you"}}
        )

        run = response.json()
        assert response.status_code == 202
        assert run["pipeline_id"] == str(pipeline_id)
        assert run["pipeline_version"] == 1
        assert run["status"] == "pending"
        assert run["input_data"] == {"name": "you"}
        assert run["trigger_type"] == "manual"
        assert (run["started_at"], run["completed_at"], run["output"]) == (None, None, None)
        assert (run["total_tokens"], run["cost_usd_micros"], run["cost_complete"]) == (0, 0, True)

    @pytest.mark.parametrize("body", [None, {}, {"input_data": None}, {"version": None}])
    async def test_input_and_version_may_be_left_out(self, owner, account, make, body):
        pipeline_id = await make.pipeline(account)

        response = await owner.post(f"/api/pipelines/{pipeline_id}/run", json=body)

        assert response.status_code == 202
        assert response.json()["input_data"] == {}

    async def test_no_body_at_all_is_enough(self, owner, account, make):
        pipeline_id = await make.pipeline(account)

        assert (await owner.post(f"/api/pipelines/{pipeline_id}/run")).status_code == 202

    async def test_what_a_key_starts_is_called_api(self, login_key, account, make):
        client = await login_key(account, ["pipelines:execute"])
        pipeline_id = await make.pipeline(account)

        response = await client.post(f"/api/pipelines/{pipeline_id}/run", json={})

        assert response.json()["trigger_type"] == "api"

    async def test_defaults_are_filled_in_and_absent_fields_stay_absent(self, owner, account, make):
        pipeline_id = await make.pipeline(account, source=TYPED)

        response = await owner.post(
            f"/api/pipelines/{pipeline_id}/run", json={"input_data": {"topic": "ok", "x": 1}}
        )

        assert response.json()["input_data"] == {"topic": "ok", "count": 3, "x": 1}

    async def test_input_that_does_not_fit_is_told_field_by_field(self, owner, account, make):
        pipeline_id = await make.pipeline(account, source=TYPED)

        response = await owner.post(
            f"/api/pipelines/{pipeline_id}/run",
            json={"input_data": {"topic": "too long", "count": "x"}},
        )

        problem = response.json()
        assert response.status_code == 422
        assert problem["code"] == "input_invalid"
        assert len(problem["errors"]) == 2
        assert (await owner.get("/api/runs")).json()["data"] == []

    async def test_an_earlier_version_can_be_run(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        await owner.put(
            f"/api/pipelines/{pipeline_id}",
            content=TYPED,
            headers={"Content-Type": "application/yaml"},
        )

        old = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={"version": 1.0})
        new = await owner.post(
            f"/api/pipelines/{pipeline_id}/run", json={"input_data": {"topic": "x"}}
        )

        assert (old.status_code, old.json()["pipeline_version"]) == (202, 1)
        assert (new.status_code, new.json()["pipeline_version"]) == (202, 2)

    async def test_a_version_that_is_not_there_is_not_found(self, owner, account, make):
        pipeline_id = await make.pipeline(account)

        response = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={"version": 2})

        assert response.status_code == 404
        assert response.json()["code"] == "version_not_found"

    @pytest.mark.both_stores
    async def test_a_saved_version_that_compares_a_secret_says_what_to_change(
        self, owner, account, make, database
    ):
        pipeline_id = await make.pipeline(account)
        step = {"id": "a", "type": "transform", "template": "{{#if env.KEY}}x{{/if}}"}
        # Saved before templates were refused that compare secrets.
        async with database.transaction() as session:
            await session.execute(
                sa.update(pipeline_versions).values(definition={"name": "Old", "steps": [step]})
            )

        response = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={})

        assert response.status_code == 422
        assert response.json()["code"] == "invalid_definition"
        assert response.json()["detail"] == (
            "The definition cannot be run. `steps[0].template`: A secret can only be inserted, as in"
            " `{{env.KEY}}`. It cannot be compared, measured or used in a block."
        )

    async def test_an_archived_pipeline_is_not_found(self, owner, account, make, login, stranger):
        pipeline_id = await make.pipeline(account)
        await owner.delete(f"/api/pipelines/{pipeline_id}")
        other = await login(stranger)

        response = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={})
        strangers = await other.post(f"/api/pipelines/{pipeline_id}/run", json={})

        assert response.status_code == strangers.status_code == 404
        assert response.json()["code"] == strangers.json()["code"] == "pipeline_not_found"
        assert response.json()["detail"] == (
            f"Pipeline {pipeline_id} is archived, so it cannot be run. Restore it first: "
            f"POST /api/pipelines/{pipeline_id}/restore."
        )
        # That there is one is only for its owner to know.
        assert strangers.json()["detail"] == f"Pipeline {pipeline_id} does not exist."

    @pytest.mark.parametrize(
        "body",
        [{"inputs": {}}, {"input_data": []}, {"input_data": "x"}, {"version": 0}, {"version": "1"}],
    )
    async def test_bodies_of_another_shape_are_refused(self, owner, account, make, body):
        pipeline_id = await make.pipeline(account)

        response = await owner.post(f"/api/pipelines/{pipeline_id}/run", json=body)

        assert response.status_code == 422
        assert response.json()["code"] == "invalid_body"

    async def test_beyond_what_the_plan_lets_wait_runs_are_refused(self, login, make, services):
        services.plans = Plans.load({"free": {"runs_per_day": "unlimited", "runs_queued": 3}})
        account = await make.user(plan="free")
        client = await login(account)
        url = f"/api/pipelines/{await make.pipeline(account)}/run"
        for _ in range(5):  # 2 at once and 3 that wait
            assert (await client.post(url, json={})).status_code == 202

        response = await client.post(url, json={})

        assert response.status_code == 429
        assert response.json()["code"] == "queue_full"
        assert int(response.headers["Retry-After"]) >= 1

    async def test_beyond_what_the_plan_allows_a_day_runs_are_refused(self, login, make):
        account = await make.user(plan="free")
        client = await login(account)
        url = f"/api/pipelines/{await make.pipeline(account)}/run"
        for _ in range(10):
            assert (await client.post(url, json={})).status_code == 202

        response = await client.post(url, json={})

        assert response.status_code == 403
        assert response.json()["code"] == "plan_runs_exhausted"
        assert "10 runs per day" in response.json()["detail"]


@pytest.fixture
def add_step(database):
    async def add_step(run_id, ordinal, **columns):
        step_id = ids.uuid7()
        now = clock.now()
        values = {
            "id": step_id,
            "run_id": run_id,
            "step_id": f"s{ordinal}",
            "iteration": 1,
            "ordinal": ordinal,
            "name": f"S {ordinal}",
            "type": "llm",
            "status": StepStatus.COMPLETED,
            "started_at": now,
            "completed_at": now + timedelta(milliseconds=250),
            **columns,
        }
        async with database.transaction() as session:
            await session.execute(sa.insert(run_steps).values(values))
        return step_id

    return add_step


class TestGet:
    async def test_a_run_names_its_pipeline_and_what_started_it(
        self, owner, login_key, account, make
    ):
        pipeline_id = await make.pipeline(account, tags=["a", "b"])
        key = await login_key(account, ["pipelines:execute", "pipelines:read"])

        url = f"/api/pipelines/{pipeline_id}/run"
        by_user = (await owner.post(url, json={})).json()
        by_key = (await key.post(url, json={})).json()
        await owner.post(f"/api/runs/{by_key['id']}/cancel")
        retried = (await owner.post(f"/api/runs/{by_key['id']}/retry")).json()

        assert (by_user["pipeline_name"], by_user["pipeline_tags"]) == ("Greeting", ["a", "b"])
        user = {"type": "user", "id": str(account.id), "name": account.name}
        assert by_user["caller"] == retried["caller"] == user
        (listed,) = (await owner.get("/api/user/api-keys")).json()["data"]
        assert by_key["caller"] == {"type": "api_key", "id": listed["id"], "name": listed["name"]}

    async def test_steps_can_be_left_out(self, owner, account, make, add_step):
        run_id = await make.run(account, await make.pipeline(account))
        await add_step(run_id, 1)

        whole = (await owner.get(f"/api/runs/{run_id}")).json()
        without = (await owner.get(f"/api/runs/{run_id}?steps=false")).json()

        assert len(whole["steps"]) == 1
        assert without == whole | {"steps": []}

    async def test_the_runs_of_a_deleted_pipeline_stay_readable(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        started = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={})
        await owner.delete(f"/api/pipelines/{pipeline_id}")

        run = await owner.get(f"/api/runs/{started.json()['id']}")
        listed = await owner.get("/api/runs", params={"pipeline_id": str(pipeline_id)})

        assert run.status_code == 200
        assert [entry["id"] for entry in listed.json()["data"]] == [started.json()["id"]]

    async def test_steps_come_in_the_order_in_which_they_ran(self, owner, account, make, add_step):
        run_id = await make.run(account, await make.pipeline(account))
        await add_step(run_id, 2)
        await add_step(run_id, 1)

        run = (await owner.get(f"/api/runs/{run_id}")).json()

        assert [step["step_id"] for step in run["steps"]] == ["s1", "s2"]
        assert run["steps"][0]["duration_ms"] == 250

    @pytest.mark.both_stores
    @pytest.mark.parametrize(("count", "is_large"), [(30, False), (3, True)])
    async def test_others_have_turns_after_the_transaction_while_many_steps_are_shown(
        self, owner, account, make, database, monkeypatch, count, is_large
    ):
        run_id = await make.run(account, await make.pipeline(account))
        for number in range(count):
            step = await make.step(run_id, f"s{number}", ordinal=number, output_is_large=is_large)
            if is_large:
                value = {"owner_id": step, "run_id": run_id, "value": "x" * 300_000}
                async with database.transaction() as session:
                    await session.execute(large_values.insert().values(value))
        turns = 0

        async def take_turns():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        def noted(seen, function):
            def call(step):
                seen.append(turns)
                transactions.add(opened)
                return function(step)

            return call

        begin, opened = database.reading, 0

        @asynccontextmanager
        async def reading(**options):
            nonlocal opened
            async with begin(**options) as session:
                opened += 1
                yield session
            opened -= 1

        read, shown, transactions = [], [], set()
        monkeypatch.setattr(database, "reading", reading)
        monkeypatch.setattr(queries, "unread_step", noted(read, queries.unread_step))
        monkeypatch.setattr(schemas, "step_view", noted(shown, schemas.step_view))
        other = asyncio.create_task(take_turns())

        answer = await owner.get(f"/api/runs/{run_id}")

        other.cancel()
        assert [step["step_id"] for step in answer.json()["steps"]] == [
            f"s{number}" for number in range(count)
        ]
        for seen in (read, shown):
            assert len(seen) == count
            assert len(set(seen)) >= 3
        assert transactions == {0}

    @pytest.mark.both_stores
    async def test_steps_of_several_pages_are_read(self, owner, account, make):
        run_id = await make.run(account, await make.pipeline(account))
        # A page has 1,000 places.
        for number, ordinal in enumerate([0, 999, 1_000, 1_001, 1_001, 3_500]):
            await make.step(run_id, f"s{number}", ordinal=ordinal)

        run = (await owner.get(f"/api/runs/{run_id}")).json()

        assert [step["step_id"] for step in run["steps"]] == ["s0", "s1", "s2", "s3", "s4", "s5"]

    async def test_a_cost_is_given_in_whole_and_by_part(self, owner, account, make, add_step):
        run_id = await make.run(account, await make.pipeline(account))
        parts = {"input": 5, "cached": 1, "output": 20}
        await add_step(run_id, 1, input_tokens=9, output_tokens=3, model="m", cost=parts)

        (step,) = (await owner.get(f"/api/runs/{run_id}")).json()["steps"]

        assert step["cost_usd_micros"] == 26
        assert step["cost_usd_micros_by_part"] == parts

    @pytest.mark.both_stores
    async def test_an_unknown_price_is_null_and_nothing_bought_is_zero(
        self, owner, account, make, add_step
    ):
        run_id = await make.run(account, await make.pipeline(account))
        await add_step(run_id, 1, input_tokens=9, model="m")
        await add_step(run_id, 2, type="transform")

        unknown, free = (await owner.get(f"/api/runs/{run_id}")).json()["steps"]

        assert (unknown["cost_usd_micros"], free["cost_usd_micros"]) == (None, 0)

    @pytest.mark.both_stores
    async def test_large_outputs_are_read_from_where_they_are_kept(
        self, owner, account, make, add_step, database
    ):
        run_id = await make.run(account, await make.pipeline(account), status=RunStatus.COMPLETED)
        step = await add_step(run_id, 1, output_is_large=True)
        async with database.transaction() as session:
            await session.execute(
                sa.update(runs).where(runs.c.id == run_id).values(output_is_large=True)
            )
            for owner_id, value in ((run_id, "big run"), (step, "big step")):
                await session.execute(
                    sa.insert(large_values).values(owner_id=owner_id, run_id=run_id, value=value)
                )

        detail = (await owner.get(f"/api/runs/{run_id}")).json()
        (listed,) = (await owner.get("/api/runs")).json()["data"]

        assert detail["output"] == "big run"
        assert detail["steps"][0]["output"] == "big step"
        assert (listed["output"], listed["output_is_large"]) == (None, True)

    @pytest.mark.both_stores
    async def test_credits_are_thousands_of_tokens(self, owner, account, make, database):
        run_id = await make.run(account, await make.pipeline(account))
        async with database.transaction() as session:
            await session.execute(
                sa.update(runs)
                .where(runs.c.id == run_id)
                .values(input_tokens=1_000, output_tokens=500, credit_tokens=1_500)
            )

        run = (await owner.get(f"/api/runs/{run_id}")).json()

        assert (run["total_tokens"], run["credits_used"]) == (1_500, 1.5)


class TestCancel:
    @pytest.mark.both_stores
    async def test_a_pending_run_is_cancelled_at_once(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        started = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={})

        response = await owner.post(f"/api/runs/{started.json()['id']}/cancel")

        assert response.status_code == 200
        assert response.json()["status"] == "cancelled"
        assert response.json()["completed_at"]
        assert response.json()["steps"] == []

    async def test_a_key_that_cannot_read_runs_gets_nothing_of_the_run(
        self, owner, login_key, account, make
    ):
        url = f"/api/pipelines/{await make.pipeline(account)}/run"
        run = (await owner.post(url, json={"input_data": {"name": "Ada"}})).json()

        blind = await login_key(account, ["pipelines:execute"])
        cancelled = await blind.post(f"/api/runs/{run['id']}/cancel")
        retried = await blind.post(f"/api/runs/{run['id']}/retry")

        assert cancelled.json() == {"id": run["id"], "status": "cancelled"}
        assert (retried.status_code, retried.json().keys()) == (202, {"id", "status"})

    @pytest.mark.parametrize("status", [each for each in RunStatus if each.is_final])
    async def test_a_finished_run_refuses(self, owner, account, make, status):
        run_id = await make.run(account, await make.pipeline(account), status=status)

        response = await owner.post(f"/api/runs/{run_id}/cancel")

        assert response.status_code == 409
        assert response.json()["code"] == "run_already_finished"
        ended = "been cancelled" if status is RunStatus.CANCELLED else status
        assert response.json()["detail"] == f"Run {run_id} has already {ended}."

    @pytest.mark.both_stores
    async def test_of_many_at_once_one_cancels(self, owner, account, make):
        pipeline_id = await make.pipeline(account)
        started = await owner.post(f"/api/pipelines/{pipeline_id}/run", json={})
        url = f"/api/runs/{started.json()['id']}/cancel"

        answers = await asyncio.gather(*(owner.post(url) for _ in range(5)))

        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]

    @pytest.mark.both_stores
    async def test_its_change_and_its_answer_are_urgent(self, owner, account, make, monkeypatch):
        run = await owner.post(f"/api/pipelines/{await make.pipeline(account)}/run", json={})
        opened: list[str] = []

        def note(kind: str) -> None:
            method = getattr(Database, kind)

            def noted(self: Database, *arguments: Any, urgent: bool = False) -> Any:
                opened.extend([kind] * urgent)
                return method(self, *arguments, urgent=urgent)

            monkeypatch.setattr(Database, kind, noted)

        note("transaction")
        note("reading")
        await owner.post(f"/api/runs/{run.json()['id']}/cancel")

        assert opened == ["transaction", "reading", "reading"]

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    async def test_it_overtakes_requests_that_start_runs(self, owner, account, make, database):
        start = f"/api/pipelines/{await make.pipeline(account)}/run"
        run_id = (await owner.post(start, json={})).json()["id"]
        answered: list[str] = []

        async def post(url: str) -> None:
            response = await owner.post(url, json={})
            assert response.is_success
            answered.append(url)

        requests = database._writers._requests._places
        async with database.without_writer(), asyncio.timeout(30):
            posts = [asyncio.create_task(post(start)) for _ in range(20)]
            while requests.free or requests._waiting < 18:  # noqa: ASYNC110 - nothing signals that a request waits
                await asyncio.sleep(0)
            cancel = asyncio.create_task(post(f"/api/runs/{run_id}/cancel"))
            while requests._waiting < 19:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await asyncio.gather(cancel, *posts)

        assert answered.index(f"/api/runs/{run_id}/cancel") < 6

    async def test_it_needs_the_scope(self, login_key, account, make):
        client = await login_key(account, ["pipelines:read"])
        run_id = await make.run(account, await make.pipeline(account))

        response = await client.post(f"/api/runs/{run_id}/cancel")

        assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
