"""Fields that several parts of a document share: URLs, headers and email addresses."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from stepiq.core.json import Json
from stepiq.language.fields import schema as nodes
from stepiq.language.fields.description import Field, described, matching, template
from stepiq.language.fields.reader import FieldReader
from stepiq.language.fields.schema import Node
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


# Less strict than the reader.
_SHOWN_EMAIL: Node = {"maxLength": MAX_EMAIL} | matching(
    r"[^@ ]{1,64}@[A-Za-z0-9.-]+", "an email address such as team@example.com"
)


def url(description: str) -> Field[Template]:
    """A template of a URL, whose literal beginning is checked."""
    shown: Node = {
        "maxLength": MAX_URL,
        "pattern": r"[Hh][Tt][Tt][Pp][Ss]?://|\{\{",
        "patternErrorMessage": "This must begin with https:// or http://.",
    }
    field = one_line("URL", f"{description} It must begin with https:// or http://.")
    return field.shown(shown).checked(_check_url)


def _check_url(fields: FieldReader, name: str, url: Template) -> None:
    if len(url.source) > MAX_URL:
        message = f"`{name}` must have at most {MAX_URL:,} characters; it has {len(url.source):,}."
        fields.refuse(name, "too_long", message)
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
        fields.refuse(name, "invalid_format", f"`{name}` must begin with `https://` or `http://`.")
    elif is_whole and not _has_host(first.value):
        message = f"`{name}` must be a URL without spaces, such as `https://example.com/hooks`."
        fields.refuse(name, "invalid_format", message)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading `port` validates it.
        return parts.port != 0 and bool(parts.hostname) and " " not in url
    except ValueError:
        return False


def headers(description: str, refuse: HeaderProblem) -> Field[dict[str, Template]]:
    """Headers: literal names, and a template for each."""
    value = one_line("Header", "A single line.")

    def read(fields: FieldReader, name: str) -> dict[str, Template] | None:
        data = fields.mapping(name) or {}
        if len(data) > MAX_HEADERS:
            message = f"`{name}` must have at most {MAX_HEADERS} headers; it has {len(data):,}."
            fields.refuse(name, "too_long", message)
            return None
        inner = FieldReader(fields.draft, (*fields.path, name), data, data)
        return _read_headers(inner, data, value, refuse)

    shown = nodes.or_null(value.node)
    return Field(nodes.by_name("Headers", description, HEADER_NAME, shown, MAX_HEADERS), read)


def _read_headers(
    fields: FieldReader, data: dict[str, Json], value: Field[Template], refuse: HeaderProblem
) -> dict[str, Template]:
    found: dict[str, Template] = {}
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
            fields.refuse(name, *problem)
        elif (written := value.read(fields, name)) is not None:
            found[name] = written
    return found


def _malformed(name: str) -> tuple[str, str] | None:
    if re.fullmatch(HEADER_NAME, name):
        return None
    return (
        "invalid_format",
        f"`{name[:60]}` is not a valid header name. Use 1 to 100 letters, digits and `-`.",
    )


def addresses(title: str, description: str, maximum: int) -> Field[tuple[str, ...]]:
    """One email address or a list of them; invalid ones are reported."""
    node: Node = {
        "type": ["string", "array"],
        **_SHOWN_EMAIL,
        "items": {"type": "string", **_SHOWN_EMAIL},
        "minItems": 1,
        "maxItems": maximum,
    }

    def read(fields: FieldReader, name: str) -> tuple[str, ...]:
        written = fields.raw(name)
        is_one = isinstance(written, str)
        found = [written] if is_one else fields.items(name, 1, maximum) or []
        for index, address in enumerate(found):
            if not _is_email(address):
                path = (*fields.path, name) if is_one else (*fields.path, name, index)
                message = f"`{name}` must be an email address such as `team@example.com`, or a list of them."
                fields.draft.refuse(path, "invalid_format", message)
        return tuple(address for address in found if isinstance(address, str))

    return described(title, description, node, read)


def _is_email(address: Json) -> bool:
    return (
        isinstance(address, str)
        and len(address) <= MAX_EMAIL
        and _EMAIL.fullmatch(address) is not None
    )


def one_line(title: str, description: str) -> Field[Template]:
    """A template without line breaks."""
    return template(title, description).then(_one_line).shown(matching(ONE_LINE, "a single line"))


def _one_line(fields: FieldReader, name: str, found: Template) -> Template | None:
    if re.fullmatch(ONE_LINE, found.source):
        return found
    message = f"`{name[:60]}` contains a line break or a control character. Write it on one line."
    fields.refuse(name, "invalid_format", message)
    return None
