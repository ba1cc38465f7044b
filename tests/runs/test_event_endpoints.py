import pytest

from stepiq.core import ids
from stepiq.execution.records import events
from stepiq.store.states import StepStatus


class TestEvents:
    async def test_they_are_listed_oldest_first_in_pages(self, owner, teller, run_id):
        await teller.log(run_id, 5)

        first = (await owner.get(f"/api/runs/{run_id}/events?limit=2")).json()
        cursor = first["next_cursor"]
        second = (await owner.get(f"/api/runs/{run_id}/events?limit=2&cursor={cursor}")).json()
        rest = (await owner.get(f"/api/runs/{run_id}/events?after=4")).json()

        assert [event["seq"] for event in first["data"]] == [1, 2]
        assert [event["seq"] for event in second["data"]] == [3, 4]
        assert [event["seq"] for event in rest["data"]] == [5]
        assert rest["next_cursor"] is None
        assert first["data"][0]["type"] == "step.log"
        assert first["data"][0]["data"]["run_id"] == str(run_id)

    async def test_a_cursor_of_another_list_does_no_harm(
        self, owner, account, make, teller, run_id
    ):
        await make.run(account, await make.pipeline(account))
        cursor = (await owner.get("/api/runs?limit=1")).json()["next_cursor"]

        response = await owner.get(f"/api/runs/{run_id}/events?cursor={cursor}")

        assert response.json()["data"] == []

    @pytest.mark.parametrize("after", ["-1", "x", "99999999999"])
    async def test_bad_numbers_are_refused(self, owner, run_id, after):
        response = await owner.get(f"/api/runs/{run_id}/events?after={after}")

        assert response.status_code == 422


class TestSomeEvents:
    @pytest.fixture
    async def path(self, teller, run_id) -> str:
        """The events of a run with a log line of each of several executions."""
        for which in (("draft", "", 1), ("draft", "", 12), ("draft", "1/0", 1), ("draft_2", "", 1)):
            # A message that looks like the fields of another execution.
            message = f'{which} "step_id":"draft","iteration":1,'
            await teller.event(run_id, events.step_log(events.execution(*which), "info", message))
        key = events.execution("draft", "", 1)
        await teller.event(run_id, events.step_status(StepStatus.COMPLETED, key))
        await teller.end(run_id)
        return f"/api/runs/{run_id}/events"

    @pytest.mark.slow
    @pytest.mark.both_stores
    @pytest.mark.parametrize(
        ("query", "numbers"),
        [
            ("type=step.log", [1, 2, 3, 4]),
            ("type=run.status", [6]),
            ("step_id=draft", [1, 5]),
            ("step_id=draft&type=step.log", [1]),
            ("step_id=draft&iteration=12", [2]),
            ("step_id=draft&branch=1/0", [3]),
            ("step_id=draft&branch=1", []),
            ("step_id=DRAFT", []),
            ("step_id=draft_2", [4]),
            ("step_id=draft&after=1", [5]),
        ],
    )
    async def test_events_of_a_type_or_an_execution_are_listed(self, owner, path, query, numbers):
        found = (await owner.get(f"{path}?{query}")).json()["data"]

        assert [event["seq"] for event in found] == numbers

    async def test_an_unknown_type_is_refused(self, owner, path):
        response = await owner.get(f"{path}?type=step.unknown")

        assert response.status_code == 422


class TestStream:
    async def test_a_browser_can_read_it_and_no_proxy_keeps_it(self, owner, teller, run_id):
        await teller.end(run_id)

        response = await owner.get(f"/api/runs/{run_id}/stream")

        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert "event: run.status" in response.text

    @pytest.mark.parametrize(
        ("last_event_id", "expected"),
        [("1", ["2", "3"]), ("3", []), ("99", []), ("x", ["1", "2", "3"]), ("-1", ["1", "2", "3"])],
    )
    async def test_it_goes_on_behind_last_event_id(
        self, owner, teller, run_id, last_event_id, expected
    ):
        await teller.log(run_id, 2)
        await teller.end(run_id)

        response = await owner.get(
            f"/api/runs/{run_id}/stream", headers={"Last-Event-ID": last_event_id}
        )

        told = [line[4:] for line in response.text.splitlines() if line.startswith("id: ")]
        assert told == expected

    async def test_an_unknown_run_is_a_problem_and_not_a_stream(self, owner):
        response = await owner.get(f"/api/runs/{ids.uuid7()}/stream")

        assert response.status_code == 404
        assert response.json()["code"] == "run_not_found"

    async def test_the_fifty_first_is_refused(self, owner, app, account, teller, run_id):
        await teller.end(run_id)
        for _ in range(50):
            app.state.streams.enter(account.workspace_id)

        response = await owner.get(f"/api/runs/{run_id}/stream")

        assert response.status_code == 429
        assert response.json()["code"] == "too_many_streams"
        assert response.headers["Retry-After"]

    async def test_an_ended_stream_is_counted_out(self, owner, app, account, teller, run_id):
        await teller.end(run_id)

        await owner.get(f"/api/runs/{run_id}/stream")

        assert app.state.streams.count(account.workspace_id) == 0
