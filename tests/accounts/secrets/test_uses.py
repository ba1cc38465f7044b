"""Which pipelines use which secrets, and when each was last used."""

from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.accounts.secrets.reader import StoredSecrets
from stepiq.core import clock
from stepiq.store.tables import secrets
from tests.support.make_secrets import keyring

CALL = """
name: {name}
steps:
  - id: call
    type: webhook
    url: https://api.example.com/
    headers: {{Authorization: "Bearer {{{{env.{secret}}}}}"}}
"""


def calling(name, secret):
    return CALL.format(name=name, secret=secret)


async def save(owner, name, secret):
    answer = await owner.post(
        "/api/pipelines",
        content=calling(name, secret),
        headers={"Content-Type": "application/yaml"},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


class TestUses:
    async def test_lists_show_who_uses_a_secret_and_what_is_missing(
        self, owner, make, account, stranger
    ):
        await make.secret(account, "TOKEN")
        await make.secret(account, "IDLE")
        first = await save(owner, "First", "TOKEN")
        second = await save(owner, "Second", "TOKEN")
        absent = await save(owner, "Third", "ABSENT")
        own = await save(owner, "Fourth", "OWN")
        await make.secret(account, "OWN", pipeline_id=UUID(own))
        archived = await save(owner, "Fifth", "GONE")
        await owner.delete(f"/api/pipelines/{archived}")
        await make.pipeline(stranger, source=calling("Theirs", "TOKEN"))

        listed = (await owner.get("/api/user/secrets")).json()["data"]
        missing = (await owner.get("/api/user/missing-secrets")).json()["data"]

        found = {each["name"]: each for each in listed}
        assert {each["id"] for each in found["TOKEN"]["used_by"]} == {first, second}
        assert found["TOKEN"]["used_by_count"] == 2
        assert (found["IDLE"]["used_by"], found["IDLE"]["used_by_count"]) == ([], 0)
        assert missing == [
            {"name": "ABSENT", "used_by": [{"id": absent, "name": "Third"}], "used_by_count": 1}
        ]

    async def test_what_is_missing_is_listed_for_one_pipeline(self, owner, make, account):
        await make.secret(account, "TOKEN")
        first = await save(owner, "First", "ABSENT")
        await save(owner, "Second", "OTHER")
        stored = await save(owner, "Third", "TOKEN")

        path = "/api/user/missing-secrets?pipeline_id="
        (missing,) = (await owner.get(path + first)).json()["data"]
        none = (await owner.get(path + stored)).json()["data"]

        assert missing["name"] == "ABSENT"
        assert none == []
        slug = (await owner.get(f"/api/pipelines/{first}")).json()["slug"]
        assert (await owner.get(path + slug)).json()["data"] == [missing]
        assert (await owner.get(path + "unknown")).json()["code"] == "invalid_query"

    async def test_a_new_version_changes_the_use(self, owner, make, account):
        await make.secret(account, "TOKEN")
        pipeline_id = await save(owner, "First", "TOKEN")

        await owner.put(
            f"/api/pipelines/{pipeline_id}",
            content=calling("First", "OTHER"),
            headers={"Content-Type": "application/yaml"},
        )

        (listed,) = (await owner.get("/api/user/secrets")).json()["data"]
        (missing,) = (await owner.get("/api/user/missing-secrets")).json()["data"]
        assert (listed["used_by_count"], missing["name"]) == (0, "OTHER")

    async def test_a_pipelines_own_secret_hides_the_accounts(self, owner, make, account):
        await make.secret(account, "TOKEN")
        pipeline_id = await save(owner, "First", "TOKEN")
        await make.secret(account, "TOKEN", pipeline_id=UUID(pipeline_id))

        (listed,) = (await owner.get("/api/user/secrets")).json()["data"]

        assert listed["used_by_count"] == 0


@pytest.mark.both_stores
class TestLastUse:
    async def test_reading_is_recorded_once_a_minute(self, database, make, account):
        secret_id = await make.secret(account, "TOKEN")
        other = await make.secret(account, "OTHER")
        pipeline_id = await make.pipeline(account)
        reader = StoredSecrets(keyring(), database)

        async def use():
            async with database.reading() as session:
                await reader.read(
                    session,
                    workspace_id=account.workspace_id,
                    pipeline_id=pipeline_id,
                    names={"TOKEN"},
                )
            await reader.settle()
            async with database.reading() as session:
                rows = await session.execute(sa.select(secrets.c.id, secrets.c.last_used_at))
                return {row.id: row.last_used_at for row in rows}

        first = await use()
        clock.advance(timedelta(seconds=30))
        second = await use()
        clock.advance(timedelta(seconds=31))
        third = await use()

        assert first[other] is third[other] is None
        assert first[secret_id] == second[secret_id]
        assert third[secret_id] - first[secret_id] >= timedelta(seconds=60)
