"""The number of files and connections that a process can have open at once (RLIMIT_NOFILE)."""

import resource
from contextlib import suppress

from stepiq.core.settings.model import Settings

OTHER_DESCRIPTORS = 1_500
"""Descriptors for everything except client connections: outgoing calls of 1,000 runs, the database, the sandbox."""

_MOST = 65_536
_MOST_OF_MACOS = 10_240
"""Limit of macOS, even if the hard limit is infinite."""


def raise_limit() -> int:
    """Raise the soft limit to the hard limit, but to at most 65,536. Returns the new limit.

    Child processes inherit it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    for wanted in (most, min(most, _MOST_OF_MACOS)):
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            break
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    return limit()


def limit() -> int:
    """The current soft limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else soft


def max_connections(settings: Settings, descriptors: int) -> int:
    """The number of client connections to accept: `STEPIQ_MAX_CONNECTIONS`, or fewer if `descriptors` is too low."""
    return min(settings.max_connections, max(descriptors - OTHER_DESCRIPTORS, descriptors // 2))
