"""Reads the recipients of a run's result: `output.deliver` and `notifications`."""

from collections.abc import Collection
from typing import Literal, cast

from stepiq.core.json import Json
from stepiq.language.corrections import entry_correction
from stepiq.language.data import is_object, kind_of
from stepiq.language.http_fields import (
    CONNECTION_HEADERS,
    one_line,
    read_addresses,
    read_headers,
    read_url,
)
from stepiq.language.places import Path
from stepiq.language.reports import FieldReader, Report
from stepiq.language.targets import (
    ApiTarget,
    ChatService,
    DeliveryTarget,
    EmailTarget,
    NotificationTarget,
    WebhookTarget,
)

_TARGET = "{type: email, to: team@example.com}"
MAX_TARGETS = 10
"""Most targets in one list."""
MAX_RECIPIENTS = 20
"""Most addresses of one `email` target."""
SECRET_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,99}"  # noqa: S105 - what a name may look like
SECRET_RULE = "the name of a secret: up to 100 letters, digits and _, not starting with a digit"  # noqa: S105

TARGET_FIELDS: dict[str, tuple[str, ...]] = {
    "webhook": ("type", "url", "method", "headers", "signing_secret_name"),
    "slack": ("type", "url"),
    "teams": ("type", "url"),
    "email": ("type", "to", "subject"),
    "api": ("type",),
}
DELIVER_TYPES = ("webhook", "email", "slack", "teams", "api")
NOTIFICATION_TYPES = ("webhook", "email", "slack", "teams")
METHODS = ("POST", "PUT")
MAX_SECRET_NAME = 100
# Headers that describe the delivery or belong to the connection.
_OUR_HEADERS = CONNECTION_HEADERS | {"content-encoding", "content-type"}
_OUR_PREFIXES = ("x-stepiq-", "webhook-", "proxy-")


def read_deliver(fields: FieldReader) -> tuple[DeliveryTarget, ...]:
    """The targets of `output.deliver`."""
    return _read_targets(fields, "deliver", DELIVER_TYPES)


def read_notifications(fields: FieldReader, name: str) -> tuple[NotificationTarget, ...]:
    """The targets of one list of `notifications`."""
    found = _read_targets(fields, name, NOTIFICATION_TYPES)
    return cast(tuple[NotificationTarget, ...], found)


def _read_targets(
    fields: FieldReader, name: str, types: Collection[str]
) -> tuple[DeliveryTarget, ...]:
    targets: list[DeliveryTarget] = []
    for index, entry in enumerate(fields.items(name, 0, MAX_TARGETS) or ()):
        target = _read_target(fields.draft, (*fields.path, name, index), entry, types)
        if target is not None:
            targets.append(target)
    return tuple(targets)


def _read_target(
    draft: Report, path: Path, data: Json, types: Collection[str]
) -> DeliveryTarget | None:
    if not is_object(data):
        message = f"A target must be an object with a `type`; it is {kind_of(data)}.{entry_correction(data, _TARGET)}"
        draft.refuse(path, "wrong_type", message)
        return None
    # The allowed fields depend on the type, so the type is read first.
    probe = FieldReader(draft, path, {"type": data.get("type")}, ("type",))
    if not probe.require("type", "type: email"):
        return None
    written = data["type"]
    if isinstance(written, str) and written in TARGET_FIELDS and written not in types:
        message = (
            f"`type: {written}` is only allowed in `output.deliver`. "
            "Use `email`, `slack`, `teams` or `webhook`."
        )
        draft.refuse((*path, "type"), "not_allowed", message)
        return None
    kind = probe.choice("type", types)
    if kind is None:
        return None
    fields = FieldReader(draft, path, data, TARGET_FIELDS[kind])
    match kind:
        case "webhook":
            return _read_webhook(fields)
        case "email":
            return _read_email(fields)
        case "api":
            return ApiTarget()
        case _:
            return _read_chat(fields, ChatService(kind))


def _read_webhook(fields: FieldReader) -> WebhookTarget | None:
    url = read_url(fields, "https://example.com/hooks/stepiq")
    secret = None
    # Every delivery is signed, so the secret is required.
    if fields.require("signing_secret_name", "signing_secret_name: WEBHOOK_SIGNING_SECRET"):
        secret = fields.text(
            "signing_secret_name", maximum=MAX_SECRET_NAME, pattern=SECRET_NAME, rule=SECRET_RULE
        )
        fields.note_secret("signing_secret_name", secret)
    method = fields.choice("method", METHODS) or "POST"
    headers = read_headers(fields, header_problem)
    if url is None or secret is None:
        return None
    return WebhookTarget(url, cast(Literal["POST", "PUT"], method), secret, headers)


def _read_chat(fields: FieldReader, service: ChatService) -> WebhookTarget | None:
    url = read_url(fields, f'"{{{{env.{service.upper()}_WEBHOOK_URL}}}}"')
    return None if url is None else WebhookTarget(url, "POST", None, {}, service)


def header_problem(name: str) -> tuple[str, str] | None:
    """Code and message of the reason why a document cannot set this header; None if it can."""
    if name.lower() in _OUR_HEADERS or name.lower().startswith(_OUR_PREFIXES):
        return "not_allowed", f"The server sets the header `{name}`. Remove it."
    return None


def _read_email(fields: FieldReader) -> EmailTarget | None:
    subject = one_line(fields, "subject") if fields.has("subject") else None
    if not fields.require("to", "to: team@example.com"):
        return None
    return EmailTarget(read_addresses(fields, "to", MAX_RECIPIENTS), subject)
