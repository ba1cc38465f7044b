"""What a server does not load and does not do before it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.run_folders import shared
from tests.support.stores import SqliteStores

LATER = (
    "alembic",  # at a current schema
    "anthropic",
    "argon2",
    "cel_expr_python",
    "cryptography",
    "genai_prices",
    "google.genai",
    "google.protobuf",
    "httpcore2",
    "jsonpath_rfc9535",
    "jwt",
    "markdown_it",
    "openai",
    "opentelemetry.proto",
    "pydantic_ai",
    "stepiq.execution.interpreter.executor",
    "stepiq.notify.delivery_worker",
    "stepiq.sandbox.sandbox",
    "stepiq.server.docs.contents",
    "stepiq.server.openapi",
    "stepiq.steps.llm",
    "stepiq.trials",
    "xllamacpp",
)
_START = """
import sys
from stepiq.server import serving
print(*sys.modules)

import gc
from pathlib import Path
from stepiq.core.settings import model as settings
from stepiq.server.connections import http as http_server

async def serve(self, sockets):
    print(*sys.modules)
    if gc.isenabled() and gc.get_freeze_count() > 100_000:
        print("collects")
    raise SystemExit

http_server.HttpServer.serve = serve
serving.serve(settings.load(data_dir=Path(sys.argv[1]), port=0), lambda text: None)
"""


def printed(name: str, *arguments: str) -> list[set[str]]:
    """The words of each line that a Python program has printed. It runs once for all test processes."""

    def fill(folder: Path) -> None:
        command = [sys.executable, "-c", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.stdout, done.stderr
        (folder / "printed").write_text(done.stdout)

    lines = (shared(name, fill) / "printed").read_text().splitlines()
    return [set(line.split()) for line in lines]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sqlite_stores: SqliteStores) -> list[set[str]]:
    """The modules of a process that has imported the server, then those of a ready server with a current database."""
    folder = tmp_path_factory.mktemp("data")
    sqlite_stores.create(folder)
    return printed("modules-of-server", _START, str(folder))


@pytest.fixture(scope="module")
def worker() -> set[str]:
    """The modules of a process that has imported the worker."""
    code = "import sys, stepiq.cli.worker; print(*sys.modules)"
    (modules,) = printed("modules-of-worker", code)
    return modules


class TestImport:
    def test_a_server_does_not_import_what_only_some_need(self, server: list[set[str]]):
        assert "stepiq.server.serving" in server[0]
        assert not server[0] & set(LATER)

    def test_a_worker_does_not_import_it_either(self, worker: set[str]):
        assert "stepiq.cli.worker" in worker
        assert not worker & set(LATER)

    @pytest.mark.slow
    def test_a_worker_does_not_import_the_api(self, worker: set[str]):
        assert "stepiq.server.worker" in worker
        assert not worker & {"stepiq.server.app", "stepiq.server.serving", "stepiq.accounts.http"}
        assert not [each for each in worker if each.startswith("stepiq") and "endpoints" in each]


class TestServe:
    def test_a_ready_server_has_loaded_nothing_of_that_either(self, server: list[set[str]]):
        assert "stepiq.server.app" in server[1]
        assert not server[1] & set(LATER)

    @pytest.mark.slow
    def test_a_ready_server_collects_garbage_but_not_among_its_modules(
        self, server: list[set[str]]
    ):
        assert server[2] == {"collects"}
