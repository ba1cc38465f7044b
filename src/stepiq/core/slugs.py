"""Slugs of pipelines: names in URLs, unique in a workspace. Routes take a slug wherever they take the id."""

import re

from stepiq.core.errors import Issue

PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?$"
RESERVED = frozenset({"bulk", "estimate", "new", "validate"})
"""Path segments of the API and the web interface, now or later, in the place of a slug."""

_HEX = re.compile(r"[0-9a-fA-F]{32}")


def looks_like_id(text: str) -> bool:
    """Whether a text has the form of a UUID, with hyphens anywhere or none. Such a text is never a slug."""
    return _HEX.fullmatch(text.replace("-", "")) is not None


def problem(text: str) -> Issue | None:
    """Why a text cannot be a slug, without a path; None if it can be one."""
    if not re.fullmatch(PATTERN, text):
        return Issue(
            "",
            "invalid_slug",
            "Must have 1 to 80 lower-case letters, digits and hyphens, and must not begin or end with a hyphen.",
        )
    if looks_like_id(text):
        return Issue(
            "", "invalid_slug", "Must not have the form of an id. Add a letter after f, or a word."
        )
    if text in RESERVED:
        return Issue(
            "", "invalid_slug", f"Must not be `{text}`, which is a path of the API. Add a word."
        )
    return None


def is_slug(text: str) -> bool:
    """Whether a text can be the slug of a pipeline."""
    return problem(text) is None
