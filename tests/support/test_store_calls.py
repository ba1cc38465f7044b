import subprocess
import sys

import pytest

from tests.support.containers import ROOT
from tests.support.store_calls import Call, missing

_LINE = ("runs/queries.py", "find", 129)


class TestMissing:
    @pytest.mark.parametrize(
        ("calls", "found"),
        [
            ([("sqlite", *_LINE)], [("sqlite", *_LINE)]),
            ([("sqlite", *_LINE), ("postgresql", *_LINE)], []),
            ([("postgresql", *_LINE)], []),
        ],
    )
    def test_lines_that_postgresql_has_not_reached(self, calls: list[Call], found: list[Call]):
        assert missing(calls) == found


@pytest.mark.slow
def test_a_session_that_reaches_lines_on_sqlite_only_fails_and_names_them():
    test = "tests/accounts/test_known_clients.py"
    command = [sys.executable, "-m", "pytest", "-n", "1", "--compare-stores", "-m", "not postgresql", test]  # fmt: skip

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stderr
    assert " passed" in done.stdout
    assert "src/stepiq/accounts/queries/known_clients.py:" in done.stdout
    assert "both_stores" in done.stdout
