import io
import json
import re

import pytest

from stepiq.accounts.audit import recording
from stepiq.accounts.audit.actions import Action, ActorKind, AuditTargetType
from stepiq.accounts.audit.recording import EntryBatcher
from stepiq.accounts.audit.records import AuditTarget, By
from stepiq.accounts.audit.sealing import seal
from stepiq.core import ids
from tests.docs.pages import read
from tests.support.clients import login, login_key, outcome

__all__ = ["login", "login_key"]


async def seal_all(database):
    async with database.transaction() as session:
        await seal(session)


@pytest.fixture
async def key(owner):
    return (await owner.post("/api/user/api-keys", json={"name": "CI"})).json()


class TestList:
    async def test_an_entry_says_who_did_what_from_where(self, owner, account, key):
        (entry,) = (await owner.get("/api/audit")).json()["data"]

        assert entry["actor"] == {
            "kind": "person", "id": str(account.id), "name": account.email, "key": None,
        }  # fmt: skip
        assert entry["client"] == "127.0.0.1"
        assert entry["action"] == "api_key.created"
        assert entry["target"] == {"type": "api_key", "id": key["id"], "name": "CI"}
        assert entry["before"] is None
        assert entry["after"]["prefix"] == key["prefix"]
        assert (entry["sequence"], entry["hash"]) == (None, None)

    async def test_other_workspaces_do_not_see_it(self, login, stranger, key):
        client = await login(stranger)

        assert (await client.get("/api/audit")).json()["data"] == []

    @pytest.mark.both_stores
    async def test_filters_and_pages(self, owner, account, key):
        for name in "abc":
            await owner.post("/api/user/api-keys", json={"name": name})

        async def names(query):
            found = (await owner.get(f"/api/audit?{query}")).json()
            return [entry["target"]["name"] for entry in found["data"]], found["next_cursor"]

        assert (await names(f"actor={account.id}"))[0] == ["c", "b", "a", "CI"]
        assert (await names(f"actor={key['id']}"))[0] == []
        assert (await names(f"target={key['id']}"))[0] == ["CI"]
        assert (await names("action=api_key.revoked"))[0] == []
        assert len((await names("action=api_key.revoked&action=api_key.created"))[0]) == 4
        assert (await names("to=2020-01-01T00:00:00Z"))[0] == []
        assert len((await names("from=2020-01-01T00:00:00Z"))[0]) == 4
        page, cursor = await names("action=api_key.created&limit=3")
        assert page == ["c", "b", "a"]
        assert await names(f"action=api_key.created&limit=3&cursor={cursor}") == (["CI"], None)

    @pytest.mark.both_stores
    async def test_the_target_can_be_the_slug_of_a_pipeline(self, owner, account, database, make):
        pipeline_id = await make.pipeline(account, slug="brief")
        target = AuditTarget(AuditTargetType.PIPELINE, pipeline_id, "Brief")
        by = By(ActorKind.OPERATOR, account.workspace_id)
        async with database.transaction() as session:
            await recording.record(session, by, Action.PIPELINE_PAUSED, target)

        listed = (await owner.get("/api/audit?target=brief")).json()["data"]
        other = (await owner.get("/api/audit?target=other")).json()["data"]

        assert [entry["target"]["name"] for entry in listed] == ["Brief"]
        assert other == []

    async def test_reads_of_a_secret_by_runs_of_a_pipeline_are_one_line(
        self, owner, account, database, make
    ):
        secret = AuditTarget(AuditTargetType.SECRET, ids.uuid7(), "TOKEN")
        pipeline_id = await make.pipeline(account)
        batcher = EntryBatcher(database)
        for _ in range(3):
            by = By(ActorKind.RUN, account.workspace_id, await make.run(account, pipeline_id))
            entry = recording.new_entry(by, Action.SECRET_READ, secret)
            await batcher.record([entry], account.workspace_id)
            await owner.post("/api/user/api-keys", json={"name": "between"})

        (line,) = (await owner.get("/api/audit?action=secret.read")).json()["data"]
        everything = (await owner.get("/api/audit")).json()["data"]

        assert line["count"] == 3
        assert line["first_at"] <= line["at"]
        assert [each["count"] for each in everything] == [1, 3, 1, 1]

    @pytest.mark.parametrize("moment", ["0", "-1", "0.5", "2030-01-01"])
    async def test_times_are_iso_8601_texts(self, owner, moment):
        for name in ("from", "to"):
            response = await owner.get("/api/audit", params={name: moment})

            assert (response.status_code, response.json()["code"]) == (422, "invalid_query")


class TestExport:
    async def test_anyone_can_compute_the_hashes_of_a_file(self, owner, key, database):
        await owner.post("/api/user/api-keys", json={"name": "é ☃"})
        await seal_all(database)

        file = await owner.get("/api/audit/export")

        assert file.headers["content-type"] == "application/x-ndjson"
        head = (await owner.get("/api/audit/verify")).json()["head"]
        assert head == f"2:{_checked(file.text)}"
        with pytest.raises(AssertionError, match="Entry 2 was changed"):
            _checked(file.text.replace("☃", "*"))

    async def test_csv(self, owner, database):
        await owner.post("/api/user/api-keys", json={"name": "=1+1"})
        await seal_all(database)

        file = await owner.get("/api/audit/export?format=csv")

        header, row = file.text.splitlines()
        assert header.startswith("workspace_id,sequence,at,actor_kind")
        assert ",api_key.created,api_key," in row
        assert ",'=1+1," in row


def _checked(text: str) -> str:
    """Run the program of the guide on an exported file. Returns the last hash."""
    (program,) = re.findall(r"```python\n(.*?)```", read("docs/audit.md"), re.DOTALL)
    variables: dict[str, str] = {}
    exec(program.replace("sys.stdin", "io.StringIO(text)"), {"text": text, "io": io}, variables)  # noqa: S102
    return variables["last"]


class TestVerify:
    async def test_an_intact_log(self, owner, key, database):
        before = (await owner.get("/api/audit/verify")).json()
        await seal_all(database)

        found = (await owner.get("/api/audit/verify")).json()

        assert (before["ok"], before["entries"], before["unsealed"]) == (True, 0, 1)
        assert (found["ok"], found["entries"], found["unsealed"]) == (True, 1, 0)
        assert (found["fault"], found["complete"], found["deleted"]) == (None, True, 0)
        query = f"expect_head={found['head']}"
        assert (await owner.get(f"/api/audit/verify?{query}")).json()["ok"]

    async def test_a_head_that_is_none(self, owner):
        answer = await owner.get("/api/audit/verify?expect_head=x")

        assert outcome(answer) == (422, "audit_head_invalid")


class TestListServer:
    @pytest.mark.both_stores
    async def test_an_administrator_sees_all_workspaces(self, login, make, account, key):
        admin = await login(await make.user(is_admin=True))

        (entry,) = (await admin.get("/api/admin/audit")).json()["data"]

        assert entry["workspace_id"] == str(account.workspace_id)
        other = f"/api/admin/audit?workspace_id={entry['id']}"
        assert (await admin.get(other)).json()["data"] == []

    async def test_others_do_not(self, owner):
        for path in ("", "/export", "/verify"):
            answer = await owner.get(f"/api/admin/audit{path}")
            assert answer.json()["code"] == "admin_required"

    async def test_they_export_and_check_the_logs_of_the_server(
        self, login, make, key, database, account
    ):
        admin = await login(await make.user(is_admin=True))
        user = await make.user()
        await admin.patch(f"/api/admin/users/{user.id}", json={"disabled": True})
        await seal_all(database)

        lines = (await admin.get("/api/admin/audit/export")).text.splitlines()
        found = (await admin.get("/api/admin/audit/verify")).json()

        assert [json.loads(line)["workspace_id"] for line in lines] == [
            None, str(account.workspace_id),
        ]  # fmt: skip
        assert (found["ok"], found["entries"]) == (True, 1)
