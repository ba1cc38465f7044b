"""A webhook with an `Idempotency-Key` that is sent again gets its first answer, whatever has changed since."""

import json
from datetime import datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from stepiq.core import clock as core_clock
from tests.support.clients import outcome

pytestmark = pytest.mark.both_stores

KEY = {"Idempotency-Key": "order-1"}
BODY = b'{"topic": "a"}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPEN = """\
name: Open
steps: [{id: a, type: transform, template: "{{input.topic}}"}]
"""
STRICT = f"{OPEN}input: {{schema: {{topic: {{type: number}}}}}}\n"
SIGNED = f"{OPEN}webhook: {{verify: {{scheme: standard, secret_name: SENDER}}}}\n"
YAML = {"Content-Type": "application/yaml"}


def signed(at: datetime | None = None, body: bytes = BODY) -> dict[str, str]:
    at = at or core_clock.now()
    return {
        **KEY,
        "Content-Type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", at, body.decode()),
    }


@pytest.fixture
async def sender(login_key, account):
    return await login_key(account, ["webhooks:trigger"])


@pytest.fixture
async def manager(login_key, account):
    """A credential that outlives a day."""
    return await login_key(account)


@pytest.fixture
async def url(manager, account, make):
    """A webhook whose sender must sign."""
    secret = {"name": "SENDER", "value": SECRET}
    assert (await manager.post("/api/user/secrets", json=secret)).status_code == 201
    return f"/api/webhooks/{await make.pipeline(account, source=SIGNED)}"


async def pause(manager, pipeline):
    return await manager.post(f"{pipeline}/pause")


async def archive(manager, pipeline):
    return await manager.delete(pipeline)


async def save(manager, pipeline):
    return await manager.put(pipeline, content=STRICT, headers=YAML)


@pytest.mark.parametrize("change", [pause, archive, save])
async def test_after_a_change_of_the_pipeline(sender, manager, account, make, change):
    url = f"/api/webhooks/{await make.pipeline(account, source=OPEN)}"
    first = await sender.post(url, json=json.loads(BODY), headers=KEY)
    assert (await change(manager, url.replace("webhooks", "pipelines"))).is_success

    again = await sender.post(url, json=json.loads(BODY), headers=KEY)
    new = await sender.post(url, json=json.loads(BODY))

    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert new.is_client_error


async def test_when_its_signed_time_is_old(sender, url, clock):
    headers = signed()
    first = await sender.post(url, content=BODY, headers=headers)
    clock.advance(timedelta(minutes=6))

    again = await sender.post(url, content=BODY, headers=headers)
    new = await sender.post(url, content=BODY, headers={**headers, "Idempotency-Key": "order-2"})

    assert (again.status_code, again.json()) == (202, first.json())
    assert outcome(new) == (401, "signature_invalid")


@pytest.mark.parametrize("change", [None, archive])
async def test_but_not_without_a_valid_signature(sender, manager, url, change):
    assert (await sender.post(url, content=BODY, headers=signed())).status_code == 202
    if change is not None:
        assert (await change(manager, url.replace("webhooks", "pipelines"))).is_success

    again = await sender.post(url, content=BODY, headers=signed(body=b"{}"))

    assert again.is_client_error
    assert "Idempotent-Replayed" not in again.headers


async def test_nor_if_the_secret_of_the_signature_is_deleted(sender, manager, url, clock):
    assert (await sender.post(url, content=BODY, headers=signed())).status_code == 202
    [secret] = (await manager.get("/api/user/secrets")).json()["data"]
    assert (await manager.delete(f"/api/user/secrets/{secret['id']}")).status_code == 200
    clock.advance(timedelta(seconds=5))

    again = await sender.post(url, content=BODY, headers=signed())

    assert outcome(again) == (401, "signature_secret_missing")
