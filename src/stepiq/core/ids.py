"""Identifiers: UUIDs of version 7, so that newer rows sort after older ones and indexes grow at one end.

Slugs of pipelines are names in URLs, unique in a workspace. Routes take a slug wherever they take the id.
"""

import os
import re
import time
from datetime import datetime
from uuid import UUID

from stepiq.core.errors import Issue

_LAST_MILLISECOND = (1 << 48) - 1


def uuid7() -> UUID:
    """A new identifier (RFC 9562, sections 5.7 and 6.2, method 3): Unix time in steps of 0.24 µs, then 62 random bits.

    Identifiers created one after the other in one process sort in this order.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8)) >> 2
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | random)


def first_at(moment: datetime) -> UUID:
    """The lower bound of identifiers created at `moment` or later."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), _LAST_MILLISECOND) << 80)


def parse(text: str) -> UUID | None:
    """The identifier in a text, or None if it is malformed. Callers treat it like an id that does not exist."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?$"
RESERVED_SLUGS = frozenset({"bulk", "estimate", "new", "validate"})
"""Path segments of the API and the web interface, now or later, in the place of a slug."""

_HEX = re.compile(r"[0-9a-fA-F]{32}")


def looks_like_id(text: str) -> bool:
    """Whether a text has the form of a UUID, with hyphens anywhere or none. Such a text is never a slug."""
    return _HEX.fullmatch(text.replace("-", "")) is not None


def slug_problem(text: str) -> Issue | None:
    """Why a text cannot be a slug, without a path; None if it can be one."""
    if not re.fullmatch(SLUG_PATTERN, text):
        return Issue(
            "",
            "invalid_slug",
            "Must have 1 to 80 lower-case letters, digits and hyphens, and must not begin or end with a hyphen.",
        )
    if looks_like_id(text):
        return Issue(
            "", "invalid_slug", "Must not have the form of an id. Add a letter after f, or a word."
        )
    if text in RESERVED_SLUGS:
        return Issue(
            "", "invalid_slug", f"Must not be `{text}`, which is a path of the API. Add a word."
        )
    return None


def is_slug(text: str) -> bool:
    """Whether a text can be the slug of a pipeline."""
    return slug_problem(text) is None
