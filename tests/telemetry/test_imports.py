"""A server without the export does not load its libraries."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["stepiq.server.process", "stepiq.cli.worker"])
def test_a_server_imports_no_protobuf(module: str):
    code = f"import sys, {module}; print([m for m in sys.modules if 'google.protobuf' in m or 'opentelemetry.proto' in m])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
