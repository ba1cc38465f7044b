"""Runs that repeat others, from their start or from one of their steps."""

import asyncio

import pytest

from stepiq.store.states import RunStatus, StepStatus

CHAIN = """
name: Chain
input: {schema: {who: {type: string, default: Ada}}}
steps:
  - {id: ask, model: openai/gpt-4o-mini, prompt: "Hi {{input.who}}"}
  - {id: middle, type: transform, template: "{{steps.ask.output}}!"}
  - {id: last, model: openai/gpt-4o-mini, prompt: "{{steps.middle.output}}"}
"""

LOOP = """
name: Loop
steps:
  - {id: draft, model: openai/gpt-4o-mini, prompt: "draft"}
  - id: rate
    type: transform
    set: {n: "steps.rate.output == null ? 1 : steps.rate.output.n + 1"}
    on_condition: [{if: steps.rate.output.n < 3, goto: draft}]
  - {id: last, type: transform, template: "{{steps.rate.output.n}}"}
"""

PARALLEL = """
name: Parallel
steps:
  - {id: before, model: openai/gpt-4o-mini, prompt: "before"}
  - id: both
    type: parallel
    steps:
      - {id: a, model: openai/gpt-4o-mini, prompt: "a"}
      - {id: b, model: openai/gpt-4o-mini, prompt: "b"}
  - {id: after, type: transform, template: "{{steps.a.output}} {{steps.b.output}}"}
"""


async def finished(browser, answer):
    assert answer.status_code in (200, 202), answer.text
    run_id = answer.json()["id"]
    while True:
        await browser.get(f"/api/runs/{run_id}/stream")
        run = (await browser.get(f"/api/runs/{run_id}")).json()
        if run["status"] in ("completed", "failed", "cancelled"):
            return run


async def run(browser, pipeline_id, **body):
    return await finished(
        browser, await browser.post(f"/api/pipelines/{pipeline_id}/run", json=body)
    )


async def retry(browser, earlier, **body):
    return await finished(
        browser, await browser.post(f"/api/runs/{earlier['id']}/retry", json=body)
    )


def reused(run):
    return [step["step_id"] for step in run["steps"] if step["is_reused"]]


DECISION = """
name: Decision
steps:
  - {id: facts, type: transform, set: {score: "3"}}
  - {id: check, type: condition, cases: [{if: steps.facts.output.score > 5, goto: last}]}
  - {id: low, type: transform, template: "low"}
  - {id: last, type: transform, template: "{{json steps.facts.output}}"}
"""


class TestRetry:
    async def test_from_the_start_everything_is_done_again(
        self, browser, account, make, fake_provider
    ):
        earlier = await run(browser, await make.pipeline(account, source=CHAIN))

        again = await retry(browser, earlier)

        assert (again["status"], again["output"]) == ("completed", earlier["output"])
        assert (again["retry_of"], again["trigger_type"]) == (earlier["id"], "retry")
        assert again["reused"] is None
        assert reused(again) == []
        assert fake_provider.stats.calls == 4

    async def test_from_a_step_what_was_before_it_is_not_paid_again(
        self, browser, account, make, fake_provider
    ):
        earlier = await run(browser, await make.pipeline(account, source=CHAIN))

        again = await retry(browser, earlier, **{"from": "last"})

        assert again["output"] == earlier["output"]
        assert reused(again) == ["ask", "middle"]
        assert fake_provider.stats.calls == 3
        asked = earlier["steps"][0]
        assert again["reused"] == {
            "steps": 2,
            "input_tokens": asked["input_tokens"],
            "output_tokens": asked["output_tokens"],
            "total_tokens": asked["input_tokens"] + asked["output_tokens"],
            "cost_usd_micros": asked["cost_usd_micros"],
        }
        assert again["steps"][0]["cost_usd_micros"] == 0
        assert again["total_tokens"] == (
            again["steps"][2]["input_tokens"] + again["steps"][2]["output_tokens"]
        )

    async def test_from_the_failed_step(self, browser, account, make, fake_provider):
        fake_provider.configure(failures=[200, 401])
        earlier = await run(browser, await make.pipeline(account, source=CHAIN))
        assert earlier["error"]["step_id"] == "last"

        again = await retry(browser, earlier, **{"from": "failed"})

        assert again["status"] == "completed"
        assert reused(again) == ["ask", "middle"]

    async def test_where_a_cancel_stopped_it(self, browser, account, make, fake_provider):
        fake_provider.configure(latency_ms=30_000)
        started = await browser.post(
            f"/api/pipelines/{await make.pipeline(account, source=CHAIN)}/run"
        )
        await asyncio.wait_for(fake_provider.next_request(), 10)
        earlier = (await browser.post(f"/api/runs/{started.json()['id']}/cancel")).json()
        fake_provider.configure(latency_ms=0)

        again = await retry(browser, earlier, **{"from": "failed"})

        assert again["status"] == "completed"

    @pytest.mark.parametrize("recorded", [[], ["ask"]])
    async def test_from_the_last_step_if_no_step_failed_with_the_run(
        self, browser, account, make, recorded
    ):
        pipeline_id = await make.pipeline(account, source=CHAIN)
        error = {"code": "poisoned", "message": "The worker died.", "step_id": None}
        earlier = await make.run(account, pipeline_id, status=RunStatus.FAILED, error=error)
        for step_id in recorded:
            await make.step(earlier, step_id, output="kept")

        again = await retry(browser, {"id": earlier}, **{"from": "failed"})

        assert again["status"] == "completed"
        assert reused(again) == recorded

    async def test_not_from_a_branch_that_a_tolerated_failure_stopped(self, browser, account, make):
        pipeline_id = await make.pipeline(account, source=PARALLEL)
        error = {"code": "poisoned", "message": "The worker died.", "step_id": None}
        failed = await make.run(account, pipeline_id, status=RunStatus.FAILED, error=error)
        completed = await make.run(account, pipeline_id, status=RunStatus.COMPLETED)
        for earlier in (failed, completed):
            await make.step(earlier, "before", ordinal=1, output="kept")
            await make.step(earlier, "both", ordinal=2, type="parallel", output={"a": None})
            await make.step(
                earlier, "b", ordinal=3, branch="1", status=StepStatus.CANCELLED, type="llm"
            )

        again = await retry(browser, {"id": failed}, **{"from": "failed"})
        refused = await browser.post(f"/api/runs/{completed}/retry", json={"from": "failed"})

        assert {"before", "both"} <= set(reused(again))
        assert (refused.status_code, refused.json()["code"]) == (422, "retry_invalid")

    async def test_a_run_that_was_cancelled_before_its_first_step_did_not_fail(
        self, browser, account, make
    ):
        pipeline_id = await make.pipeline(account, source=CHAIN)
        earlier = await make.run(account, pipeline_id, status=RunStatus.CANCELLED)

        answer = await browser.post(f"/api/runs/{earlier}/retry", json={"from": "failed"})

        assert (answer.status_code, answer.json()["code"]) == (422, "retry_invalid")

    async def test_with_other_outputs_and_another_input(
        self, browser, account, make, fake_provider
    ):
        earlier = await run(browser, await make.pipeline(account, source=CHAIN))

        again = await retry(
            browser,
            earlier,
            **{"from": "middle", "outputs": {"ask": "edited"}, "input": {"who": "Bob"}},
        )

        assert again["output"] == "echo: edited!"
        assert again["input_data"] == {"who": "Bob"}

    async def test_in_a_loop_up_to_the_steps_last_start(
        self, browser, account, make, fake_provider
    ):
        earlier = await run(browser, await make.pipeline(account, source=LOOP))
        assert fake_provider.stats.calls == 3

        again = await retry(browser, earlier, **{"from": "draft"})

        assert again["output"] == "3"
        assert reused(again) == ["draft", "rate", "draft", "rate"]
        assert fake_provider.stats.calls == 4

    async def test_inside_a_parallel_from_the_parallel(self, browser, account, make, fake_provider):
        earlier = await run(browser, await make.pipeline(account, source=PARALLEL))

        again = await retry(browser, earlier, **{"from": "b"})

        assert again["output"] == earlier["output"]
        assert reused(again) == ["before"]
        assert fake_provider.stats.calls == 5

    async def test_behind_a_parallel_its_branches_are_seen(
        self, browser, account, make, fake_provider
    ):
        earlier = await run(browser, await make.pipeline(account, source=PARALLEL))

        again = await retry(browser, earlier, **{"from": "after"})

        assert again["output"] == "echo: a echo: b"
        assert fake_provider.stats.calls == 3

    async def test_by_the_latest_version(self, browser, account, make):
        pipeline_id = await make.pipeline(account, source=CHAIN)
        earlier = await run(browser, pipeline_id)
        newer = CHAIN.replace('"{{steps.middle.output}}"', '"Now {{steps.middle.output}}"')
        saved = await browser.put(
            f"/api/pipelines/{pipeline_id}",
            content=newer,
            headers={"Content-Type": "application/yaml"},
        )
        assert saved.status_code == 200, saved.text

        same = await retry(browser, earlier, **{"from": "last"})
        latest = await retry(browser, earlier, **{"from": "last", "version": "latest"})

        assert same["output"] == "echo: echo: Hi Ada!"
        assert latest["output"] == "echo: Now echo: Hi Ada!"
        assert latest["pipeline_version"] == 2

    @pytest.mark.both_stores
    async def test_a_large_output_is_taken_over(self, browser, account, make):
        source = CHAIN.replace("Hi {{input.who}}", "{{input.who}}").replace("max_length", "")
        earlier = await run(
            browser, await make.pipeline(account, source=source), input_data={"who": "x" * 100_000}
        )

        again = await retry(browser, earlier, **{"from": "middle"})

        assert again["output"] == earlier["output"]

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"from": "nothing"}, "from"),
            ({"from": "failed"}, "from"),
            ({"from": "last", "outputs": {"last": 1}}, "outputs.last"),
            ({"from": "start", "outputs": {"ask": 1}}, "outputs.ask"),
            ({"from": "last", "outputs": {"ask": {"text": "x"}}}, "outputs.ask"),
        ],
    )
    async def test_what_cannot_be_is_refused(self, browser, account, make, body, path):
        earlier = await run(browser, await make.pipeline(account, source=CHAIN))

        answer = await browser.post(f"/api/runs/{earlier['id']}/retry", json=body)

        assert answer.status_code == 422
        assert answer.json()["code"] == "retry_invalid"
        assert answer.json()["errors"][0]["path"] == path

    async def test_an_output_must_have_the_shape_of_its_step_and_keep_the_path(
        self, browser, account, make
    ):
        earlier = await run(browser, await make.pipeline(account, source=DECISION))
        outputs = {"facts": {"score": 9}, "check": {"matched": None, "goto": "next"}}

        wrong = {"facts": "9", "check": {"matched": 0, "goto": "last"}}
        refused = await browser.post(
            f"/api/runs/{earlier['id']}/retry", json={"from": "last", "outputs": wrong}
        )
        again = await retry(browser, earlier, **{"from": "last", "outputs": outputs})

        assert again["output"] == '{"score":9}'
        assert (refused.status_code, refused.json()["code"]) == (422, "retry_invalid")
        assert refused.json()["detail"] == (
            "`outputs.facts` must be an object; it is a string. There are 2 more errors."
        )
        assert [(each["path"], each["message"]) for each in refused.json()["errors"]] == [
            ("outputs.facts", "`outputs.facts` must be an object; it is a string."),
            (
                "outputs.check.goto",
                '`outputs.check.goto` must be "next", because it decided which step came next. '
                "To take another path, retry from `check`.",
            ),
            (
                "outputs.check.matched",
                "`outputs.check.matched` must be null, because it decided which step came next. "
                "To take another path, retry from `check`.",
            ),
        ]

    async def test_a_step_that_did_not_run_cannot_be_started_from(
        self, browser, account, make, fake_provider
    ):
        fake_provider.configure(failures=[401])
        earlier = await run(browser, await make.pipeline(account, source=CHAIN))

        answer = await browser.post(f"/api/runs/{earlier['id']}/retry", json={"from": "last"})

        assert answer.status_code == 422
        assert "did not run" in answer.json()["detail"]

    async def test_a_run_that_goes_on_cannot_be_repeated(
        self, browser, account, make, fake_provider
    ):
        fake_provider.configure(latency_ms=30_000)
        started = await browser.post(
            f"/api/pipelines/{await make.pipeline(account, source=CHAIN)}/run"
        )

        answer = await browser.post(f"/api/runs/{started.json()['id']}/retry", json={})

        assert (answer.status_code, answer.json()["code"]) == (409, "run_not_finished")
        await browser.post(f"/api/runs/{started.json()['id']}/cancel")

    async def test_an_input_that_does_not_fit_is_refused(self, browser, account, make):
        earlier = await run(browser, await make.pipeline(account, source=CHAIN))

        answer = await browser.post(
            f"/api/runs/{earlier['id']}/retry", json={"input_data": {"who": 1}}
        )

        assert (answer.status_code, answer.json()["code"]) == (422, "input_invalid")

    async def test_a_retry_can_be_retried(self, browser, account, make, fake_provider):
        earlier = await run(browser, await make.pipeline(account, source=CHAIN))
        once = await retry(browser, earlier, **{"from": "middle"})

        twice = await retry(browser, once, **{"from": "last"})

        assert twice["output"] == earlier["output"]
        assert twice["reused"]["steps"] == 2
        assert twice["reused"]["total_tokens"] == 0
