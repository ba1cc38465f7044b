"""What a server does not load and does not do before it is needed."""

import subprocess
import sys
from functools import cache

import pytest

LATER = (
    "alembic",  # at a current schema
    "anthropic",
    "argon2",
    "cel_expr_python",
    "cryptography",
    "genai_prices",
    "google.genai",
    "google.protobuf",
    "jwt",
    "markdown_it",
    "openai",
    "opentelemetry.proto",
    "pydantic_ai",
    "xllamacpp",
)
_START = """
import gc, sys
from pathlib import Path
from stepiq.core import settings
from stepiq.server import http_server, serving

async def serve(self, sockets):
    print(*sys.modules)
    if gc.isenabled() and gc.get_freeze_count() > 100_000:
        print("collects")
    raise SystemExit

http_server.HttpServer.serve = serve
serving.serve(settings.load(data_dir=Path(sys.argv[1]), port=0), lambda text: None)
"""


@cache
def printed(*arguments: str) -> frozenset[str]:
    """The words that a Python program has printed."""
    done = subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True)
    assert done.stdout, done.stderr
    return frozenset(done.stdout.split())


@pytest.mark.parametrize("module", ["stepiq.server.serving", "stepiq.cli.worker"])
def test_a_process_does_not_import_what_only_some_need(module: str):
    modules = printed(f"import sys, {module}; print(*sys.modules)")

    assert module in modules
    assert not modules & set(LATER)


def test_a_worker_does_not_import_the_api():
    modules = printed("import sys, stepiq.cli.worker; print(*sys.modules)")

    assert "stepiq.server.worker" in modules
    assert not modules & {"stepiq.server.app", "stepiq.server.serving", "stepiq.accounts.http"}
    assert not [each for each in modules if each.startswith("stepiq") and "endpoints" in each]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """What a server with a current database prints when it is ready."""
    folder = str(tmp_path_factory.mktemp("data"))
    printed.__wrapped__(_START, folder)
    return printed(_START, folder)


class TestServe:
    def test_a_ready_server_has_loaded_nothing_of_that_either(self, words: frozenset[str]):
        assert "stepiq.server.app" in words
        assert not words & set(LATER)

    def test_a_ready_server_collects_garbage_but_not_among_its_modules(self, words: frozenset[str]):
        assert "collects" in words
