"""Bounds of CPU time that hold on a slow machine, on a busy one and under coverage too."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from stepiq.language.loading import load
from stepiq.language.source import SourceFormat

_ORDINARY = "name: Ordinary\nsteps:\n" + "".join(
    f"  - id: step_{n}\n    model: openai/gpt-4o\n    prompt: 'Say {{{{input.word}}}} {n} times'\n"
    for n in range(40)
)
_LOADS = 20
_USUAL_SECONDS = 0.06
"""What loading it so often takes on an idle machine of 2023, without coverage."""


@contextmanager
def cpu_limit(seconds: float) -> Generator[None]:
    """Fails when the block takes more CPU of this process than that; where it does, more on as slow a machine as this is now."""
    started = time.process_time()
    yield
    took = time.process_time() - started
    if took >= seconds:
        slowness = _slowness()
        assert took < seconds * slowness, (
            f"{took:.2f} s of CPU, over {seconds} s on a machine {slowness:.1f} times slower"
        )


def _slowness() -> float:
    started = time.process_time()
    for _ in range(_LOADS):
        assert load(_ORDINARY, SourceFormat.YAML).definition is not None
    return max(1.0, (time.process_time() - started) / _USUAL_SECONDS)
