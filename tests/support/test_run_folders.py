import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from tests.support import postgres, run_folders
from tests.support.stores import PostgresStores

_RUN = """
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from tests.support import postgres, run_folders
folder = run_folders.create(Path(sys.argv[1]))
if "postgresql" in sys.argv:
    postgres.shared_url(folder)
print(folder, flush=True)
sys.stdin.read()
"""


@contextmanager
def another_run(parent: Path, *what: str) -> Iterator[Path]:
    """The folder of a run that is killed at the end of the block."""
    command = [sys.executable, "-c", _RUN, str(parent), *what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        yield Path(run.stdout.readline().decode().strip())
        run.kill()


@pytest.fixture
def parent() -> Iterator[Path]:
    # The user `postgres` needs access to it. pytest's own folders are closed again whenever another run of pytest starts.
    with TemporaryDirectory() as name:
        parent = Path(name)
        parent.chmod(0o755)
        yield parent


def databases(server: str) -> set[str]:
    with psycopg.connect(f"{server}/postgres") as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database")}


@pytest.mark.slow
class TestSweep:
    def test_the_folder_of_a_killed_run_is_removed(self, tmp_path: Path):
        with another_run(tmp_path) as folder:
            assert folder.is_dir()

        run_folders.sweep(tmp_path)

        assert not folder.exists()

    def test_the_folder_of_a_live_run_stays(self, tmp_path: Path):
        with another_run(tmp_path) as folder:
            run_folders.sweep(tmp_path)

            assert folder.is_dir()

    def test_the_server_of_a_killed_run_ends(self, parent: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("STEPIQ_TEST_POSTGRES_URL", raising=False)
        with another_run(parent, "postgresql") as folder:
            url = (folder / "postgres_url").read_text()
            psycopg.connect(f"{url}/postgres").close()

        run_folders.sweep(parent)

        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"{url}/postgres")


class TestShared:
    @pytest.fixture(autouse=True)
    def run_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(run_folders.VARIABLE, str(tmp_path))

    def test_only_the_first_fills_it(self):
        filled = run_folders.shared("thing", lambda folder: (folder / "a").write_text("first"))

        again = run_folders.shared("thing", lambda folder: (folder / "a").write_text("second"))

        assert again == filled
        assert (again / "a").read_text() == "first"

    def test_after_a_failure_the_next_one_starts_anew(self):
        def fail(folder: Path) -> None:
            (folder / "half").touch()
            raise OSError

        with pytest.raises(OSError):  # noqa: PT011 - raised above
            run_folders.shared("thing", fail)

        filled = run_folders.shared("thing", lambda folder: (folder / "whole").touch())

        assert [path.name for path in filled.iterdir()] == ["whole"]


class TestStop:
    def test_databases_on_a_server_of_somebody_else_are_dropped(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        server = postgres.shared_url(Path(os.environ["STEPIQ_TEST_RUN_FOLDER"]))
        monkeypatch.setenv("STEPIQ_TEST_POSTGRES_URL", server)
        before = databases(server)
        ours, theirs = (run_folders.create(tmp_path) for _ in range(2))
        PostgresStores(ours).create_empty()
        stays = PostgresStores(theirs).create_empty()

        run_folders.remove(ours)

        after = databases(server)
        assert stays.rpartition("/")[2] in after
        assert not [name for name in after - before if ours.name[-8:] in name]
        run_folders.remove(theirs)
