"""A throw-away PostgreSQL for one run of the suite, shared by its worker processes."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

_HELP = (
    "The suite needs PostgreSQL 15 or newer and found neither STEPIQ_TEST_POSTGRES_URL nor initdb on PATH or in "
    "/usr/lib/postgresql/*/bin. Run the tests with: make test"
)


class PostgresMissing(Exception):
    """There is no PostgreSQL to test on, and testing on SQLite alone would prove half."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process of the run at a time."""
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def shared_url(folder: Path) -> str:
    """URL of the run's server, without a database; the first to ask starts it."""
    given = os.environ.get("STEPIQ_TEST_POSTGRES_URL")
    if given:
        return given.rstrip("/")
    with alone(folder):
        noted = folder / "postgres_url"
        if not noted.exists():
            noted.write_text(_start(folder))
        return noted.read_text()


def stop(folder: Path) -> None:
    """End the run's server, if one was started."""
    data = folder / "postgres"
    if (data / "postmaster.pid").exists():
        _run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def initdb(folder: Path) -> Path:
    """Make the data of a server in `folder`, readable for whom it will run as."""
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
            # Its statistics would change how a statement is executed from one run of the suite to the next.
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
    # The server outlives its starter and must not hold on to its pipes, or this would wait for it.
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
