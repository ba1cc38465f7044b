"""What deliveries that cannot be sent record and log: no secret, and no part of one."""

import json
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_network
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from stepiq.core.http import GuardedClient
from stepiq.language.definitions.targets import ChatService
from stepiq.store.database import Database
from stepiq.store.tables import deliveries, delivery_attempts
from tests.notify.conftest import PIPELINE, Sender, Vault
from tests.support.listeners import answer, answering, serving
from tests.support.receiver import Receiver

pytestmark = pytest.mark.one_store

TOKEN = "AbCdEf-0123456789"
HOSTS = {
    "a label": (TOKEN, "https://{{env.TOKEN}}.x.example/hook"),
    "a part of a label": (TOKEN, "https://x-{{env.TOKEN}}/hook"),
    "a label that is not ASCII": ("geheimnis-größe-01", "https://{{env.TOKEN}}.x.example/"),
    "a host and a path": ("abcd1234/rest-of-it", "https://{{env.TOKEN}}"),
    "a whole URL": ("https://abcd1234.example/rest-of-it", "{{env.TOKEN}}"),
    "a whole address": ("8.8.100.100", "https://{{env.TOKEN}}/"),
    "a part of an address": ("100.100/rest-of-it", "https://8.8.{{env.TOKEN}}"),
    "an address in another form": ("2606:4700:0:0:0:0:0:1111", "https://[{{env.TOKEN}}]/"),
}
BLOCKED = {
    "a whole address": ("10.11.12.13", "https://{{env.TOKEN}}/"),
    "a part of an address": ("12.13/rest-of-it", "https://10.11.{{env.TOKEN}}"),
    "an address in another form": ("FD00:0:0:0:0:0:0:1234", "https://[{{env.TOKEN}}]/"),
}


class Names:
    """A resolver that finds names with the label `private` only, at a private address."""

    async def resolve(self, host: str) -> Sequence[str]:
        if "private" not in host:
            raise OSError("no such name")
        return ["10.0.0.1"]


@pytest.fixture
async def http() -> AsyncIterator[GuardedClient]:
    async with GuardedClient(allowed=[ip_network("127.0.0.0/8")], resolver=Names()) as client:
        yield client


def pipeline(url: str, headers: str = "{}") -> str:
    return f"{PIPELINE.format(url=json.dumps(url))}      headers: {headers}\n"


def parts(value: str, url: str) -> list[str]:
    """The texts that must not be shown: the value, and the host that it gives to a URL."""
    host = httpx2.URL(url.replace("{{env.TOKEN}}", value)).raw_host.decode()
    return [value, value.lower(), host]


async def everything(database: Database, *shown: Any) -> str:
    """All that is stored of deliveries and shown of them, as one text."""
    async with database.reading() as session:
        rows = [
            (await session.execute(sa.select(table))).all()
            for table in (deliveries, delivery_attempts)
        ]
    return str([rows, shown])


def assert_hidden(text: str, hidden: Sequence[str]) -> None:
    assert [part for part in hidden if part in text] == []


class TestRefused:
    @pytest.mark.parametrize(("value", "url"), HOSTS.values(), ids=HOSTS)
    async def test_a_host_from_a_secret_is_not_shown(
        self, value: str, url: str, sender: Sender, database: Database, vault: Vault
    ):
        vault.values["TOKEN"], vault.hosts["TOKEN"] = value, ("api.example.com",)

        with capture_logs() as logs:
            delivery = await sender.sent(pipeline(url))

        assert delivery["error"].startswith("The secret `TOKEN` cannot be sent to `")
        assert "[secret:TOKEN]" in delivery["error"]
        assert_hidden(await everything(database, delivery, logs), parts(value, url))

    @pytest.mark.parametrize(("value", "url"), BLOCKED.values(), ids=BLOCKED)
    async def test_a_blocked_address_from_a_secret_is_not_shown(
        self, value: str, url: str, sender: Sender, database: Database, vault: Vault
    ):
        vault.values["TOKEN"] = value

        with capture_logs() as logs:
            delivery = await sender.sent(pipeline(url))

        assert "it is a private address" in delivery["error"]
        assert "[secret:TOKEN]" in delivery["error"]
        assert_hidden(await everything(database, delivery, logs), parts(value, url))

    async def test_a_host_of_the_pipeline_is_shown(self, sender: Sender, vault: Vault):
        vault.values["TOKEN"], vault.hosts["TOKEN"] = TOKEN, ("api.example.com",)

        delivery = await sender.sent(pipeline("https://x.example/{{env.TOKEN}}"))

        assert "`TOKEN` cannot be sent to `x.example`" in delivery["error"]

    async def test_a_secret_is_not_shown_where_the_url_has_it_in_upper_case(
        self, sender: Sender, vault: Vault
    ):
        vault.values["TOKEN"] = "abcdefgh.example"
        vault.hosts["TOKEN"] = ("api.example.com",)

        delivery = await sender.sent(
            pipeline("https://ABCDEFGH.example/", "{X-Key: '{{env.TOKEN}}'}")
        )

        assert "`TOKEN` cannot be sent to `[secret:TOKEN]`" in delivery["error"]

    async def test_a_header_from_a_secret_is_not_shown(
        self, sender: Sender, receiver: Receiver, database: Database, vault: Vault
    ):
        vault.values["TOKEN"] = f"{TOKEN}\nmore"

        with capture_logs() as logs:
            delivery = await sender.sent(pipeline(receiver.url, "{X-Key: '{{env.TOKEN}}'}"))

        assert "Invalid header `X-Key`" in delivery["error"]
        assert_hidden(await everything(database, delivery, logs), [TOKEN])

    async def test_a_redelivery_hides_the_host_as_well(
        self, sender: Sender, database: Database, vault: Vault
    ):
        value, url = HOSTS["a label"]
        first = await sender.sent(pipeline(url.replace("TOKEN", "LATER")))
        vault.values["LATER"], vault.hosts["LATER"] = value, ("api.example.com",)

        await sender.client.post(f"/api/deliveries/{first['id']}/redeliver")
        delivery = await sender.finished(first["id"])

        assert "`LATER` is not" not in delivery["error"]
        assert "`[secret:LATER].x.example`" in delivery["error"]
        assert_hidden(await everything(database, delivery), [value, value.lower()])

    async def test_a_test_delivery_hides_the_host_as_well(
        self, sender: Sender, database: Database, vault: Vault
    ):
        value, url = HOSTS["a label"]
        vault.values["TOKEN"], vault.hosts["TOKEN"] = value, ("api.example.com",)
        pipeline_id = await sender.pipeline(pipeline(url))

        sent = await sender.client.post(f"/api/pipelines/{pipeline_id}/deliveries/test")
        delivery = await sender.finished(sent.json()["data"][0]["id"])

        assert "`[secret:TOKEN].x.example`" in delivery["error"]
        assert_hidden(await everything(database, delivery), parts(value, url))

    @pytest.mark.parametrize("service", ChatService)
    async def test_the_address_of_a_chat_service_is_not_shown(
        self, service: ChatService, sender: Sender, database: Database, vault: Vault
    ):
        value = "https://hooks.chat.example/services/T0/B0/abcdef0123456789"
        vault.values["TOKEN"], vault.hosts["TOKEN"] = value, ("api.example.com",)
        source = pipeline("{{env.TOKEN}}").replace("type: webhook", f"type: {service}")
        source = source.replace("      signing_secret_name: SIGNING\n      headers: {}\n", "")

        delivery = await sender.sent(source)

        assert "cannot be sent to `[secret:TOKEN]`" in delivery["error"]
        assert_hidden(await everything(database, delivery), parts(value, "{{env.TOKEN}}"))


class TestAttempts:
    @pytest.mark.parametrize(
        "name", ["a label", "a part of a label", "a label that is not ASCII", "a host and a path"]
    )
    async def test_a_host_that_is_not_found_is_not_shown(
        self, name: str, sender: Sender, database: Database, vault: Vault
    ):
        value, url = HOSTS[name]
        vault.values["TOKEN"] = value

        with capture_logs() as logs:
            run_id = await sender.run(await sender.pipeline(pipeline(url)))
            delivery = await sender.answered(run_id, 1)

        error = delivery["attempts"][0]["error"]
        assert error.endswith("` could not be found in DNS.")
        assert "[secret:TOKEN]" in error
        assert_hidden(await everything(database, delivery, logs), parts(value, url))

    async def test_a_name_of_a_private_address_is_not_shown(
        self, sender: Sender, database: Database, vault: Vault
    ):
        vault.values["TOKEN"] = TOKEN

        with capture_logs() as logs:
            delivery = await sender.sent(pipeline("https://{{env.TOKEN}}.private.example/"))

        assert "`[secret:TOKEN].private.example` cannot be called" in delivery["error"]
        assert "egress_blocked" in {each["event"] for each in logs}
        assert_hidden(await everything(database, delivery, logs), [TOKEN, TOKEN.lower()])

    async def test_a_port_from_a_secret_is_not_shown(
        self, sender: Sender, database: Database, vault: Vault
    ):
        async with serving(answering(answer(400))) as server:
            authority = server.removeprefix("http://")
            vault.values["TOKEN"] = f"{authority}/rest-of-it"

            run_id = await sender.run(await sender.pipeline(pipeline("https://{{env.TOKEN}}")))
            delivery = await sender.answered(run_id, 1)

        assert delivery["attempts"][0]["error"] == "`[secret:TOKEN]` does not use TLS."
        assert_hidden(await everything(database, delivery), [authority])
