"""An `Idempotency-Key` of one member: the answer may contain a key or a link, which the others must not get."""

import pytest

from stepiq.store.states import Role
from tests.support.clients import login, login_key, login_service_key, outcome

__all__ = ["login", "login_key", "login_service_key"]

KEY = {"Idempotency-Key": "b7c1a6e0-order-17"}


pytestmark = pytest.mark.both_stores


@pytest.fixture
async def run_url(account, make):
    return f"/api/pipelines/{await make.pipeline(account)}/run"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/user/api-keys", {"name": "CI"}),
        ("/api/workspace/service-keys", {"name": "CI"}),
    ],
)
async def test_another_member_does_not_get_the_answer(owner, login, make, account, path, body):
    other = await login(await make.member(account, Role.OWNER))
    first = await owner.post(path, json=body, headers=KEY)

    again = await owner.post(path, json=body, headers=KEY)
    stranger = await other.post(path, json=body, headers=KEY)

    assert (first.status_code, again.json()) == (201, first.json())
    assert outcome(stranger) == (422, "idempotency_key_reused")


async def test_a_session_and_a_personal_key_are_one_caller(owner, login_key, account, run_url):
    first = await owner.post(run_url, headers=KEY)

    again = await (await login_key(account)).post(run_url, headers=KEY)

    assert again.json()["id"] == first.json()["id"]


async def test_service_keys_of_a_workspace_are_one_caller(
    login_service_key, make, account, run_url
):
    clients = [await login_service_key(await make.service_key(account)) for _ in range(2)]

    answers = [await each.post(run_url, headers=KEY) for each in clients]

    assert answers[0].json()["id"] == answers[1].json()["id"]
