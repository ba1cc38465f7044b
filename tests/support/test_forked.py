import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.forked import ForkedProcess, ForkServerError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="the system ends them only there"),
]
SERVE = ("dev", "fake-provider", "--port", "0")
_TESTS = f"""
import os, sys
from pathlib import Path
from tests.support.forked import ForkedProcess
ForkedProcess({SERVE}, Path.cwd(), os.environ, Path(sys.argv[1]))
sys.stdin.read()
"""


def test_processes_end_with_the_tests_that_started_them(tmp_path: Path):
    log = tmp_path / "log"
    os.mkfifo(log)
    with (
        subprocess.Popen([sys.executable, "-c", _TESTS, log], stdin=subprocess.PIPE) as tests,
        log.open() as output,
    ):
        assert any("http://127.0.0.1:" in line for line in output)
        tests.kill()

        # Reading returns when the last process that could write to the output has ended.
        assert output.read() is not None


async def test_an_error_of_one_request_leaves_the_others_alone(tmp_path: Path):
    process = ForkedProcess(SERVE, tmp_path, os.environ, tmp_path / "log")
    with pytest.raises(ForkServerError, match="NotADirectoryError"):
        ForkedProcess(SERVE, tmp_path, os.environ, tmp_path / "log" / "log")

    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL


async def test_what_a_process_raises_is_in_its_log(tmp_path: Path):
    process = ForkedProcess(SERVE, tmp_path / "missing", os.environ, tmp_path / "log")

    assert await process.wait() == 1
    assert "FileNotFoundError" in (tmp_path / "log").read_text()
