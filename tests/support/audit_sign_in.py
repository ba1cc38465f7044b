"""Calls of the routes of two-factor sign-in and sessions, for `tests.server.test_audit`."""

import httpx2

from tests.support.audit_acts import Acts, World
from tests.support.make_accounts import PASSWORD
from tests.support.make_two_factor import Phone

ACTS = Acts()
_PATH = "/api/user/totp"


@ACTS.records("session.ended")
async def sessions_end_other(world: World) -> httpx2.Response:
    await world.make.session(world.account)
    return await world.client.delete("/api/user/sessions")


async def _begin(world: World) -> tuple[httpx2.Response, Phone]:
    answer = await world.client.post(_PATH, json={"password": PASSWORD})
    phone = Phone(world.account, answer.json()["secret"])
    world.canaries.append(phone.secret)
    return answer, phone


@ACTS.records("two_factor.enabled")
async def two_factor_confirm(world: World) -> httpx2.Response:
    _, phone = await _begin(world)
    world.known["phone"] = phone
    answer = await world.client.post(f"{_PATH}/confirm", json={"code": phone.code()})
    world.canaries += answer.json()["recovery_codes"]
    return answer


@ACTS.records("two_factor.codes_created")
async def two_factor_replace_recovery_codes(world: World) -> httpx2.Response:
    body = {"password": PASSWORD, "code": world.known["phone"].next_code()}
    answer = await world.client.post(f"{_PATH}/recovery-codes", json=body)
    world.canaries += answer.json()["recovery_codes"]
    return answer


@ACTS.records("two_factor.disabled")
async def two_factor_turn_off(world: World) -> httpx2.Response:
    body = {"password": PASSWORD, "code": world.known["phone"].next_code()}
    return await world.client.request("DELETE", _PATH, json=body)


@ACTS.records("two_factor.disabled")
async def users_reset_two_factor(world: World) -> httpx2.Response:
    user = await world.make.user()
    await world.make.two_factor(user)
    return await world.admin.delete(f"/api/admin/users/{user.id}/totp")


@ACTS.records("device_login.approved")
async def device_login_decide(world: World) -> httpx2.Response:
    started = (await world.guest.post("/api/auth/device", json={"host_name": "laptop"})).json()
    world.known["device"] = started
    world.canaries += [started["device_code"], started["user_code"]]
    body = {"user_code": started["user_code"], "approve": True}
    return await world.client.post("/api/user/device-login/decide", json=body)


@ACTS.records("api_key.created")
async def device_login_redeem(world: World) -> httpx2.Response:
    body = {"device_code": world.known["device"]["device_code"]}
    return await world.guest.post("/api/auth/device/token", json=body)


@ACTS.records("api_key.revoked")
async def api_keys_revoke_current(world: World) -> httpx2.Response:
    return await world.known["keyed"].delete("/api/user/api-keys/current")
