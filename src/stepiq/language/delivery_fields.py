"""Reads who hears how a run ended: `output.deliver` and `notifications`."""

import re
from collections.abc import Collection
from typing import Literal, cast
from urllib.parse import urlsplit

from stepiq.core.json import Json
from stepiq.language.data import is_object, kind_of
from stepiq.language.drafts import Draft, Fields
from stepiq.language.places import Path
from stepiq.language.targets import (
    ApiTarget,
    DeliveryTarget,
    EmailTarget,
    NotificationTarget,
    WebhookTarget,
)
from stepiq.language.templates import Template
from stepiq.language.templates.nodes import Text

MAX_TARGETS = 10
"""Most targets of one list."""
MAX_RECIPIENTS = 20
"""Most addresses of one `email` target."""
MAX_HEADERS = 20
SECRET_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,99}"  # noqa: S105 - what a name may look like
SECRET_RULE = "the name of a secret: letters, digits and _, starting with no digit, at most 100"  # noqa: S105
HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}"

_FIELDS: dict[str, tuple[str, ...]] = {
    "webhook": ("type", "url", "method", "headers", "signing_secret_name"),
    "email": ("type", "to", "subject"),
    "api": ("type",),
}
_METHODS = ("POST", "PUT")
_SCHEMES = ("http://", "https://")
_MAX_URL = 2_048
_MAX_EMAIL = 254
_EMAIL = re.compile(
    r"[^\s@\x00-\x1f\x7f<>()\[\]\\,;:\"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?!\.))*(?<![.-])"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What a delivery says about itself, and what belongs to the connection.
_OUR_PREFIXES = ("x-stepiq-", "webhook-", "proxy-")
_OUR_HEADERS = frozenset(
    {
        "connection", "content-encoding", "content-length", "content-type", "expect", "host",
        "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip


def read_deliver(fields: Fields) -> tuple[DeliveryTarget, ...]:
    """The targets of `output.deliver`."""
    return _read_targets(fields, "deliver", ("webhook", "email", "api"))


def read_notifications(fields: Fields, name: str) -> tuple[NotificationTarget, ...]:
    """The targets of one list of `notifications`."""
    found = _read_targets(fields, name, ("webhook", "email"))
    return cast(tuple[NotificationTarget, ...], found)


def _read_targets(fields: Fields, name: str, types: Collection[str]) -> tuple[DeliveryTarget, ...]:
    targets: list[DeliveryTarget] = []
    for index, entry in enumerate(fields.items(name, 0, MAX_TARGETS) or ()):
        target = _read_target(fields.draft, (*fields.path, name, index), entry, types)
        if target is not None:
            targets.append(target)
    return tuple(targets)


def _read_target(
    draft: Draft, path: Path, data: Json, types: Collection[str]
) -> DeliveryTarget | None:
    if not is_object(data):
        message = f"A target is a mapping with a `type`; this is {kind_of(data)}."
        draft.refuse(path, "wrong_type", message)
        return None
    # The fields are checked against the type's own list, so the type is read before them.
    probe = Fields(draft, path, {"type": data.get("type")}, ("type",))
    if not probe.require("type", "type: email"):
        return None
    kind = probe.choice("type", types)
    if kind is None:
        return None
    fields = Fields(draft, path, data, _FIELDS[kind])
    match kind:
        case "webhook":
            return _read_webhook(fields)
        case "email":
            return _read_email(fields)
        case _:
            return ApiTarget()


def _read_webhook(fields: Fields) -> WebhookTarget | None:
    url = None
    if fields.require("url", "url: https://example.com/hooks/stepiq"):
        url = _one_line(fields, "url")
    if url is not None:
        _check_url(fields, url)
    secret = None
    # A delivery that nobody can check is never sent, so there is none without a secret.
    if fields.require("signing_secret_name", "signing_secret_name: WEBHOOK_SIGNING_SECRET"):
        secret = fields.text(
            "signing_secret_name", maximum=100, pattern=SECRET_NAME, rule=SECRET_RULE
        )
        fields.note_secret("signing_secret_name", secret)
    method = fields.choice("method", _METHODS) or "POST"
    headers = _read_headers(fields)
    if url is None or secret is None:
        return None
    return WebhookTarget(url, cast(Literal["POST", "PUT"], method), secret, headers)


def _check_url(fields: Fields, url: Template) -> None:
    if len(url.source) > _MAX_URL:
        message = f"`url` must have at most {_MAX_URL:,} characters; it has {len(url.source):,}."
        fields.refuse("url", "too_long", message)
        return
    first = url.nodes[0]
    if not isinstance(first, Text):
        # Whatever comes first is known only when the run has ended; it is checked then.
        return
    head = first.value.lower()
    is_whole = len(url.nodes) == 1
    begins_well = head.startswith(_SCHEMES) or (
        not is_whole and any(scheme.startswith(head) for scheme in _SCHEMES)
    )
    if not begins_well:
        fields.refuse("url", "invalid_format", "`url` must begin with https:// or http://.")
    elif is_whole and not _has_host(first.value):
        message = "`url` must be an address such as https://example.com/hooks, without spaces."
        fields.refuse("url", "invalid_format", message)


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        return parts.port != 0 and bool(parts.hostname) and " " not in url
    except ValueError:
        return False


def _read_headers(fields: Fields) -> dict[str, Template]:
    data = fields.mapping("headers") or {}
    if len(data) > MAX_HEADERS:
        message = f"`headers` must have at most {MAX_HEADERS} entries; it has {len(data):,}."
        fields.refuse("headers", "too_long", message)
        return {}
    inner = Fields(fields.draft, (*fields.path, "headers"), data, data)
    headers: dict[str, Template] = {}
    seen: set[str] = set()
    for name in data:
        problem = header_problem(name)
        if problem is None and name.lower() in seen:
            problem = ("duplicate", f"Header `{name}` is given twice; case does not matter.")
        seen.add(name.lower())
        if problem is not None:
            inner.refuse(name, *problem)
        elif (value := _one_line(inner, name)) is not None:
            headers[name] = value
    return headers


def header_problem(name: str) -> tuple[str, str] | None:
    """Code and message of what keeps a name from being a header that a document may set."""
    if not re.fullmatch(HEADER_NAME, name):
        return "invalid_format", "A header's name has letters, digits and -, 1 to 100 of them."
    if name.lower() in _OUR_HEADERS or name.lower().startswith(_OUR_PREFIXES):
        return "not_allowed", f"Header `{name}` is set by the server. Remove it."
    return None


def _read_email(fields: Fields) -> EmailTarget | None:
    subject = _one_line(fields, "subject") if fields.has("subject") else None
    if not fields.require("to", "to: team@example.com"):
        return None
    written = fields.raw("to")
    if isinstance(written, str):
        addresses: list[Json] = [written]
    else:
        addresses = fields.items("to", 1, MAX_RECIPIENTS) or []
    for index, address in enumerate(addresses):
        if not _is_email(address):
            path = (*fields.path, "to") if written is address else (*fields.path, "to", index)
            message = "`to` must be an email address such as team@example.com, or a list of them."
            fields.draft.refuse(path, "invalid_format", message)
    return EmailTarget(tuple(addresses), subject)


def _is_email(address: Json) -> bool:
    return (
        isinstance(address, str)
        and len(address) <= _MAX_EMAIL
        and _EMAIL.fullmatch(address) is not None
    )


def _one_line(fields: Fields, name: str) -> Template | None:
    template = fields.template(name)
    if template is not None and _CONTROL.search(template.source):
        message = (
            f"`{name[:60]}` has a line break or control character. Write it as one plain line."
        )
        fields.refuse(name, "invalid_format", message)
        return None
    return template
