import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock, ids
from stepiq.execution.admission.control import HELD
from stepiq.runs import answers
from stepiq.runs import service as runs_service
from stepiq.runs.errors import RunNotFound
from stepiq.store.database import StoreUnavailable
from stepiq.store.states import ReviewDecision, Role, RunStatus
from stepiq.store.tables import LARGE_VALUE_BYTES, pipelines, runs, workspaces

APPROVE = {"decision": "approve"}
REJECT = {"decision": "reject"}


class TestList:
    async def test_it_shows_what_is_asked(self, owner, ask, pipeline_id):
        review = await ask(message="*Fine?*", under_review={"text": "Draft"})

        response = await owner.get("/api/reviews")

        [shown] = response.json()["data"]
        requested, expires = shown.pop("requested_at"), shown.pop("expires_at")
        assert clock.parse(expires) - clock.parse(requested) == timedelta(days=3)
        assert shown == {
            "run_id": str(review.run_id),
            "step_id": "check",
            "pipeline_id": str(pipeline_id),
            "pipeline_name": "Greeting",
            "iteration": 1,
            "message": "*Fine?*",
            "input": {"text": "Draft"},
            "input_is_large": False,
            "is_test": False,
            "editable": True,
            "assignees": ["ada@example.com", "bob@example.com"],
        }

    async def test_pages_hold_every_review_once_newest_first(self, owner, ask):
        made = [str((await ask()).run_id) for _ in range(5)]

        seen, cursor = [], ""
        while cursor is not None:
            query = "limit=2" + (f"&cursor={cursor}" if cursor else "")
            page = (await owner.get(f"/api/reviews?{query}")).json()
            seen += [review["run_id"] for review in page["data"]]
            cursor = page["next_cursor"]

        assert seen == made[::-1]

    @pytest.mark.both_stores
    async def test_those_of_test_runs_are_shown_only_to_who_started_them_also_with_a_key(
        self, account, make, ask, owner, login, login_key, login_service_key
    ):
        colleague = await make.member(account, Role.EDITOR)
        session, key = await login(colleague), await login_key(colleague)
        service_key = await login_service_key(await make.service_key(account))
        text = "{name: Try, steps: [{id: check, type: human_review, message: Fine?}]}"

        async def seen(starter):
            started = await starter.post("/api/runs/draft", json={"text": text})
            review = await ask(run_id=UUID(started.json()["id"]))
            pages = [
                (await caller.get("/api/reviews")).json()["data"]
                for caller in (owner, session, key, service_key)
            ]
            return [
                [each["is_test"] for each in page if each["run_id"] == str(review.run_id)]
                for page in pages
            ]

        assert await seen(owner) == [[True], [], [], []]
        assert await seen(session) == [[], [True], [True], []]
        assert await seen(key) == [[], [True], [True], []]
        assert await seen(service_key) == [[], [], [], [True]]

    async def test_what_is_closed_is_not_in_it(self, owner, ask):
        decided = await ask()
        await owner.post(decided.url, json=APPROVE)
        await ask(lasts=timedelta(0))
        cancelled = await ask()
        await owner.post(f"/api/runs/{cancelled.run_id}/cancel")

        assert (await owner.get("/api/reviews")).json()["data"] == []

    async def test_what_is_asked_elsewhere_is_not_in_it(self, owner, make, stranger):
        await make.review(stranger, await make.pipeline(stranger))

        assert (await owner.get("/api/reviews")).json()["data"] == []

    async def test_large_inputs_are_left_out_and_said_so(self, owner, ask):
        fits = "x" * (LARGE_VALUE_BYTES - 2)
        await ask(under_review=fits)
        await ask(under_review=fits + "x")

        large, small = (await owner.get("/api/reviews")).json()["data"]

        assert (large["input"], large["input_is_large"]) == (None, True)
        assert (small["input"], small["input_is_large"]) == (fits, False)

    async def test_a_key_needs_to_read(self, login_key, account):
        may = await login_key(account, ["pipelines:read"])
        may_not = await login_key(account, ["pipelines:execute"])

        assert (await may.get("/api/reviews")).status_code == 200
        assert (await may_not.get("/api/reviews")).json()["code"] == "scope_missing"


class TestGet:
    async def test_a_large_input_is_there(self, owner, ask):
        review = await ask(under_review="x" * LARGE_VALUE_BYTES)

        shown = (await owner.get(review.url)).json()

        assert (len(shown["input"]), shown["input_is_large"]) == (LARGE_VALUE_BYTES, True)
        assert (shown["decision"], shown["reviewer"], shown["closed_at"]) == (None, None, None)

    async def test_a_closed_one_says_who_decided(self, owner, ask):
        review = await ask(decision=ReviewDecision.REJECT)

        shown = (await owner.get(review.url)).json()

        assert (shown["decision"], shown["reviewer"]) == ("reject", "ada@example.com")
        assert shown["closed_at"] is not None

    async def test_it_is_the_last_iteration_unless_one_is_named(self, owner, ask):
        first = await ask(message="First", decision=ReviewDecision.REJECT)
        await ask(run_id=first.run_id, iteration=2, message="Second")

        last = await owner.get(first.url)
        named = await owner.get(f"{first.url}?iteration=1")
        none = await owner.get(f"{first.url}?iteration=3")

        assert last.json()["message"] == "Second"
        assert named.json()["message"] == "First"
        assert none.json()["code"] == "review_not_found"

    async def test_nobody_was_asked_at_other_steps(self, owner, ask):
        review = await ask()

        response = await owner.get(f"/api/runs/{review.run_id}/reviews/other")

        assert (response.status_code, response.json()["code"]) == (404, "review_not_found")

    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_runs_of_others_are_unknown(self, owner, make, stranger, method):
        foreign = await make.review(stranger, await make.pipeline(stranger))
        unknown = f"/api/runs/{ids.uuid7()}/reviews/check"

        answers = [
            await owner.request(method, url, json=APPROVE if method == "POST" else None)
            for url in (foreign.url, unknown)
        ]

        assert {(each.status_code, each.json()["code"]) for each in answers} == {
            (404, "run_not_found")
        }


class TestDecide:
    async def test_the_run_goes_on(self, owner, ask, row, account, database):
        review = await ask(under_review={"text": "Draft"})

        response = await owner.post(review.url, json={**APPROVE, "comment": "Fine"})

        assert response.status_code == 200
        assert response.json()["id"] == str(review.run_id)
        assert response.json()["status"] == "pending"
        stored = await row(review)
        assert (stored.decision, stored.comment) == ("approve", "Fine")
        assert stored.output == {"text": "Draft"}
        assert stored.reviewer == account.email
        assert stored.closed_at is not None
        async with database.reading() as session:
            run = (await session.execute(sa.select(runs))).one()
            workspace = (
                await session.execute(
                    sa.select(workspaces).where(workspaces.c.id == account.workspace_id)
                )
            ).one()
        assert (run.status, run.wake_at, run.ticket > 0) == ("pending", None, True)
        assert (workspace.unfinished_runs, workspace.admitted_runs) == (1, 1)

    async def test_an_edit_takes_the_place_of_what_was_reviewed(self, owner, ask, row):
        review = await ask(under_review={"text": "Draft"})

        await owner.post(review.url, json={**APPROVE, "output": ["Edited", 1.50]})

        assert (await row(review)).output == ["Edited", 1.5]

    @pytest.mark.both_stores
    async def test_an_edit_may_be_null(self, owner, ask, row):
        review = await ask(under_review={"text": "Draft"})

        await owner.post(review.url, json={**REJECT, "output": None})

        stored = await row(review)
        assert (stored.decision, stored.output) == ("reject", None)

    async def test_where_nothing_may_be_edited_an_output_is_refused(self, owner, ask, row):
        review = await ask(editable=False)

        response = await owner.post(review.url, json={**APPROVE, "output": None})

        assert (response.status_code, response.json()["code"]) == (422, "review_not_editable")
        assert (await row(review)).decision is None

    async def test_an_empty_comment_is_none(self, owner, ask, row):
        review = await ask()

        await owner.post(review.url, json={**APPROVE, "comment": ""})

        assert (await row(review)).comment is None

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"decision": "maybe"},
            {"decision": None},
            {**APPROVE, "comment": "x" * 2_001},
            {**APPROVE, "comment": 1},
            {**APPROVE, "iteration": 0},
            {**APPROVE, "edits": {}},
        ],
    )
    async def test_bodies_of_another_shape_are_refused(self, owner, ask, row, body):
        review = await ask()

        response = await owner.post(review.url, json=body)

        assert (response.status_code, response.json()["code"]) == (422, "invalid_body")
        assert (await row(review)).decision is None

    async def test_a_decision_stands(self, owner, ask, row, account):
        review = await ask()
        await owner.post(review.url, json=REJECT)

        response = await owner.post(review.url, json=APPROVE)

        problem = response.json()
        assert (response.status_code, problem["code"]) == (409, "review_closed")
        assert f"{account.email} rejected it" in problem["detail"]
        assert (await row(review)).decision == "reject"

    async def test_the_same_request_is_answered_once_more(self, owner, ask):
        review = await ask()
        headers = {"Idempotency-Key": "decide-1"}
        first = await owner.post(review.url, json=APPROVE, headers=headers)

        again = await owner.post(review.url, json=APPROVE, headers=headers)

        run = first.json()
        assert (again.status_code, again.json()) == (
            200,
            {"id": run["id"], "status": run["status"]},
        )
        assert again.headers["Idempotent-Replayed"] == "true"

    @pytest.mark.both_stores
    async def test_the_run_is_shown_after_the_transaction(self, owner, ask, database, monkeypatch):
        review = await ask()
        locked = []

        async def whole(_, actor, run_id, **_options):
            lock = sa.select(runs.c.id).where(runs.c.id == run_id).with_for_update(nowait=True)
            async with asyncio.timeout(10), database.transaction() as session:
                locked.append(await session.scalar(lock))
            return await read(database, actor, run_id)

        read = answers.whole
        monkeypatch.setattr(answers, "whole", whole)

        response = await owner.post(review.url, json=APPROVE)

        assert (response.status_code, locked) == (200, [review.run_id])

    @pytest.mark.both_stores
    async def test_a_repetition_after_a_kill_gets_the_id_and_the_status(
        self, owner, ask, monkeypatch
    ):
        review = await ask()
        headers = {"Idempotency-Key": "decide-1"}

        async def killed(*_args, **_options):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(answers, "whole", killed)
            with pytest.raises(KeyboardInterrupt):
                await owner.post(review.url, json=APPROVE, headers=headers)

        again = await owner.post(review.url, json=APPROVE, headers=headers)

        assert again.status_code == 200
        assert again.json() == {"id": str(review.run_id), "status": "pending"}

    @pytest.mark.both_stores
    @pytest.mark.parametrize("error", [StoreUnavailable("away"), RunNotFound(ids.uuid7())])
    async def test_if_the_run_cannot_be_read_its_id_and_status_are_shown(
        self, owner, ask, row, monkeypatch, error
    ):
        review = await ask()

        async def fail(*_args, **_options):
            raise error

        monkeypatch.setattr(runs_service, "read", fail)

        response = await owner.post(review.url, json=APPROVE)

        assert response.status_code == 200
        assert response.json() == {"id": str(review.run_id), "status": "pending"}
        assert (await row(review)).decision == ReviewDecision.APPROVE

    async def test_after_its_time_it_is_closed_before_the_run_notices(self, owner, ask, row, clock):
        review = await ask(lasts=timedelta(minutes=5))
        clock.advance(timedelta(minutes=5))

        response = await owner.post(review.url, json=APPROVE)

        assert (response.status_code, response.json()["code"]) == (409, "review_closed")
        assert "This review expired on " in response.json()["detail"]
        assert (await row(review)).decision is None

    async def test_after_a_cancel_it_is_closed(self, owner, ask, row):
        review = await ask()
        await owner.post(f"/api/runs/{review.run_id}/cancel")

        response = await owner.post(review.url, json=APPROVE)

        assert (response.status_code, response.json()["code"]) == (409, "review_closed")
        assert "its run has continued or ended" in response.json()["detail"]
        assert (await owner.get(f"/api/runs/{review.run_id}")).json()["status"] == "cancelled"

    async def test_once_the_run_is_carried_on_it_is_closed(
        self, owner, ask, row, make, account, pipeline_id
    ):
        run_id = await make.run(account, pipeline_id, status=RunStatus.RUNNING)
        review = await ask(run_id=run_id)

        response = await owner.post(review.url, json=APPROVE)

        assert (response.status_code, response.json()["code"]) == (409, "review_closed")
        assert (await row(review)).decision is None

    async def test_only_the_iteration_that_was_seen_is_decided(self, owner, ask, row):
        first = await ask(decision=ReviewDecision.REJECT)
        second = await ask(run_id=first.run_id, iteration=2)

        late = await owner.post(first.url, json={**APPROVE, "iteration": 1})
        right = await owner.post(first.url, json={**APPROVE, "iteration": 2.0})

        assert (late.status_code, late.json()["code"]) == (409, "review_closed")
        assert (right.status_code, (await row(second)).decision) == (200, "approve")

    async def test_a_key_decides_in_the_name_of_its_account(self, login_key, account, ask, row):
        review = await ask()
        may = await login_key(account, ["pipelines:execute"])
        may_not = await login_key(account, ["pipelines:read", "pipelines:write"])

        refused = await may_not.post(review.url, json=APPROVE)
        done = await may.post(review.url, json=APPROVE)

        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
        assert (done.status_code, (await row(review)).reviewer) == (200, account.email)

    @pytest.mark.both_stores
    async def test_reviews_of_archived_pipelines_can_be_decided(
        self, owner, ask, row, pipeline_id, database
    ):
        review = await ask()
        await owner.delete(f"/api/pipelines/{pipeline_id}")
        async with database.reading() as session:
            assert await session.scalar(sa.select(pipelines.c.status)) == "archived"

        assert len((await owner.get("/api/reviews")).json()["data"]) == 1
        assert (await owner.post(review.url, json=APPROVE)).status_code == 200

    @pytest.mark.both_stores
    async def test_at_its_cap_the_workspace_lets_the_run_wait_for_a_slot(
        self, login, make, database
    ):
        account = await make.user(plan="free")
        client, pipeline_id = await login(account), await make.pipeline(account)
        for _ in range(2):
            await make.run(account, pipeline_id, status=RunStatus.RUNNING)
        review = await make.review(account, pipeline_id)

        response = await client.post(review.url, json=APPROVE)

        assert response.json()["status"] == "pending"
        async with database.reading() as session:
            ticket = await session.scalar(
                sa.select(runs.c.ticket).where(runs.c.id == review.run_id)
            )
        assert ticket == HELD


class TestAssignees:
    @pytest.fixture
    async def viewer(self, make, account, login):
        return await login(await make.member(account, Role.VIEWER, email="eve@example.com"))

    async def test_a_viewer_decides_what_names_them(self, viewer, ask, row):
        review = await ask(assignees=["bob@example.com", "Eve@example.com"])

        response = await viewer.post(review.url, json=APPROVE)

        assert response.status_code == 200
        assert ((await row(review)).decision, (await row(review)).reviewer) == (
            ReviewDecision.APPROVE,
            "eve@example.com",
        )

    async def test_a_viewer_decides_nothing_else(self, viewer, ask, row):
        review = await ask(assignees=["bob@example.com"])

        response = await viewer.post(review.url, json=APPROVE)

        assert (response.status_code, response.json()["code"]) == (403, "role_missing")
        assert (await row(review)).decision is None

    async def test_the_key_of_a_viewer_decides_nothing(self, make, account, login_key, ask):
        viewer = await make.member(account, Role.VIEWER, email="eve@example.com")
        client = await login_key(viewer)

        response = await client.post((await ask(assignees=["eve@example.com"])).url, json=APPROVE)

        assert (response.status_code, response.json()["code"]) == (403, "role_missing")
