"""Operations of runs that an engine has executed."""

import pytest

from tests.support.fake_provider import running_fake_provider

PIPELINE = """
name: Counting
steps:
  - id: count
    model: openai/gpt-4o-mini
    system_prompt: "Count."
    prompt: "How many?"
    output_schema: {type: object, properties: {n: {type: integer}}}
  - {id: last, type: transform, template: "{{steps.count.output.n}}"}
"""


@pytest.fixture
async def fake_provider():
    async with running_fake_provider(replies=["Three.", '{"n": 3}']) as provider:
        yield provider


async def read(browser, path):
    answer = await browser.get(f"/api/runs/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_correction_shows_as_a_second_call(browser, account, make):
    pipeline_id = await make.pipeline(account, source=PIPELINE)
    run = (await browser.post(f"/api/pipelines/{pipeline_id}/run?wait=60", json={})).json()
    assert run["status"] == "completed", run

    step = await read(browser, f"{run['id']}/steps/count")

    first, second = [
        await read(browser, f"{run['id']}/operations/{each['id']}") for each in step["operations"]
    ]
    for name in ("input_tokens", "output_tokens", "cost_usd_micros"):
        assert first[name] + second[name] == step[name] > 0
    assert [(each["number"], each["status"]) for each in (first, second)] == [
        (1, "completed"),
        (2, "completed"),
    ]
    assert second["idempotency_key"] == f"{run['id']}:count:1:2"
    prompts = [{"role": "system", "text": "Count."}, {"role": "user", "text": "How many?"}]
    assert first["request"]["messages"] == prompts
    assert second["request"]["messages"][:3] == [*prompts, {"role": "assistant", "text": "Three."}]
    assert first["response"]["text"] == "Three."
    assert second["response"] == step["output"] == {"n": 3}


async def test_a_retry_shows_the_calls_of_the_original_run(browser, account, make):
    pipeline_id = await make.pipeline(account, source=PIPELINE)
    run = (await browser.post(f"/api/pipelines/{pipeline_id}/run?wait=60", json={})).json()
    retry = (await browser.post(f"/api/runs/{run['id']}/retry", json={"from": "last"})).json()
    await browser.get(f"/api/runs/{retry['id']}/stream")

    step = await read(browser, f"{retry['id']}/steps/count")

    assert (step["is_reused"], step["executed_in"]) == (True, run["id"])
    original = await read(browser, f"{run['id']}/steps/count")
    assert step["operations"] == original["operations"] != []
