"""The audit log contains what changed, and only that."""

import pytest

from stepiq.store.states import Role
from tests.support.clients import login

__all__ = ["login"]


@pytest.fixture
def actions(owner):
    """The actions in the log of the workspace, oldest first."""

    async def actions():
        rows = (await owner.get("/api/audit")).json()["data"]
        return [row["action"] for row in reversed(rows)]

    return actions


@pytest.fixture
def invite(owner):
    async def invite(email, role="viewer"):
        body = {"email": email, "role": role}
        made = (await owner.post("/api/workspace/invitations", json=body)).json()
        return made["url"].partition("#invitation=")[2]

    return invite


async def test_a_role_that_stays_the_same_is_not_recorded(owner, make, account, actions):
    member = await make.member(account, Role.VIEWER)
    path = f"/api/workspace/members/{member.id}"
    await owner.patch(path, json={"role": "viewer"})
    before = await actions()

    await owner.patch(path, json={"role": "editor"})

    assert "member.role_changed" not in before
    assert (await actions())[-1] == "member.role_changed"


async def test_a_member_who_uses_an_invitation_is_not_added(
    login, make, account, stranger, invite, actions
):
    token = await invite(stranger.email)
    await make.join(stranger, account)

    joined = await (await login(stranger)).post("/api/workspaces/join", json={"invitation": token})

    assert joined.status_code == 200
    assert "member.added" not in await actions()


async def test_a_registration_is_also_a_sign_in(client, invite, actions):
    token = await invite("eve@example.com")
    before = len(await actions())

    body = {"email": "eve@example.com", "password": "a long password", "invitation": token}
    await client.post("/api/auth/register", json=body)

    assert (await actions())[before:] == ["user.registered", "member.added", "session.opened"]
