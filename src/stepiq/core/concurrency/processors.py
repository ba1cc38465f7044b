"""The processors of the machine that this process may use."""

import os


def count() -> int:
    """How many there are, at least one. A limit of CPU time, as of a container, does not count."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
