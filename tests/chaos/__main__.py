"""`python -m tests.chaos`: injects random faults into a cluster, from a seed, and checks its promises."""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import fields
from pathlib import Path

from tests.chaos import evidence as reading
from tests.chaos.checker import check
from tests.chaos.plan import Options, draw
from tests.chaos.report import report
from tests.chaos.trial import Trial

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder is made there with a name of its own
_FOREIGN_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_BASE_URL")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos ARGS=…", description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--apis", type=int, default=2)
    parser.add_argument("--workers", type=int, default=3, help="0: one `stepiq serve`")
    parser.add_argument("--minutes", type=float, default=20.0, help="no faults and runs after that")
    parser.add_argument("--speed", type=float, default=1.0, help="shortens pauses between faults")
    parser.add_argument("--hostile", type=int, default=0, help="workspaces that attack meanwhile")
    parser.add_argument(
        "--hostile-plan",
        default="strangers",
        help="their plan; default: `starter` without its limit of runs per day",
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder, whatever comes out")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="check a kept trial again")
    return parser.parse_args()


def main() -> int:
    """Run a trial, or check a saved one. Returns 1 if a promise was broken."""
    wanted = _arguments()
    if wanted.check is not None:
        found = reading.load(wanted.check / "evidence.json")
        rows = check(found)
        print(report(found, rows))
        return any(row.violations for row in rows)
    print(f"seed {wanted.seed}", flush=True)
    for name in list(os.environ):
        if name.startswith("STEPIQ_") or name in _FOREIGN_VARIABLES:
            # The user's own configuration must not affect the trial.
            del os.environ[name]
    names = [field.name for field in fields(Options) if hasattr(wanted, field.name)]
    options = Options(**{name: getattr(wanted, name) for name in names})
    folder = Path(tempfile.mkdtemp(prefix="stepiq-chaos-", dir=_place()))
    started = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {line}", flush=True)

    try:
        found = asyncio.run(Trial(draw(options), folder, tell).run())
    except BaseException:
        print(f"The trial broke off. Logs and ledger are in {folder}; the seed was {options.seed}.")
        raise
    rows = check(found)
    print(report(found, rows))
    broken = any(row.violations for row in rows)
    if broken or wanted.keep:
        found.save(folder / "evidence.json")
        print(f"Logs, ledger and evidence are in {folder}; the seed was {options.seed}.")
    else:
        shutil.rmtree(folder)
    return broken


def _place() -> str | None:
    # Files in memory survive killed processes, and no trial simulates a power failure.
    return str(_MEMORY) if _MEMORY.is_dir() and "TMPDIR" not in os.environ else None


if __name__ == "__main__":
    sys.exit(main())
