"""Runs of drafts, and of one step of a draft."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import clock
from stepiq.runs import service
from stepiq.store.tables import pipeline_versions, pipelines
from tests.runs.live.test_retrying import finished, run
from tests.support.clients import login_key

__all__ = ["login_key"]

SAVED = """
name: Saved
steps:
  - {id: only, type: transform, template: "saved"}
"""
DRAFT = """
name: Draft
input: {schema: {who: {type: string, default: Ada}}}
steps:
  - {id: first, type: transform, template: "Hello {{input.who}}"}
  - id: fork
    type: parallel
    steps:
      - {id: a, type: transform, template: "a of {{steps.first.output}}"}
      - {id: b, type: transform, template: "b of {{steps.first.output}}"}
  - id: last
    type: transform
    template: "{{steps.first.output}}, {{steps.a.output}}"
    on_condition: [{if: "true", goto: first, max_loops: 2, on_limit: next}]
output: {from: first}
"""


async def draft_run(browser, text=DRAFT, **body):
    return await finished(
        browser, await browser.post("/api/runs/draft", json={"text": text, **body})
    )


class TestDraft:
    async def test_it_runs_without_a_version(self, browser, account, make):
        pipeline_id = str(await make.pipeline(account, source=SAVED))
        await run(browser, pipeline_id)

        ended = await draft_run(browser, pipeline_id=pipeline_id, input_data={"who": "Bo"})

        url = f"/api/pipelines/{pipeline_id}"
        versions = (await browser.get(f"{url}/versions")).json()["data"]
        text = await browser.get(
            f"{url}/versions/{ended['pipeline_version']}", headers={"Accept": "application/yaml"}
        )
        pipeline = (await browser.get(url)).json()
        usage = (await browser.get("/api/user/usage")).json()
        assert (ended["status"], ended["output"]) == ("completed", "Hello Bo")
        assert (ended["is_draft"], ended["only_step"]) == (True, None)
        assert text.text == DRAFT
        assert [each["version"] for each in versions] == [1]
        assert (pipeline["version"], pipeline["definition"]["name"]) == (1, "Saved")
        assert pipeline["last_run"]["id"] != ended["id"]
        assert usage["runs"]["total"] == 1

    @pytest.mark.both_stores
    async def test_the_stored_draft_is_the_default(self, browser):
        draft = (await browser.post("/api/drafts", json={"text": DRAFT})).json()
        url = f"/api/pipelines/{draft['pipeline_id']}"

        first = await finished(
            browser,
            await browser.post("/api/runs/draft", json={"pipeline_id": draft["pipeline_id"]}),
        )
        again = await finished(browser, await browser.post(f"/api/runs/{first['id']}/retry"))

        archived = (await browser.get("/api/pipelines?status=archived")).json()["data"]
        assert first["pipeline_id"] == again["pipeline_id"] == draft["pipeline_id"]
        assert (first["status"], again["status"], again["is_draft"]) == (
            "completed",
            "completed",
            True,
        )
        assert again["retry_of"] == first["id"]
        assert archived == []
        assert (await browser.get(url)).status_code == 404
        assert (await browser.post(f"{url}/restore")).status_code == 404
        assert (await browser.post(f"{url}/run", json={})).status_code == 404

        saved = await browser.put(url, content=DRAFT, headers={"Content-Type": "application/yaml"})
        assert (saved.status_code, saved.json()["version"]) == (201, 1)
        assert saved.json()["status"] == "active"
        assert saved.json()["slug"] == "draft"
        assert (await run(browser, draft["pipeline_id"]))["status"] == "completed"
        assert (await browser.get(f"/api/runs/{first['id']}")).json()["status"] == "completed"

    async def test_a_prompt_can_be_tried_without_a_pipeline(self, browser, fake_provider):
        text = (
            '{"name": "Try", "steps": [{"id": "a", "model": "openai/gpt-4o-mini", "prompt": "Hi"}]}'
        )

        ended = await draft_run(browser, text, format="json")

        usage = (await browser.get("/api/user/usage")).json()
        assert ended["status"] == "completed", ended["error"]
        assert ended["steps"][0]["model"] == "openai/gpt-4o-mini"
        assert ended["credits_used"] > 0
        assert usage["tokens"]["total"] == ended["total_tokens"]
        assert usage["runs"]["total"] == 0

    async def test_equal_texts_share_one_row(self, browser, database):
        draft = (await browser.post("/api/drafts", json={"text": DRAFT})).json()
        body = {"pipeline_id": draft["pipeline_id"]}

        first = (await browser.post("/api/runs/draft", json=body)).json()
        second = (await browser.post("/api/runs/draft", json=body)).json()
        third = (await browser.post("/api/runs/draft", json={**body, "text": DRAFT + "\n"})).json()

        assert first["pipeline_version"] == second["pipeline_version"] != third["pipeline_version"]

    @pytest.mark.both_stores
    async def test_the_text_is_deleted_with_its_last_run(self, browser, database):
        ended = await draft_run(browser)
        again = await finished(browser, await browser.post(f"/api/runs/{ended['id']}/retry"))
        assert again["pipeline_version"] == ended["pipeline_version"]
        assert await _rows(database, ended["pipeline_id"]) == (1, 1)

        clock.advance(timedelta(days=40))
        async with database.transaction() as session:
            assert await service.sweep(session, clock.now(), kept=timedelta(days=30)) == 2

        assert await _rows(database, ended["pipeline_id"]) == (0, 0)

    async def test_a_text_that_another_run_needs_is_kept(self, browser, database):
        ended = await draft_run(browser)
        clock.advance(timedelta(seconds=60))
        retried = await browser.post(f"/api/runs/{ended['id']}/retry")
        assert retried.status_code == 202

        async with database.transaction() as session:
            assert await service.sweep(session, clock.now(), kept=timedelta(seconds=30)) == 1

        assert await _rows(database, ended["pipeline_id"]) == (1, 1)

    async def test_it_sends_nothing(self, browser, database):
        text = DRAFT + "notifications: {on_success: [{type: email, to: ada@example.com}]}\n"

        ended = await draft_run(browser, text)

        deliveries = (await browser.get(f"/api/runs/{ended['id']}/deliveries")).json()["data"]
        assert ended["status"] == "completed"
        assert deliveries == []


async def _rows(database, pipeline_id):
    async with database.reading() as session:
        return tuple(
            [
                await session.scalar(sa.select(sa.func.count()).where(column == UUID(pipeline_id)))
                for column in (pipelines.c.id, pipeline_versions.c.pipeline_id)
            ]
        )


class TestRefusals:
    async def test_an_invalid_text_is_refused_with_its_errors(self, browser):
        answer = await browser.post("/api/runs/draft", json={"text": "name: X\nsteps: []\n"})

        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid_definition"
        assert answer.json()["errors"][0]["line"] == 2

    async def test_a_run_needs_a_text(self, browser, account, make):
        pipeline_id = str(await make.pipeline(account))

        none = await browser.post("/api/runs/draft", json={})
        not_stored = await browser.post("/api/runs/draft", json={"pipeline_id": pipeline_id})

        assert (none.status_code, none.json()["code"]) == (422, "step_run_invalid")
        assert (not_stored.status_code, not_stored.json()["code"]) == (404, "draft_not_found")

    async def test_the_pipeline_must_be_own_and_active(self, browser, stranger, make, account):
        theirs = str(await make.pipeline(stranger))
        archived = str(await make.pipeline(account, status="archived"))

        for pipeline_id in (theirs, archived, "0192f0c1-0000-7000-8000-000000000000"):
            body = {"pipeline_id": pipeline_id, "text": DRAFT}
            answer = await browser.post("/api/runs/draft", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "pipeline_not_found")

    async def test_a_key_needs_the_rights_to_save_and_to_run(self, app, account, login_key):
        for scopes in (["pipelines:execute"], ["pipelines:write"]):
            key = await login_key(account, scopes=scopes)
            answer = await key.post("/api/runs/draft", json={"text": DRAFT})
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")

    async def test_a_key_needs_the_right_to_read_the_stored_draft(
        self, browser, account, login_key
    ):
        draft = (await browser.post("/api/drafts", json={"text": DRAFT})).json()
        key = await login_key(account, scopes=["pipelines:write", "pipelines:execute"])

        refused = await key.post("/api/runs/draft", json={"pipeline_id": draft["pipeline_id"]})

        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
        assert "`pipelines:read`" in refused.json()["detail"]

    async def test_a_draft_version_is_not_one_to_run_or_delete(self, browser, account, make):
        pipeline_id = str(await make.pipeline(account, source=SAVED))
        number = (await draft_run(browser, pipeline_id=pipeline_id))["pipeline_version"]
        url = f"/api/pipelines/{pipeline_id}"

        started = await browser.post(f"{url}/run", json={"version": number})
        deleted = await browser.delete(f"{url}/versions/{number}")

        assert (started.status_code, deleted.status_code) == (404, 404)


class TestOneStep:
    async def test_only_the_step_runs_with_pinned_outputs(self, browser):
        ended = await draft_run(
            browser, step_id="last", outputs={"first": "pinned", "a": "of a branch"}
        )

        assert ended["status"] == "completed", ended["error"]
        assert ended["output"] == "pinned, of a branch"
        assert ended["only_step"] == "last"
        steps = [(step["step_id"], step["is_reused"]) for step in ended["steps"]]
        assert steps == [("first", True), ("a", True), ("last", False)]

    async def test_outputs_come_from_an_earlier_run(self, browser):
        draft = (await browser.post("/api/drafts", json={"text": DRAFT})).json()
        whole = await draft_run(browser, pipeline_id=draft["pipeline_id"], input_data={"who": "Bo"})

        ended = await draft_run(
            browser,
            DRAFT.replace("{{steps.first.output}}, ", "{{input.who}}! "),
            pipeline_id=draft["pipeline_id"],
            step_id="last",
            from_run=whole["id"],
            outputs={"first": "edited"},
        )

        assert ended["output"] == "Bo! a of Hello Bo"
        assert ended["steps"][0]["output"] == "edited"
        assert ended["reused"]["steps"] == 4

    async def test_a_step_in_a_parallel_runs_all_of_it(self, browser):
        ended = await draft_run(browser, step_id="b", outputs={"first": "x"})

        assert ended["status"] == "completed", ended["error"]
        assert ended["only_step"] == "fork"
        executed = {step["step_id"] for step in ended["steps"] if not step["is_reused"]}
        assert executed == {"fork", "a", "b"}

    @pytest.mark.both_stores
    async def test_a_transform_sees_the_output_before_it(self, browser):
        text = DRAFT.replace(
            "output: {from: first}", "  - {id: pick, type: transform, regex: {pattern: '[a-z]+'}}"
        )
        text = text.replace(
            'on_condition: [{if: "true", goto: first, max_loops: 2, on_limit: next}]', 'if: "true"'
        )

        ended = await draft_run(browser, text, step_id="pick", outputs={"last": "1 two 3"})

        assert ended["status"] == "completed", ended["error"]
        assert "two" in str(ended["output"])

    async def test_a_retry_repeats_the_step_with_its_outputs(self, browser):
        first = await draft_run(browser, step_id="last", outputs={"first": "x", "a": "y"})

        same = await finished(browser, await browser.post(f"/api/runs/{first['id']}/retry"))
        other = await finished(
            browser,
            await browser.post(f"/api/runs/{first['id']}/retry", json={"outputs": {"a": "z"}}),
        )

        assert (same["output"], same["only_step"]) == ("x, y", "last")
        assert other["output"] == "x, z"

    @pytest.mark.both_stores
    async def test_failures_of_the_run_that_has_the_outputs_do_not_count(
        self, browser, account, make
    ):
        pipeline_id = str(await make.pipeline(account, source=SAVED))
        failing = "  - {id: failing, type: transform, set: {x: 1 / 0}, on_error: continue}\n"
        text = DRAFT.replace("  - id: fork", f"{failing}  - id: fork")
        whole = await draft_run(browser, text, pipeline_id=pipeline_id)
        given = {"pipeline_id": pipeline_id, "from_run": whole["id"]}

        one = await draft_run(browser, text, step_id="last", **given)
        again = await draft_run(browser, text, step_id="failing", **given)

        assert [each["status"] for each in (whole, one, again)] == ["completed"] * 3
        assert [each["failed_steps"] for each in (whole, one, again)] == [1, 0, 1]

    async def test_problems_are_listed(self, browser, account, make):
        other = await make.pipeline(account)
        foreign = str(await make.run(account, other))
        for body, code, path in (
            ({"step_id": "nowhere"}, "step_run_invalid", "step_id"),
            ({"step_id": "last", "outputs": {"last": 1}}, "step_run_invalid", "outputs.last"),
            ({"step_id": "fork", "outputs": {"a": 1}}, "step_run_invalid", "outputs.a"),
            ({"outputs": {"first": 1}}, "step_run_invalid", "step_id"),
            ({"from_run": foreign}, "step_run_invalid", "step_id"),
        ):
            answer = await browser.post("/api/runs/draft", json={"text": DRAFT, **body})
            assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
            assert answer.json()["errors"][0]["path"] == path

        body = {"text": DRAFT, "step_id": "last", "from_run": foreign}
        answer = await browser.post("/api/runs/draft", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")

    async def test_an_earlier_run_is_used_only_for_a_key_that_may_read_it(
        self, browser, login_key, account
    ):
        whole = await draft_run(browser)
        key = await login_key(account, ["pipelines:execute", "pipelines:write"])
        body = {"text": DRAFT, "step_id": "last", "from_run": whole["id"]}

        refused = await key.post("/api/runs/draft", json=body)

        assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
        assert "pipelines:read" in refused.text

    async def test_a_failed_step_fails_the_run(self, browser):
        text = DRAFT.replace(
            'template: "{{steps.first.output}}, {{steps.a.output}}"',
            'set: {n: "int(steps.first.output)"}',
        )

        ended = await draft_run(browser, text, step_id="last", outputs={"first": "no number"})

        assert (ended["status"], ended["error"]["step_id"]) == ("failed", "last")
        assert [step["step_id"] for step in ended["steps"]] == ["first", "last"]
