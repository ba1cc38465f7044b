"""Bounds of CPU time that hold on a slow machine, on a busy one and under coverage too."""

import gc
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

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
    """Fails if the block uses more CPU time of this process than that, or more in proportion on a slow machine.

    The garbage collector does not count: how long it takes depends on what earlier tests have left in memory.
    """
    collecting = _Collecting()
    gc.callbacks.append(collecting)
    started = time.process_time()
    try:
        yield
    finally:
        took = time.process_time() - started - collecting.seconds
        gc.callbacks.remove(collecting)
    if took >= seconds:
        slower = slowness()
        assert took < seconds * slower, (
            f"{took:.2f} s of CPU, over {seconds} s on a machine {slower:.1f} times slower"
        )


class _Collecting:
    """How long the garbage collector has run, as one of `gc.callbacks`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._started = time.process_time()
        else:
            self.seconds += time.process_time() - self._started


def slowness() -> float:
    """How many times slower this machine is at the moment than the one that limits were chosen on."""
    started = time.process_time()
    for _ in range(_LOADS):
        assert load(_ORDINARY, SourceFormat.YAML).definition is not None
    return max(1.0, (time.process_time() - started) / _USUAL_SECONDS)
