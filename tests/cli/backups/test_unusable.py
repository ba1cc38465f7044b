"""Backups whose members match the manifest, and are not usable."""

import io
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis.strategies import DataObject, data, dictionaries, integers

from stepiq.cli.backups import archive
from stepiq.core.errors import Invalid
from tests.cli.backups.conftest import FILE, Kept, put, rewrite, run_ids
from tests.cli.conftest import Cli
from tests.support.hostile import FORGED

pytestmark = pytest.mark.one_store

_PAGE = 4096


@pytest.fixture
def made(cli: Cli, kept: Kept) -> bytes:
    """The database in a new backup."""
    cli("backup", FILE, "--with-keys")
    with zipfile.ZipFile(FILE) as made:
        return made.read(archive.DATABASE)


def _changed(database: bytes, *statements: str) -> bytes:
    """The database after SQL."""
    file = Path("changed.db")
    file.write_bytes(database)
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return file.read_bytes()


def _with_long_value(database: bytes) -> bytes:
    """The database with a value on several pages at its end."""
    return _changed(
        database,
        "CREATE TABLE more (value TEXT)",
        "INSERT INTO more VALUES (hex(zeroblob(10000)))",
    )


_DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no bytes": (lambda _: b"", "is empty, or not a database of stepIQ"),
    "one byte": (lambda _: b"\0", "has 1 bytes instead of 0"),
    "no tables": (lambda _: _changed(b"", "VACUUM"), "is empty, or not a database of stepIQ"),
    "another program": (
        lambda _: _changed(b"", "CREATE TABLE a (b TEXT)"),
        "is empty, or not a database of stepIQ",
    ),
    "no revision": (
        lambda made: _changed(made, "DELETE FROM alembic_version"),
        "is empty, or not a database of stepIQ",
    ),
    "another revision": (
        lambda made: _changed(made, "UPDATE alembic_version SET version_num = '1'"),
        "has another schema than its manifest says",
    ),
    "a table is missing": (lambda made: _changed(made, "DROP TABLE runs"), "lacks the table runs"),
    "only zeros": (lambda made: bytes(len(made)), "file is not a database"),
    "zeros at the end": (lambda made: made + bytes(10 * _PAGE), "bytes instead of"),
    "zeros instead of its end": (
        lambda made: _with_long_value(made)[:-_PAGE] + bytes(_PAGE),
        "it ends with zeros",
    ),
    "zeros instead of its second half": (
        lambda made: made[: len(made) // 2] + bytes(len(made) // 2),
        "malformed",
    ),
    "cut short": (lambda made: made[:-_PAGE], "malformed"),
    "a changed page": (lambda made: made[:_PAGE] + b"\xff" * _PAGE + made[2 * _PAGE :], ""),
}


class TestDatabase:
    @pytest.mark.slow
    @pytest.mark.parametrize("damage", _DAMAGE)
    def test_a_damaged_one_is_refused_and_nothing_changes(
        self, cli: Cli, kept: Kept, made: bytes, tmp_path: Path, damage: str
    ):
        change, reason = _DAMAGE[damage]
        put("stepiq.db", change(made))
        (tmp_path / "stepiq.db.lock").touch()
        before = sorted(tmp_path.rglob("*"))

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert f"{FILE} is damaged: its database " in said.err
        assert reason in said.err
        assert said.err.endswith("Nothing was changed. Use another backup.\n")
        assert run_ids() == [kept.run_id]
        assert sorted(tmp_path.rglob("*")) == before

    def test_free_pages_of_zeros_are_no_damage(self, cli: Cli, kept: Kept, made: bytes):
        freed = _changed(
            _with_long_value(made),
            "PRAGMA secure_delete = ON",
            "DELETE FROM more",
            "DROP TABLE more",
        )
        assert not any(freed[-_PAGE:])
        put("stepiq.db", freed)

        assert cli("restore", FILE, "--force").code == 0


class TestKeys:
    @pytest.mark.parametrize("name", ["master.key", "previous-master.keys", "jwt.key"])
    @pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\xff" * 20])
    def test_one_that_is_no_key_is_refused(
        self, cli: Cli, kept: Kept, made: bytes, move: Callable[[], None], name: str, content: bytes
    ):
        put(f"keys/{name}", content)
        move()

        said = cli("restore", FILE)

        assert said.code == 1
        assert f"{FILE} is damaged: keys/{name} " in said.err
        assert not Path("elsewhere").exists()


class TestManifest:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("created_at", "2026-11-27T12:00:00"),
            ("created_at", "9999-12-31T23:59:59-23:59"),
            ("created_at", "0001-01-01T00:00:00+23:59"),
            ("secrets", None),
            ("contents", []),
        ],
    )
    def test_a_value_that_cannot_be_used_is_refused(
        self, cli: Cli, kept: Kept, made: bytes, field: str, value: object
    ):
        rewrite(lambda manifest: manifest.update({field: value}))

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert f"{FILE} is damaged or incomplete. Nothing was changed." in said.err

    @pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 60_000, b" " * 70_000])
    def test_one_that_is_no_manifest_is_refused(
        self, cli: Cli, kept: Kept, made: bytes, text: bytes
    ):
        rewrite(lambda manifest: None, **{"manifest.json": text})

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert f"{FILE} is damaged or incomplete. Nothing was changed." in said.err

    def test_its_values_add_no_lines(self, cli: Cli, kept: Kept, made: bytes):
        values = {"stepiq": FORGED, "secrets": {FORGED: 1}, "master_key": FORGED}
        rewrite(lambda manifest: manifest.update(values))

        said = cli("restore", FILE, "--force")

        assert said.code == 0
        assert r"x\n✓ pay" in said.out
        assert r"x\n✓ pay" in said.err
        assert not any(
            line.startswith(("✓", "more")) for line in (said.out + said.err).splitlines()
        )

    def test_a_version_that_is_newer_adds_no_lines(self, cli: Cli, kept: Kept, made: bytes):
        rewrite(lambda manifest: manifest.update(format=2, stepiq=FORGED))

        said = cli("restore", FILE, "--force")

        assert said.err.count("\n") == 1


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A whole archive without a real database."""
    file = tmp_path_factory.mktemp("small") / FILE
    with archive.writing(file) as writer:
        writer.add(archive.DATABASE, io.BytesIO(b"SQLite format 3\0"))
        writer.finish(
            archive.Manifest(
                schema_revision="1",
                created_at=datetime(2026, 11, 27, tzinfo=UTC),
                master_key=None,
                secrets={},
                contents=writer.contents,
            )
        )
    return file.read_bytes()


class TestArchive:
    @given(data())
    @settings(max_examples=300)
    def test_changed_bytes_are_refused_or_harmless(self, small: bytes, changes: DataObject):
        content = bytearray(small)
        places = integers(0, len(content) - 1)
        for place, byte in changes.draw(dictionaries(places, integers(0, 255), min_size=1)).items():
            content[place] = byte
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()

            with suppress(Invalid), archive.reading(Path(file.name)) as reader:
                reader.copy_database(copy := io.BytesIO())

                assert copy.getvalue() == b"SQLite format 3\0"

    def test_a_member_with_a_password_is_refused(self, cli: Cli, kept: Kept, made: bytes):
        content = bytearray(Path(FILE).read_bytes())
        for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            start = content.rindex(signature)
            content[start + place] |= 1
        Path(FILE).write_bytes(content)

        said = cli("restore", FILE, "--force")

        assert said.code == 1
        assert f"{FILE} is damaged or incomplete." in said.err


class TestBackup:
    def test_an_own_database_with_a_lost_end_is_not_copied(
        self, cli: Cli, kept: Kept, made: bytes, tmp_path: Path
    ):
        file = tmp_path / "stepiq.db"
        file.write_bytes(_with_long_value(made)[:-_PAGE] + bytes(_PAGE))
        Path(f"{file}-wal").unlink(missing_ok=True)
        Path(f"{file}-shm").unlink(missing_ok=True)

        said = cli("backup", "other.zip")

        assert said.code == 1
        assert "is damaged" in said.err
        assert not Path("other.zip").exists()
