"""Triggers of a pipeline, and the recipients of its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from stepiq.language.fields import http as http_fields
from stepiq.language.fields.description import (
    Field,
    FieldObject,
    boolean,
    choice,
    computed,
    object_of,
    text,
)
from stepiq.language.fields.http import CONNECTION_HEADERS, HEADER_NAME
from stepiq.language.fields.reader import FieldReader
from stepiq.language.fields.schema import Node, words
from stepiq.language.schedules import cron
from stepiq.language.schedules.cron import CronInvalid
from stepiq.language.templates import Template, secret_names_of

MAX_RECIPIENTS = 20
"""Most addresses of one `email` target."""
# Headers that describe the delivery or belong to the connection.
_OUR_HEADERS = CONNECTION_HEADERS | {"content-encoding", "content-type"}
_OUR_PREFIXES = ("x-stepiq-", "webhook-", "proxy-")
_Method = Literal["POST", "PUT"]
_DEFAULT_TIMEZONE = "UTC"
_MAX_TIMEZONE = 64
_ANY_CRON = "* * * * *"


class ChatService(StrEnum):
    """A service that shows messages to people, and that cannot verify signatures."""

    SLACK = "slack"
    TEAMS = "teams"


def header_problem(name: str) -> tuple[str, str] | None:
    """Code and message of the reason why a document cannot set this header; None if it can."""
    if name.lower() in _OUR_HEADERS or name.lower().startswith(_OUR_PREFIXES):
        return "not_allowed", f"The server sets the header `{name}`. Remove it."
    return None


def _signing_secret(description: str) -> Field[str]:
    """The name of a secret. It is recorded, so that a missing secret can be reported."""
    name = text(
        "Secret",
        description,
        minimum=0,
        maximum=100,
        pattern=r"[A-Za-z_][A-Za-z0-9_]{0,99}",
        rule="the name of a secret: up to 100 letters, digits and _, not starting with a digit",
    )
    return name.checked(FieldReader.note_secret)


@dataclass(frozen=True, slots=True)
class WebhookTarget(FieldObject):
    """A request to another system: a signed event, or a message for a chat service."""

    words = ("Webhook", "A signed request to another system.")

    url: Template = http_fields.url("The address of the request.").required(
        "url: https://example.com/hooks/stepiq"
    )
    # Every delivery is signed, so the secret is required.
    signing_secret_name: str | None = _signing_secret(
        "The name of the stored secret that signs the request. Without it, nothing is sent."
    ).required("signing_secret_name: WEBHOOK_SIGNING_SECRET")
    """Name of the stored secret whose bytes are the key. Nothing is delivered without it. None for a chat service."""
    method: _Method = choice(
        "Method",
        "The HTTP method.",
        dict[_Method, str]({"POST": "Sends the result.", "PUT": "Sends the result with PUT."}),
    ).default("POST")
    headers: dict[str, Template] = http_fields.headers(
        "Headers by name. The server sets its own headers and those of the connection.",
        header_problem,
    ).default(dict[str, Template]())
    """In addition to the server's headers, which a document cannot set."""
    chat: ChatService | None = None
    """Whose message is sent instead of an event. The URL is then the credential."""

    @property
    def secret_names(self) -> frozenset[str]:
        """Every secret that the request may send."""
        return secret_names_of(self.url, *self.headers.values())


@dataclass(frozen=True, slots=True)
class SlackTarget(FieldObject):
    """A message in a channel of Slack, as written."""

    words = ("Slack", "A message in a channel of Slack.")

    url: Template = http_fields.url(
        "The address of the incoming webhook of Slack. Anyone who has it can send messages, so store it as a secret."
    ).required('url: "{{env.SLACK_WEBHOOK_URL}}"')


@dataclass(frozen=True, slots=True)
class TeamsTarget(FieldObject):
    """A message in Microsoft Teams, as written."""

    words = ("Microsoft Teams", "A message in a channel or chat of Microsoft Teams.")

    url: Template = http_fields.url(
        "The address of the workflow of Teams. Anyone who has it can send messages, so store it as a secret."
    ).required('url: "{{env.TEAMS_WEBHOOK_URL}}"')


@dataclass(frozen=True, slots=True)
class EmailTarget(FieldObject):
    """An email."""

    words = ("Email", "A mail.")

    to: tuple[str, ...] = http_fields.addresses(
        "To", f"An address, or a list of up to {MAX_RECIPIENTS}.", MAX_RECIPIENTS
    ).required("to: team@example.com")
    subject: Template | None = http_fields.one_line(
        "Subject", "Default: the name of the pipeline and the result of the run."
    ).optional()
    """None for the server's default subject."""


@dataclass(frozen=True, slots=True)
class ApiTarget(FieldObject):
    """The response to the call that started the run, which waits for the run's end."""

    words = ("API", "The call that starts the run waits for its end and returns the result.")


DeliveryTarget = WebhookTarget | EmailTarget | ApiTarget
NotificationTarget = WebhookTarget | EmailTarget

_EXPRESSION = text("Cron", "", minimum=0, maximum=cron.MAX_LENGTH)
_SHOWN: Node = {"type": "string", "minLength": 1, "maxLength": cron.MAX_LENGTH}
CRON_NAMES: Mapping[str, Node] = {
    "cron": {
        **words(
            "Cron",
            "Five fields: minute, hour, day of month, month, day of week. `0 9 * * 1-5` is 9:00 from Monday to Friday.",
        ),
        **_SHOWN,
        "examples": ["0 9 * * 1-5"],
    },
    "cron_expression": {**words("Cron", "Another name for `cron`."), **_SHOWN},
}
"""The name of the expression in documents, and its name in the API."""
_ENABLED = boolean("Enabled", "If false, the schedule is kept but does not run.")


def _read_enabled(fields: FieldReader) -> bool:
    return not fields.has("enabled") or _ENABLED.read(fields, "enabled") is not False


def _read_cron(fields: FieldReader) -> str | None:
    given = [name for name in CRON_NAMES if fields.has(name)]
    if not given and fields.raw("enabled") is False:
        return None
    if len(given) > 1:
        message = "`cron_expression` is another name for `cron`. Remove one of the two."
        fields.refuse("cron_expression", "conflict", message)
    name = given[0] if given else "cron"
    fields.require(name, 'cron: "0 9 * * 1-5"')
    expression = _EXPRESSION.read(fields, name)
    zone = fields.raw("timezone")
    is_read = isinstance(zone, str) and 0 < len(zone) <= _MAX_TIMEZONE
    for error in cron.problems(
        _ANY_CRON if expression is None else expression, str(zone) if is_read else _DEFAULT_TIMEZONE
    ):
        fields.refuse(
            name if isinstance(error, CronInvalid) else "timezone", error.code, error.message
        )
    return expression


@dataclass(frozen=True, slots=True)
class ScheduleSpec(FieldObject):
    """The pipeline's own schedule. Without `cron`, a schedule that is not enabled is none."""

    words = ("Schedule", "When the pipeline runs automatically.")

    enabled: bool = computed(_read_enabled, {"enabled": {**_ENABLED.node, "default": True}})
    cron: str = computed(_read_cron, CRON_NAMES)
    """Five fields, validated."""
    timezone: str = (
        text("Time zone", "IANA name, such as `Europe/Berlin`.", minimum=0, maximum=_MAX_TIMEZONE)
        .converted(lambda zone: zone or _DEFAULT_TIMEZONE)
        .default(_DEFAULT_TIMEZONE)
    )
    """An IANA name, validated."""


class VerifyScheme(StrEnum):
    """How the sender of an inbound webhook signs."""

    GITHUB = "github"
    STRIPE = "stripe"
    STANDARD = "standard"
    """Standard Webhooks 1.0."""
    HMAC_SHA256 = "hmac-sha256"
    """HMAC of the body, in hexadecimal or base64."""


@dataclass(frozen=True, slots=True)
class VerifySpec(FieldObject):
    """The signature that an inbound webhook needs in addition to the API key."""

    words = ("Verify", "A signature of the sender that is required in addition to the API key.")

    scheme: VerifyScheme = choice(
        "Scheme",
        "How the sender signs requests.",
        {
            VerifyScheme.GITHUB: "As GitHub signs.",
            VerifyScheme.STRIPE: "As Stripe signs.",
            VerifyScheme.STANDARD: "Standard Webhooks 1.0.",
            VerifyScheme.HMAC_SHA256: "HMAC of the body, in hexadecimal or base64.",
        },
    ).required("scheme: github")
    secret_name: str = _signing_secret(
        "The name of the stored secret that the sender signs with."
    ).required("secret_name: GITHUB_WEBHOOK_SECRET")
    header: str = text(
        "Header",
        "The header with a signature of the scheme `hmac-sha256`.",
        minimum=0,
        maximum=100,
        pattern=HEADER_NAME,
        rule="the name of a header",
    ).default("X-Signature")
    """The header with a signature of scheme `hmac-sha256`; the other schemes have fixed headers."""

    @classmethod
    def check(cls, fields: FieldReader) -> None:
        scheme = fields.raw("scheme")
        if (
            fields.has("header")
            and scheme in [*VerifyScheme]
            and scheme != VerifyScheme.HMAC_SHA256
        ):
            message = f"`header` is only for the scheme `hmac-sha256`. The scheme `{scheme}` has fixed headers. Remove it."
            fields.refuse("header", "conflict", message)


@dataclass(frozen=True, slots=True)
class InboundWebhook(FieldObject):
    """What an inbound webhook must contain."""

    words = ("Webhook", "What an inbound webhook must contain.")

    verify: VerifySpec | None = object_of(VerifySpec).optional()
