"""A service key acts as the workspace, and never as the member who created it."""

import pytest

from stepiq.store.states import Role
from tests.support.clients import login, login_service_key, outcome

__all__ = ["login", "login_service_key"]


@pytest.fixture
async def admin(make, account):
    """The member who creates the key."""
    return await make.member(account, Role.ADMIN, email="eve@example.com")


@pytest.fixture
async def client(make, admin, login_service_key):
    return await login_service_key(await make.service_key(admin))


@pytest.fixture
def remove(owner, admin):
    async def remove():
        assert (await owner.delete(f"/api/workspace/members/{admin.id}")).status_code == 200

    return remove


class TestPersonalThings:
    @pytest.mark.parametrize("path", ["/api/user/me", "/api/user/api-keys", "/api/drafts"])
    async def test_it_reads_none(self, client, path):
        assert outcome(await client.get(path)) == (403, "member_required")

    async def test_it_does_not_run_the_draft_of_its_creator(self, client, login, admin):
        person = await login(admin)
        definition = {"name": "P", "steps": [{"id": "a", "type": "transform", "template": "x"}]}
        pipeline = (await person.post("/api/pipelines", json=definition)).json()["id"]
        kept = await person.put(f"/api/pipelines/{pipeline}/draft", json={"text": "name: secret"})
        assert kept.status_code in (200, 201)

        response = await client.post("/api/runs/draft", json={"pipeline_id": pipeline})

        assert outcome(response) == (403, "member_required")


@pytest.mark.both_stores
class TestReviews:
    async def test_it_decides_under_its_own_name_also_without_its_creator(
        self, client, make, account, owner, remove
    ):
        review = await make.review(account, await make.pipeline(account))
        await remove()

        response = await client.post(review.url, json={"decision": "approve"})

        shown = (await owner.get(review.url)).json()
        assert response.status_code == 200
        assert shown["reviewer"] == "service key Service"
