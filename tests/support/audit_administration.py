"""Acts of administrators of the server on accounts and workspaces, for `tests.server.test_audit`."""

import httpx2

from tests.support.audit_acts import Acts, World

ACTS = Acts()


async def _user(world: World) -> str:
    user = await world.make.user()
    return f"/api/admin/users/{user.id}"


@ACTS.records("user.reset_requested")
async def users_create_reset_link(world: World) -> httpx2.Response:
    answer = await world.admin.post(f"{await _user(world)}/reset")
    world.canaries.append(answer.json()["link"].partition("#token=")[2])
    return answer


@ACTS.records("user.deleted")
async def users_delete(world: World) -> httpx2.Response:
    return await world.admin.request("DELETE", await _user(world), json={"data": "erase"})


@ACTS.records("workspace.updated")
async def administration_update_workspace(world: World) -> httpx2.Response:
    path = f"/api/admin/workspaces/{world.account.workspace_id}"
    return await world.admin.patch(path, json={"limits": {"drafts": 1_000}})


@ACTS.records("workspace.deleted")
async def administration_erase_workspace(world: World) -> httpx2.Response:
    return await world.admin.delete(f"/api/admin/workspaces/{await world.make.workspace()}")
