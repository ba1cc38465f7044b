"""Bulk jobs over HTTP, before a worker executes them."""

import pytest

from stepiq.core import ids
from stepiq.runs.bulk import service
from stepiq.store.states import RunStatus


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account, tags=["a"])


@pytest.fixture
def created(owner):
    async def created(**body):
        answer = await owner.post("/api/bulk-jobs", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    return created


@pytest.fixture
def runs_of(owner):
    async def runs_of(job):
        answer = await owner.get(f"/api/bulk-jobs/{job['id']}/items?limit=100")
        assert answer.status_code == 200, answer.text
        return [item["run_id"] for item in answer.json()["data"]]

    return runs_of


class TestCreate:
    async def test_a_job_has_each_run_once_in_the_given_order(self, created, runs_of, account):
        first, second = str(ids.uuid7()), str(ids.uuid7())

        job = await created(action="cancel", run_ids=[second, first, second])

        assert await runs_of(job) == [second, first]
        assert job == {
            "id": job["id"], "name": "Cancel 2 runs", "action": "cancel", "status": "pending",
            "total": 2, "done": 0, "failed": 0, "has_more": False, "failures": [],
            "created_by": str(account.id), "created_at": job["created_at"],
            "started_at": None, "completed_at": None,
        }  # fmt: skip

    async def test_a_job_of_one_run_has_a_name_in_the_singular(self, created):
        job = await created(action="retry", run_ids=[str(ids.uuid7())])

        assert job["name"] == "Retry 1 run"

    @pytest.mark.both_stores
    async def test_a_filter_selects_the_runs_that_the_action_can_change(
        self, created, runs_of, account, make, pipeline_id
    ):
        made = {
            status.value: str(await make.run(account, pipeline_id, status=status))
            for status in RunStatus
        }
        await make.run(account, await make.pipeline(account))

        cancel = await created(action="cancel", filter={"tag": "a"})
        retry = await created(action="retry", filter={"tag": "a"}, name="Again")
        failed = await created(action="retry", filter={"tag": "a", "status": ["failed", "running"]})
        none = await created(action="cancel", filter={"status": ["failed"]})

        unfinished = [made[status] for status in ("waiting", "running", "pending")]
        assert await runs_of(cancel) == unfinished
        assert await runs_of(retry) == [made[each] for each in ("cancelled", "failed", "completed")]
        assert await runs_of(failed) == [made["failed"]]
        assert (none["total"], retry["name"]) == (0, "Again")

    @pytest.mark.both_stores
    async def test_the_newest_runs_are_taken_if_there_are_too_many(
        self, created, runs_of, account, make, pipeline_id, monkeypatch
    ):
        monkeypatch.setattr(service, "MAX_RUNS", 3)
        monkeypatch.setattr(service, "_PAGE", 2)
        made = [str(await make.run(account, pipeline_id)) for _ in range(4)]

        job = await created(action="cancel", filter={})

        assert await runs_of(job) == made[:0:-1]
        assert (job["total"], job["has_more"]) == (3, True)

    @pytest.mark.both_stores
    async def test_the_pipeline_of_a_filter_can_be_a_slug(
        self, owner, created, runs_of, account, make, pipeline_id
    ):
        named = await make.pipeline(account, slug="letters")
        run_id = await make.run(account, named)
        await make.run(account, pipeline_id)

        by_slug = await created(action="cancel", filter={"pipeline_id": "letters"})
        by_id = await created(action="cancel", filter={"pipeline_id": str(named)})
        body = {"action": "cancel", "filter": {"pipeline_id": "unknown"}}
        unknown = await owner.post("/api/bulk-jobs", json=body)

        assert await runs_of(by_slug) == await runs_of(by_id) == [str(run_id)]
        assert (unknown.status_code, unknown.json()["code"]) == (404, "pipeline_not_found")

    async def test_spaces_around_the_tag_of_a_filter_are_removed(
        self, created, runs_of, account, make, pipeline_id
    ):
        run_id = await make.run(account, pipeline_id)

        job = await created(action="cancel", filter={"tag": " a "})

        assert await runs_of(job) == [str(run_id)]

    @pytest.mark.parametrize(
        "body",
        [
            {"action": "cancel"},
            {"action": "cancel", "run_ids": []},
            {"action": "delete", "filter": {}},
            {"action": "cancel", "filter": {"version": 1}},
            {"action": "cancel", "filter": {"state": "failed"}},
            {"action": "cancel", "filter": {}, "run_ids": ["0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e"]},
        ],
    )
    async def test_other_bodies_are_refused(self, owner, body):
        answer = await owner.post("/api/bulk-jobs", json=body)

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")

    async def test_a_workspace_has_a_limited_number_of_unfinished_jobs(
        self, owner, created, monkeypatch
    ):
        monkeypatch.setattr(service, "MAX_JOBS", 1)
        job = await created(action="cancel", filter={})

        refused = await owner.post("/api/bulk-jobs", json={"action": "cancel", "filter": {}})
        await owner.post(f"/api/bulk-jobs/{job['id']}/cancel")

        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_bulk_jobs")
        await created(action="cancel", filter={})

    async def test_it_needs_the_scope_to_execute(self, login_key, account):
        reader = await login_key(account, ["pipelines:read"])
        executor = await login_key(account, ["pipelines:execute"])

        refused = await reader.post("/api/bulk-jobs", json={"action": "cancel", "filter": {}})
        allowed = await executor.post(
            "/api/bulk-jobs", json={"action": "cancel", "run_ids": [str(ids.uuid7())]}
        )
        filtered = await executor.post("/api/bulk-jobs", json={"action": "cancel", "filter": {}})
        unread = await executor.get(f"/api/bulk-jobs/{allowed.json()['id']}")

        assert (refused.status_code, allowed.status_code, unread.status_code) == (403, 202, 403)
        assert (filtered.status_code, filtered.json()["code"]) == (403, "scope_missing")


class TestRead:
    @pytest.mark.both_stores
    async def test_jobs_are_listed_newest_first(self, owner, created):
        made = [(await created(action="cancel", filter={}))["id"] for _ in range(3)]

        first = (await owner.get("/api/bulk-jobs?limit=2")).json()
        rest = (await owner.get(f"/api/bulk-jobs?limit=2&cursor={first['next_cursor']}")).json()

        assert [job["id"] for job in first["data"] + rest["data"]] == made[::-1]

    @pytest.mark.both_stores
    async def test_items_are_paged_in_order(self, owner, created):
        wanted = [str(ids.uuid7()) for _ in range(3)]
        job = await created(action="cancel", run_ids=wanted)
        path = f"/api/bulk-jobs/{job['id']}/items?limit=2&status=pending"

        first = (await owner.get(path)).json()
        rest = (await owner.get(f"{path}&cursor={first['next_cursor']}")).json()

        assert [item["run_id"] for item in first["data"] + rest["data"]] == wanted

    async def test_jobs_of_others_are_not_found(self, created, login, stranger):
        job = await created(action="cancel", filter={})
        other = await login(stranger)
        path = f"/api/bulk-jobs/{job['id']}"

        answers = [
            await other.get(path),
            await other.get(f"{path}/items"),
            await other.post(f"{path}/cancel"),
        ]

        assert [answer.status_code for answer in answers] == [404] * 3
        assert {answer.json()["code"] for answer in answers} == {"bulk_job_not_found"}
        assert (await other.get("/api/bulk-jobs")).json()["data"] == []


class TestCancel:
    async def test_a_job_can_be_cancelled_once(self, owner, created):
        job = await created(action="cancel", filter={})

        cancelled = await owner.post(f"/api/bulk-jobs/{job['id']}/cancel")
        again = await owner.post(f"/api/bulk-jobs/{job['id']}/cancel")

        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        assert cancelled.json()["completed_at"]
        assert (again.status_code, again.json()["code"]) == (409, "bulk_job_already_finished")
