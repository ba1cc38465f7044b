"""Limits of CPU time that also work on slow or busy machines and under coverage."""

import gc
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat

_ORDINARY = "name: Ordinary\nsteps:\n" + "".join(
    f"  - id: step_{n}\n    model: openai/gpt-4o\n    prompt: 'Say {{{{input.word}}}} {n} times'\n"
    for n in range(40)
)
_LOADS = 20
_USUAL_SECONDS = 0.06
"""CPU time of `_LOADS` loads of `_ORDINARY` on an idle machine of 2023, without coverage."""


@contextmanager
def cpu_limit(seconds: float) -> Generator[None]:
    """Fail if the block uses more CPU time of this process. On a slow machine, the limit is raised in proportion.

    The garbage collector is excluded, because its time depends on objects of earlier tests.
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
    """A `gc.callbacks` entry that measures the time of the garbage collector."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._started = time.process_time()
        else:
            self.seconds += time.process_time() - self._started


def slowness() -> float:
    """How many times slower this machine currently is than the reference machine of the limits."""
    started = time.process_time()
    for _ in range(_LOADS):
        assert load(_ORDINARY, SourceFormat.YAML).definition is not None
    return max(1.0, (time.process_time() - started) / _USUAL_SECONDS)
