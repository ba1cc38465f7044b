"""Fail if the tests reach too few lines and branches.

The floors are 100 % of `language`, 99 % of each package that executes runs, and 90 % in total.

Usage: python scripts/coverage_floor.py    after `pytest --cov`, which writes `.coverage` into this folder
"""

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import coverage

# The tracer of Python 3.11 misses some lines behind a switch of greenlets, which the store's statements run in.
FLOORS = {
    "language": 100.0,
    **dict.fromkeys(("steps", "execution", "queue", "providers", "sandbox", "redaction"), 99.0),
    "": 90.0,
}
"""Per package of `src/stepiq`, the empty name being all of it. They are only ever raised."""


def main() -> int:
    """Print what each package reaches, and return 1 if one is below its floor."""
    packages = _measure()
    below: list[str] = []
    for package, floor in FLOORS.items():
        covered, total = packages[package]
        percent = 100 * covered / total if total else 100.0
        name = f"stepiq.{package}" if package else "stepiq"
        print(f"{name:16} {percent:6.2f} % of lines and branches (floor {floor:g})")
        if percent < floor:
            below.append(name)
    if below:
        print(
            f"Below its floor: {', '.join(below)}. `coverage report` lists the lines without a test."
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
