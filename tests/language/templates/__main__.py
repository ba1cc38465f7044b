"""`python -m tests.language.templates`: compares our templates with Handlebars.js, many more than the suite does."""

import argparse
import random
import sys
import time

from tests.language.templates.oracle.comparing import compare
from tests.language.templates.oracle.process import Handlebars

_ROUND = 10_000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=…", description=__doc__)
    parser.add_argument("--templates", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    return parser.parse_args()


def main() -> int:
    """1 when a template was found of which the two make different things."""
    wanted = _arguments()
    end = wanted.seed + wanted.templates
    started = time.monotonic()
    with Handlebars() as handlebars:
        for first in range(wanted.seed, end, _ROUND):
            seeds = range(first, min(first + _ROUND, end))
            comparison = compare(handlebars, seeds)
            counts = ", ".join(f"{n} {name}" for name, n in sorted(comparison.outcomes.items()))
            took = time.monotonic() - started
            _tell(f"{took:6.0f} s  seeds {seeds[0]} to {seeds[-1]}: {counts}")
            if comparison.differences:
                _tell("\n".join(comparison.differences))
                return 1
    _tell("No difference found.")
    return 0


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
