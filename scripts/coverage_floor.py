"""Fail when fewer lines and branches are tested than was promised: all of `language`, 99 % of what executes runs, 90 % in total.

Usage: python scripts/coverage_floor.py [all]    after `pytest --cov`, which writes `.coverage` into this folder

Without `all`, only what the tests of `language` reach of it is checked, as in CI.
"""

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import coverage

# The tracer of Python 3.11 misses some lines behind a switch of greenlets, which the store's statements run in.
EXECUTING = ("steps", "execution", "queue", "providers", "sandbox", "redaction")
"""The packages that execute runs."""
FLOORS = (
    ("language", ("language",), 100.0),
    ("packages that execute runs", EXECUTING, 99.0),
    ("all packages", ("",), 90.0),
)
"""For the sum of some packages of `src/stepiq`, the empty name being all of it. They are only ever raised."""
FLOORS_OF_CI = (("language, by its own tests", ("language",), 99.0),)


def main() -> int:
    """Print what is reached, and return 1 if something is below its floor."""
    measured = _measure()
    below: list[str] = []
    for name, packages, floor in FLOORS if "all" in sys.argv[1:] else FLOORS_OF_CI:
        covered = sum(measured[package][0] for package in packages)
        percent = 100 * covered / sum(measured[package][1] for package in packages)
        print(f"{name:26} {percent:6.2f} % of lines and branches (floor {floor:g})")
        if percent < floor:
            below.append(name)
    if below:
        print(
            f"Below the floor: {', '.join(below)}. `coverage report` lists the lines without a test."
        )
    return 1 if below else 0


def _measure() -> dict[str, tuple[int, int]]:
    data = coverage.Coverage()
    data.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        data.json_report(outfile=str(report))
        files = json.loads(report.read_text())["files"]
    sums: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for path, measured in files.items():
        parts = Path(path).parts
        package = parts[parts.index("stepiq") + 1]
        summary = measured["summary"]
        covered = summary["covered_lines"] + summary["covered_branches"]
        total = summary["num_statements"] + summary["num_branches"]
        for name in ("", package):
            sums[name] = (sums[name][0] + covered, sums[name][1] + total)
    return sums


if __name__ == "__main__":
    sys.exit(main())
