"""Reads the triggers of a pipeline: `schedule` and `webhook`."""

from stepiq.language import cron
from stepiq.language.cron import CronInvalid
from stepiq.language.delivery_fields import MAX_SECRET_NAME, SECRET_NAME, SECRET_RULE
from stepiq.language.http_fields import HEADER_NAME
from stepiq.language.reports import FieldReader
from stepiq.language.targets import ScheduleSpec, VerifyScheme, VerifySpec

CRON_NAMES = ("cron", "cron_expression")
"""The name of the expression in documents, and its name in the API."""
SCHEDULE_FIELDS = ("enabled", *CRON_NAMES, "timezone")
WEBHOOK_FIELDS = ("verify",)
VERIFY_FIELDS = ("scheme", "secret_name", "header")
MAX_TIMEZONE = 64
DEFAULT_TIMEZONE = "UTC"
_ANY_CRON = "* * * * *"
MAX_HEADER = 100
DEFAULT_HEADER = "X-Signature"
"""Default header of the scheme `hmac-sha256`."""


def read_schedule(fields: FieldReader) -> ScheduleSpec | None:
    """Read the pipeline's own schedule; None without one."""
    data = fields.mapping("schedule")
    if data is None:
        return None
    inner = FieldReader(fields.draft, (*fields.path, "schedule"), data, SCHEDULE_FIELDS)
    enabled = inner.boolean("enabled")
    timezone = inner.text("timezone", maximum=MAX_TIMEZONE) or DEFAULT_TIMEZONE
    given = [name for name in CRON_NAMES if inner.has(name)]
    if enabled is False and not given:
        return None
    if len(given) > 1:
        message = "`cron_expression` is another name for `cron`. Remove one of the two."
        inner.refuse("cron_expression", "conflict", message)
    name = given[0] if given else CRON_NAMES[0]
    inner.require(name, 'cron: "0 9 * * 1-5"')
    expression = inner.text(name, maximum=cron.MAX_LENGTH)
    for error in cron.problems(_ANY_CRON if expression is None else expression, timezone):
        inner.refuse(
            name if isinstance(error, CronInvalid) else "timezone", error.code, error.message
        )
    return None if expression is None else ScheduleSpec(enabled is not False, expression, timezone)


def read_webhook(fields: FieldReader) -> VerifySpec | None:
    """Read the signature that an inbound webhook needs; None if the API key is enough."""
    data = fields.mapping("webhook")
    if data is None:
        return None
    outer = FieldReader(fields.draft, (*fields.path, "webhook"), data, WEBHOOK_FIELDS)
    verify = outer.mapping("verify")
    if verify is None:
        return None
    path = (*outer.path, "verify")
    inner = FieldReader(fields.draft, path, verify, VERIFY_FIELDS)
    scheme = None
    if inner.require("scheme", "scheme: github"):
        scheme = inner.choice("scheme", [option.value for option in VerifyScheme])
    secret = None
    if inner.require("secret_name", "secret_name: GITHUB_WEBHOOK_SECRET"):
        secret = inner.text(
            "secret_name", maximum=MAX_SECRET_NAME, pattern=SECRET_NAME, rule=SECRET_RULE
        )
        inner.note_secret("secret_name", secret)
    if scheme not in (None, VerifyScheme.HMAC_SHA256) and inner.has("header"):
        message = f"`header` is only for the scheme `hmac-sha256`. The scheme `{scheme}` has fixed headers. Remove it."
        inner.refuse("header", "conflict", message)
    header = inner.text(
        "header", maximum=MAX_HEADER, pattern=HEADER_NAME, rule="the name of a header"
    )
    if scheme is None or secret is None:
        return None
    return VerifySpec(VerifyScheme(scheme), secret, header or DEFAULT_HEADER)
