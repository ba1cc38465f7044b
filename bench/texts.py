"""Measure the CPU time of each reader of texts from outside; see README.md beside this file.

Usage: python bench/texts.py [NAME ...]
"""

import argparse
import gc
import sys
import time
from contextlib import suppress
from math import inf
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from stepiq.core.errors import StepIQError
from tests.support.outside_texts import READERS, Reader
from tests.support.pace import slowness
from tests.support.repeated_texts import REPEATED, repeat

MEASURED = 16 * 1024
"""For readers that do not hold the event loop. Longer texts would take minutes in all."""
MOST_MEASURED = 256 * 1024
"""For those of them that take less than `QUICK_SECONDS` for a quarter of that."""
QUICK_SECONDS = 0.02
MOST_GROWTH = 9.0
"""Of the time for a text four times as long. Linear is 4, quadratic is 16."""
ROUNDS = 10
MOST_SECONDS = 0.1
"""For which a reader may hold the event loop."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*READERS, []])
    names = parser.parse_args().names or list(READERS)
    # A collection takes longer than most of these texts.
    gc.disable()
    is_slow = False
    for name in names:
        reader = READERS[name]
        texts = REPEATED if reader.depends_on_text else REPEATED[:1]
        problems = {text: problem for text in texts if (problem := problem_with(reader, text))}
        print(f"{name:45} {'SLOW' if problems else 'ok'}", flush=True)
        for text, problem in problems.items():
            print(f"    {text!r}: {problem}")
        is_slow = is_slow or bool(problems)
        gc.collect()
    sys.exit(is_slow)


def problem_with(reader: Reader, repeated: str) -> str | None:
    """What is wrong with the time for texts up to the reader's limit."""
    is_held = reader.place == "loop"
    longest = reader.longest if is_held else min(reader.longest, MEASURED)
    most = longest if is_held else min(reader.longest, MOST_MEASURED)
    before = seconds(reader, repeated, longest // 64)
    for length in (longest // 16, longest // 4, longest, longest * 4, longest * 16):
        is_needed = length <= longest or before <= QUICK_SECONDS >= reader.fixed_seconds
        if length > most or not is_needed:
            break
        took = seconds(reader, repeated, length)
        if took > reader.fixed_seconds and took > MOST_GROWTH * before:
            # The shortest of several measurements: others are longer because of what else runs on the machine. Both
            # lengths in turn, because that can take a second.
            shorter = inf
            for _ in range(ROUNDS):
                shorter = min(shorter, seconds(reader, repeated, length // 4))
                took = min(took, seconds(reader, repeated, length))
                if took <= MOST_GROWTH * max(before, shorter):
                    break
            else:
                if took > reader.fixed_seconds * slowness():
                    growth = took / max(before, shorter)
                    return f"{growth:.1f} times as long for {length:,} as for {length // 4:,}"
        before = took
    if is_held and before > MOST_SECONDS:
        took = min(seconds(reader, repeated, longest) for _ in range(3))
        if took > MOST_SECONDS * slowness():
            return f"{took:.2f} s for {longest:,}"
    return None


def seconds(reader: Reader, repeated: str, length: int) -> float:
    """CPU time for reading a text of that length."""
    text = repeat(repeated, length)
    begun = time.thread_time()
    with suppress(StepIQError, ValueError):
        reader.read(text)
    return time.thread_time() - begun


if __name__ == "__main__":
    main()
