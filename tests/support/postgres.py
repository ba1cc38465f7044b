"""A temporary PostgreSQL server for one run of the suite, shared by its worker processes."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.support.ports import free_port

_URL = "postgres_url"
"""The file in the run's folder that contains the URL of its server."""
_HELP = (
    "The suite needs PostgreSQL 15 or newer and found neither STEPIQ_TEST_POSTGRES_URL nor initdb on PATH or in "
    "/usr/lib/postgresql/*/bin. Run the tests with: make test"
)


class PostgresMissing(Exception):
    """PostgreSQL is not available. The suite does not run on SQLite alone."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock the folder, so that only one process of the run executes the block at a time."""
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def shared_url(folder: Path) -> str:
    """URL of the run's server, without a database. The first call starts the server."""
    with alone(folder):
        noted = folder / _URL
        if not noted.exists():
            given = os.environ.get("STEPIQ_TEST_POSTGRES_URL")
            noted.write_text(given.rstrip("/") if given else _start(folder))
        return noted.read_text()


def database_name(folder: Path, kind: str) -> str:
    """A new name for a database of the run."""
    return f"{_prefix(folder)}{kind}_{uuid4().hex}"


def stop(folder: Path) -> None:
    """Remove the run's folder, and stop its server, or drop its databases if the server is an external one."""
    noted, data = folder / _URL, folder / "postgres"
    with suppress(PostgresMissing, psycopg.OperationalError):
        if (data / "postmaster.pid").exists():
            _run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        elif noted.exists() and not data.exists():
            _drop_databases(noted.read_text(), _prefix(folder))
    shutil.rmtree(folder, ignore_errors=True)


def _prefix(folder: Path) -> str:
    # Not only the random part, because a name that begins with a digit must be quoted.
    return f"run_{folder.name.rpartition('-')[2]}_"


def _drop_databases(server: str, prefix: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix]
        )
        for (name,) in found.fetchall():
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def initdb(folder: Path) -> Path:
    """Create the data of a server in `folder`, owned by the user that will run the server."""
    data = folder / "postgres"
    if os.geteuid() == 0:
        folder.chmod(0o755)
        data.mkdir()
        shutil.chown(data, "postgres")
    _run(
        "initdb",
        "-D",
        str(data),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
    )
    return data


def _start(folder: Path) -> str:
    data = initdb(folder)
    port = free_port()
    options = " ".join(
        [
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''",
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300",
            # Its statistics would change query plans from one run of the suite to the next.
            "-c autovacuum=off",
        ]
    )
    log = data / "server.log"
    _run("pg_ctl", "-D", str(data), "-l", str(log), "-o", options, "-w", "-t", "60", "start")
    return f"postgresql://postgres@127.0.0.1:{port}"


def _run(program: str, *arguments: str) -> None:
    command = [find(program), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    # Without pipes, because the server outlives `pg_ctl` and would keep them open.
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/")
    if done.returncode != 0:
        raise PostgresMissing(f"{program} failed with {done.returncode}. {_HELP}")


def find(program: str) -> str:
    """The path of one of PostgreSQL's programs."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / program).exists():
            return str(folder / program)
    found = shutil.which(program)
    if found is None:
        raise PostgresMissing(_HELP)
    return found
