"""A plugin of pytest that saves the time of Python's garbage collector, a tenth of the CPU."""

import gc
from collections.abc import Generator

import hypothesis
import pytest
from hypothesis.strategies import none


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    # What is imported and collected stays to the end. Walking through it for garbage would take a tenth of the CPU.
    gc.disable()
    try:
        return (yield)
    finally:
        _use_random_numbers()
        gc.callbacks.append(_freeze_survivors)
        gc.collect()
        gc.enable()


@hypothesis.settings(max_examples=1, database=None, deadline=None)
@hypothesis.given(none())
def _use_random_numbers(_: None) -> None:
    # Before its first test, Hypothesis looks for what refers to its random numbers, which is not found once frozen.
    pass


def _freeze_survivors(phase: str, info: dict[str, int]) -> None:
    # Most of what survives a full collection stays to the end: modules, mappings, caches. A walk through it takes half
    # a second late in a run.
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


def pytest_sessionfinish() -> None:
    # pytest collects everything then, and reports what was not closed.
    gc.unfreeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    # A report parses source code, which fails in Python 3.11 if a finalizer does so at the same time. Disabling the
    # collector prevents finalizers here.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
