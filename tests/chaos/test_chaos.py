"""A short trial on each store with a fixed plan. `make chaos` runs long trials, each with a new plan."""

import sys
from pathlib import Path

import pytest

from tests.chaos.checker import check
from tests.chaos.plan import Options, draw
from tests.chaos.report import report
from tests.chaos.trial import Trial

# The rest of the suite runs at the same time. Other tests check the exact times of a cancel and of a take-over.
_PATIENCE = 10.0
_TRIALS = [
    Options("sqlite", seed=101, kills=4, runs=60, minutes=1.0, hostile=2, patience=_PATIENCE),
    Options(
        "postgresql",
        seed=301,
        kills=8,
        runs=80,
        apis=1,
        workers=2,
        hostile=2,
        minutes=1.0,
        patience=_PATIENCE,
    ),
]


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestTrial:
    @pytest.mark.parametrize("options", _TRIALS, ids=lambda options: options.store)
    async def test_whatever_is_killed_what_was_promised_holds(
        self, options: Options, tmp_path: Path
    ):
        evidence = await Trial(draw(options), tmp_path, _tell).run()

        rows = check(evidence)
        text = report(evidence, rows)
        _tell(text)
        evidence.save(tmp_path / "evidence.json")
        assert not any(row.violations for row in rows), f"{text}\nSee {tmp_path}."
        assert evidence.kills


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
