"""The schema of triggers and recipients: `schedule`, `webhook`, `output` and `notifications`."""

from stepiq.language import cron
from stepiq.language.delivery_fields import (
    DELIVER_TYPES,
    MAX_RECIPIENTS,
    MAX_SECRET_NAME,
    MAX_TARGETS,
    METHODS,
    NOTIFICATION_TYPES,
    SECRET_NAME,
    SECRET_RULE,
)
from stepiq.language.http_fields import (
    HEADER_NAME,
    MAX_EMAIL,
    MAX_HEADERS,
    MAX_URL,
    ONE_LINE,
)
from stepiq.language.json_schema.nodes import (
    Node,
    array,
    boolean,
    by_name,
    by_type,
    choice,
    mapping,
    or_null,
    reference,
    template,
    text,
    whole,
    words,
)
from stepiq.language.reports import ID_PATTERN, ID_RULE
from stepiq.language.targets import VerifyScheme
from stepiq.language.trigger_fields import (
    CRON_NAMES,
    DEFAULT_HEADER,
    DEFAULT_TIMEZONE,
    MAX_HEADER,
    MAX_TIMEZONE,
)

_TARGETS = {
    "webhook": "A signed request to another system.",
    "email": "A mail.",
    "slack": "A message in a channel of Slack.",
    "teams": "A message in a channel or chat of Microsoft Teams.",
    "api": "The call that starts the run waits for its end and returns the result.",
}
_METHODS = {"POST": "Sends the result.", "PUT": "Sends the result with PUT."}
_SCHEMES = {
    "github": "As GitHub signs.",
    "stripe": "As Stripe signs.",
    "standard": "Standard Webhooks 1.0.",
    "hmac-sha256": "HMAC of the body, in hexadecimal or base64.",
}
# Less strict than the reader.
_EMAIL = r"[^@ ]{1,64}@[A-Za-z0-9.-]+"
_URL_START = r"[Hh][Tt][Tt][Pp][Ss]?://|\{\{"
_ONE_LINE_RULE = "a single line"


def definitions() -> dict[str, Node]:
    """The definitions that `output` and `notifications` refer to."""
    return {
        "deliver_target": _target(DELIVER_TYPES),
        "notification_target": _target(NOTIFICATION_TYPES),
        "webhook_target": mapping("Webhook", _TARGETS["webhook"], _webhook_fields(), ["url", "signing_secret_name"]),
        "slack_target": mapping("Slack", _TARGETS["slack"], _chat_fields("incoming webhook of Slack"), ["url"]),
        "teams_target": mapping("Microsoft Teams", _TARGETS["teams"], _chat_fields("workflow of Teams"), ["url"]),
        "email_target": mapping("Email", _TARGETS["email"], _email_fields(), ["to"]),
        "api_target": mapping("API", _TARGETS["api"], {"type": {}}),
    }  # fmt: skip


def output() -> Node:
    """`output` of a document."""
    fields = {
        "from": text(
            "From",
            "Id of the step whose output is the output of the run. Default: the last step that ran.",
            pattern=ID_PATTERN,
            rule=ID_RULE,
        ),
        "deliver": array(
            "Deliver",
            "Where the output of a completed run is sent.",
            reference("deliver_target"),
            0,
            MAX_TARGETS,
        ),
    }
    return mapping("Output", "The output of a run, and where it is sent.", fields)


def notifications() -> Node:
    """`notifications` of a document."""
    ends = {"on_success": "completed", "on_failure": "failed"}
    fields = {
        name: array(
            f"On {end}",
            f"Where a message about {end} runs is sent.",
            reference("notification_target"),
            0,
            MAX_TARGETS,
        )
        for name, end in ends.items()
    }
    return mapping("Notifications", "Where a message about the end of a run is sent.", fields)


def schedule() -> Node:
    """`schedule` of a document."""
    expression = text(
        "Cron",
        "Five fields: minute, hour, day of month, month, day of week. `0 9 * * 1-5` is 9:00 from Monday to Friday.",
        maximum=cron.MAX_LENGTH,
        examples=["0 9 * * 1-5"],
    )
    fields = {
        "enabled": boolean(
            "Enabled", "If false, the schedule is kept but does not run.", default=True
        ),
        "cron": expression,
        "cron_expression": text("Cron", "Another name for `cron`.", maximum=cron.MAX_LENGTH),
        "timezone": text(
            "Time zone",
            "IANA name, such as `Europe/Berlin`.",
            minimum=0,
            maximum=MAX_TIMEZONE,
            default=DEFAULT_TIMEZONE,
        ),
    }
    return {
        **mapping("Schedule", "When the pipeline runs automatically.", fields),
        "if": {
            "type": "object",
            "properties": {"enabled": {"enum": [True, None], "doNotSuggest": True}},
        },
        "then": {
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string"}}}
                for name in CRON_NAMES
            ]
        },
    }


def webhook() -> Node:
    """`webhook` of a document."""
    fields = {
        "scheme": choice("Scheme", "How the sender signs requests.", _SCHEMES, VerifyScheme),
        "secret_name": secret_name("The name of the stored secret that the sender signs with."),
        "header": text(
            "Header",
            "The header with a signature of the scheme `hmac-sha256`.",
            maximum=MAX_HEADER,
            pattern=HEADER_NAME,
            rule="the name of a header",
            default=DEFAULT_HEADER,
        ),
    }
    verify = mapping(
        "Verify",
        "A signature of the sender that is required in addition to the API key.",
        fields,
        ["scheme", "secret_name"],
    )
    return mapping("Webhook", "What an inbound webhook must contain.", {"verify": verify})


def secret_name(description: str) -> Node:
    """The name of a signing secret."""
    return text(
        "Secret",
        description,
        maximum=MAX_SECRET_NAME,
        pattern=SECRET_NAME,
        rule=SECRET_RULE,
    )


def url(description: str) -> Node:
    """The URL of another system."""
    return {
        **template(
            "URL", f"{description} It must begin with https:// or http://.", maximum=MAX_URL
        ),
        "pattern": _URL_START,
        "patternErrorMessage": "This must begin with https:// or http://.",
    }


def headers(description: str) -> Node:
    """Headers that a document may set."""
    value = template("Header", "A single line.")
    value |= {"pattern": whole(ONE_LINE), "patternErrorMessage": f"This must be {_ONE_LINE_RULE}."}
    return by_name("Headers", description, HEADER_NAME, or_null(value), MAX_HEADERS)


def addresses(title: str, description: str, maximum: int) -> Node:
    """One email address or a list of them."""
    one: Node = {
        "maxLength": MAX_EMAIL,
        "pattern": whole(_EMAIL),
        "patternErrorMessage": "This must be an email address such as team@example.com.",
    }
    return {
        **words(title, description),
        "type": ["string", "array"],
        **one,
        "items": {"type": "string", **one},
        "minItems": 1,
        "maxItems": maximum,
    }


def _target(types: tuple[str, ...]) -> Node:
    kind = choice("Type", "How the message is sent.", _TARGETS, types)
    return {
        **words("Target", "A receiver of a message about the end of a run."),
        "type": "object",
        "properties": {"type": kind},
        "required": ["type"],
        **by_type({name: reference(f"{name}_target") for name in types}),
    }


def _webhook_fields() -> dict[str, Node]:
    return {
        "type": {},
        "url": url("The address of the request."),
        "method": choice("Method", "The HTTP method.", _METHODS, METHODS, default="POST"),
        "headers": headers("Headers by name. The server sets its own headers and those of the connection."),
        "signing_secret_name": secret_name("The name of the stored secret that signs the request. Without it, nothing is sent."),
    }  # fmt: skip


def _chat_fields(receiver: str) -> dict[str, Node]:
    text = f"The address of the {receiver}. Anyone who has it can send messages, so store it as a secret."
    return {"type": {}, "url": url(text)}


def _email_fields() -> dict[str, Node]:
    subject = template("Subject", "Default: the name of the pipeline and the result of the run.")
    subject |= {
        "pattern": whole(ONE_LINE),
        "patternErrorMessage": f"This must be {_ONE_LINE_RULE}.",
    }
    return {
        "type": {},
        "to": addresses("To", f"An address, or a list of up to {MAX_RECIPIENTS}.", MAX_RECIPIENTS),
        "subject": subject,
    }
