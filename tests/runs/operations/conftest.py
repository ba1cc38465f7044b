"""A run, and requests for its steps and operations."""

import pytest

from stepiq.store.states import RunStatus


@pytest.fixture
async def pipeline_id(make, account):
    return await make.pipeline(account)


@pytest.fixture
async def run_id(make, account, pipeline_id):
    return await make.run(account, pipeline_id, status=RunStatus.COMPLETED)


@pytest.fixture
def shown(owner):
    async def shown(run_id, step_id="greet", **query):
        answer = await owner.get(f"/api/runs/{run_id}/steps/{step_id}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return shown


@pytest.fixture
def operation(owner):
    """The only operation of a step, with its payloads."""

    async def operation(step):
        (listed,) = step["operations"]
        answer = await owner.get(f"/api/runs/{listed['run_id']}/operations/{listed['id']}")
        assert answer.status_code == 200, answer.text
        detail = answer.json()
        assert {name: detail[name] for name in listed} == listed
        return detail

    return operation


@pytest.fixture
def retry_of(make, account, pipeline_id):
    """Makes a run that retries another one."""

    async def retry_of(earlier):
        completed = RunStatus.COMPLETED
        return await make.run(account, pipeline_id, status=completed, retry_of=earlier)

    return retry_of
