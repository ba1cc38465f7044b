"""Reads fields that several parts of a document share: URLs, headers and email addresses."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from stepiq.core.json import Json
from stepiq.language.reports import FieldReader
from stepiq.language.templates import Template
from stepiq.language.templates.nodes import Text

MAX_HEADERS = 20
HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"
HeaderProblem = Callable[[str], tuple[str, str] | None]
"""Returns code and message of the reason why a document cannot set a header; None if it can."""

_SCHEMES = ("http://", "https://")
MAX_URL = 2_048
MAX_EMAIL = 254
_EMAIL = re.compile(
    r"[^\s@\x00-\x1f\x7f<>()\[\]\\,;:\"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?!\.))*(?<![.-])"
)
ONE_LINE = r"[^\x00-\x1f\x7f]*"
"""Pattern of text without line breaks and control characters."""
# Headers of the connection.
CONNECTION_HEADERS = frozenset(
    {
        "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip


def read_url(fields: FieldReader, example: str) -> Template | None:
    """Read the required field `url`: a template whose literal beginning is checked."""
    if not fields.require("url", f"url: {example}"):
        return None
    url = one_line(fields, "url")
    if url is not None:
        _check_url(fields, url)
    return url


def _check_url(fields: FieldReader, url: Template) -> None:
    if len(url.source) > MAX_URL:
        message = f"`url` must have at most {MAX_URL:,} characters; it has {len(url.source):,}."
        fields.refuse("url", "too_long", message)
        return
    first = url.nodes[0]
    if not isinstance(first, Text):
        # The beginning is known only after rendering, and is checked then.
        return
    head = first.value.lower()
    is_whole = len(url.nodes) == 1
    begins_well = head.startswith(_SCHEMES) or (
        not is_whole and any(scheme.startswith(head) for scheme in _SCHEMES)
    )
    if not begins_well:
        fields.refuse("url", "invalid_format", "`url` must begin with `https://` or `http://`.")
    elif is_whole and not _has_host(first.value):
        message = "`url` must be a URL without spaces, such as `https://example.com/hooks`."
        fields.refuse("url", "invalid_format", message)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading `port` validates it.
        return parts.port != 0 and bool(parts.hostname) and " " not in url
    except ValueError:
        return False


def read_headers(fields: FieldReader, refuse: HeaderProblem) -> dict[str, Template]:
    """Read `headers`: literal names, and a template for each."""
    data = fields.mapping("headers") or {}
    if len(data) > MAX_HEADERS:
        message = f"`headers` must have at most {MAX_HEADERS} headers; it has {len(data):,}."
        fields.refuse("headers", "too_long", message)
        return {}
    inner = FieldReader(fields.draft, (*fields.path, "headers"), data, data)
    headers: dict[str, Template] = {}
    seen: set[str] = set()
    for name in data:
        problem = _malformed(name) or refuse(name)
        if problem is None and name.lower() in seen:
            problem = (
                "duplicate",
                f"The header `{name}` occurs twice. Header names ignore case. Remove one of the two.",
            )
        seen.add(name.lower())
        if problem is not None:
            inner.refuse(name, *problem)
        elif (value := one_line(inner, name)) is not None:
            headers[name] = value
    return headers


def _malformed(name: str) -> tuple[str, str] | None:
    if re.fullmatch(HEADER_NAME, name):
        return None
    return (
        "invalid_format",
        f"`{name[:60]}` is not a valid header name. Use 1 to 100 letters, digits and `-`.",
    )


def read_addresses(fields: FieldReader, name: str, maximum: int) -> tuple[str, ...]:
    """Read one email address or a list of them; invalid ones are reported."""
    written = fields.raw(name)
    if isinstance(written, str):
        addresses: list[Json] = [written]
    else:
        addresses = fields.items(name, 1, maximum) or []
    for index, address in enumerate(addresses):
        if not _is_email(address):
            path = (*fields.path, name) if written is address else (*fields.path, name, index)
            message = (
                f"`{name}` must be an email address such as `team@example.com`, or a list of them."
            )
            fields.draft.refuse(path, "invalid_format", message)
    return tuple(address for address in addresses if isinstance(address, str))


def _is_email(address: Json) -> bool:
    return (
        isinstance(address, str)
        and len(address) <= MAX_EMAIL
        and _EMAIL.fullmatch(address) is not None
    )


def one_line(fields: FieldReader, name: str) -> Template | None:
    """A template without line breaks."""
    template = fields.template(name)
    if template is not None and not re.fullmatch(ONE_LINE, template.source):
        message = (
            f"`{name[:60]}` contains a line break or a control character. Write it on one line."
        )
        fields.refuse(name, "invalid_format", message)
        return None
    return template
