"""What a server does not load and does not do before it is needed."""

import subprocess
import sys
from pathlib import Path

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


def printed(*arguments: str) -> set[str]:
    """The words that a Python program has printed."""
    done = subprocess.run([sys.executable, "-c", *arguments], capture_output=True, text=True)
    assert done.stdout, done.stderr
    return set(done.stdout.split())


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


class TestServe:
    @pytest.fixture
    def words(self, tmp_path: Path) -> set[str]:
        """What a server with a current database prints when it is ready."""
        printed(_START, str(tmp_path))
        return printed(_START, str(tmp_path))

    def test_a_ready_server_has_loaded_nothing_of_that_either(self, words: set[str]):
        assert "stepiq.server.app" in words
        assert not words & set(LATER)

    def test_a_ready_server_collects_garbage_but_not_among_its_modules(self, words: set[str]):
        assert "collects" in words
