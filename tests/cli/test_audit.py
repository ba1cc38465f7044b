import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from stepiq.accounts.audit import recording
from stepiq.accounts.audit.actions import Action, AuditTargetType
from stepiq.accounts.audit.records import OPERATOR, AuditTarget, operator_of
from stepiq.accounts.audit.sealing import seal
from stepiq.store.tables import audit_entries
from tests.cli.conftest import within
from tests.support.hostile import controls_in
from tests.support.make import Make


@pytest.fixture
def workspace_id(folder, database_url, monkeypatch):
    """A server with three entries in the log of a workspace, and one in its own."""
    monkeypatch.setenv("STEPIQ_DATABASE_URL", database_url)
    monkeypatch.setenv("STEPIQ_ALLOW_UNSAFE_STORE", "true")

    async def fill(database, _):
        account = await Make(database).user()
        async with database.transaction() as session:
            for name in ("first", "second", "third"):
                await recording.record(
                    session,
                    operator_of(account.workspace_id),
                    Action.WORKSPACE_UPDATED,
                    AuditTarget(AuditTargetType.WORKSPACE, account.workspace_id, name),
                    after={"plan": name},
                )
            target = AuditTarget(AuditTargetType.USER, account.id, "ada@example.com")
            await recording.record(session, OPERATOR, Action.USER_ENABLED, target)
        async with database.transaction() as session:
            assert await seal(session) == 4
        return account.workspace_id

    return within(fill)


def execute(*statements):
    async def work(database, _):
        async with database.transaction() as session:
            for statement in statements:
                await session.execute(statement)

    within(work)


def move(sequence, to):
    return sa.update(audit_entries).where(at(sequence)).values(sequence=to)


def at(sequence):
    return sa.and_(audit_entries.c.sequence == sequence, audit_entries.c.workspace_id.is_not(None))


class TestVerify:
    def test_intact_logs_have_heads(self, cli, workspace_id):
        found = cli("audit", "verify")

        assert found.code == 0
        assert f"workspace {workspace_id}: 3 entries, no errors. Head: 3:" in found.out
        assert "server: 1 entry, no errors. Head: 1:" in found.out

    def test_an_earlier_head_must_be_part_of_the_log(self, cli, workspace_id):
        chosen = ("audit", "verify", "--workspace", str(workspace_id))
        head = cli(*chosen).out.rpartition(" ")[2].strip()

        assert cli(*chosen, "--expect-head", head).code == 0
        found = cli(*chosen, "--expect-head", f"3:{'0' * 64}")
        assert (found.code, "is not the expected one" in found.out) == (1, True)
        assert cli(*chosen, "--expect-head", "3").code == 1
        assert cli("audit", "verify", "--expect-head", head).code == 2
        assert cli(*chosen, "--server").code == 2

    @pytest.mark.both_stores
    def test_a_changed_entry(self, cli, workspace_id):
        execute(sa.update(audit_entries).where(at(2)).values(target_name="innocent"))

        found = cli("audit", "verify")

        assert found.code == 1
        assert f"workspace {workspace_id}: entry 2 was changed, replaced or moved." in found.out
        assert "server: 1 entry, no errors." in found.out

    @pytest.mark.both_stores
    def test_a_removed_entry(self, cli, workspace_id):
        execute(sa.delete(audit_entries).where(at(2)))

        found = cli("audit", "verify", "--workspace", str(workspace_id))

        assert (found.code, "entry 2 is missing." in found.out) == (1, True)

    @pytest.mark.both_stores
    def test_moved_entries(self, cli, workspace_id):
        execute(move(2, to=99), move(3, to=2), move(99, to=3))

        found = cli("audit", "verify", "--workspace", str(workspace_id))

        assert (found.code, "entry 2 was changed" in found.out) == (1, True)


class TestExport:
    @pytest.mark.both_stores
    def test_each_log_in_its_order(self, cli, workspace_id):
        lines = [json.loads(line) for line in cli("audit", "export").out.splitlines()]

        assert [(line["workspace_id"], line["sequence"]) for line in lines] == [
            (None, 1),
            *((str(workspace_id), sequence) for sequence in (1, 2, 3)),
        ]

    def test_csv_of_one_log(self, cli, workspace_id):
        text = cli("audit", "export", "--csv", "--workspace", str(workspace_id)).out

        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["target_name"] for row in rows] == ["first", "second", "third"]
        assert rows[0]["after"] == '{"plan":"first"}'

    @pytest.mark.parametrize("is_terminal", [False, True])
    def test_names_are_unchanged_without_a_terminal(
        self, cli, workspace_id, monkeypatch, is_terminal
    ):
        name = "a\x85b\u200fc"
        execute(sa.update(audit_entries).values(target_name=name))
        monkeypatch.setattr("stepiq.cli.output.console.stdout_is_terminal", lambda: is_terminal)
        monkeypatch.setattr(
            "stepiq.cli.administration.audit_actions.stdout_is_terminal", lambda: is_terminal
        )

        text = cli("audit", "export").out
        table = cli("audit", "export", "--csv").out

        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        assert {line["target"]["name"] for line in lines} == {name}
        assert (name in text, name in table) == (not is_terminal, not is_terminal)
        assert bool(controls_in(text + table)) is not is_terminal
        if not is_terminal:
            assert table.count("\r\n") == table.count("\n") > 0

    @pytest.mark.both_stores
    def test_a_filter(self, cli, workspace_id):
        lines = cli("audit", "export", "--action", "user.enabled").out.splitlines()

        assert [json.loads(line)["target"]["name"] for line in lines] == ["ada@example.com"]
        assert cli("audit", "export", "--to", "2020-01-01").out == ""


class TestList:
    def test_the_newest_are_first(self, cli, workspace_id):
        lines = cli("audit", "list", "--limit", "2").out.splitlines()

        assert lines[0].endswith("user.enabled  user ada@example.com  by operator")
        assert lines[1].endswith("workspace.updated  workspace third  by operator")

    @pytest.mark.parametrize("shown", ["{}", "{:%Y-%m-%dT%H:%M:%S}", "{:%Y-%m-%dT%H:%M:%S+02:00}"])
    def test_a_time_can_be_written_in_several_ways(self, cli, workspace_id, shown):
        yesterday, later = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))

        assert cli("audit", "list", "--from", shown.format(yesterday)).out
        assert cli("audit", "list", "--from", shown.format(later)).out == ""

    def test_another_text_than_a_time_is_explained(self, cli):
        said = cli("audit", "list", "--from", "yesterday")

        assert said.code == 2
        assert "'--from': `yesterday`. Write a time as 2026-01-31 or" in said.err


class TestUsers:
    def test_commands_are_recorded(self, cli, workspace_id, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("a long password\n"))
        cli("users", "create", "bob@example.com", "--password-stdin")
        cli("users", "set-plan", "bob@example.com", "free")
        cli("users", "disable", "bob@example.com")
        cli("users", "invite", "eve@example.com")

        lines = cli("audit", "list", "--limit", "4").out.splitlines()

        assert [line.split("  ")[1] for line in lines] == [
            "user.invited",
            "user.disabled",
            "workspace.updated",
            "user.registered",
        ]
        assert all(line.endswith("by operator") for line in lines)
