"""Reads what starts a pipeline by itself: `webhook`."""

from stepiq.language.delivery_fields import HEADER_NAME, SECRET_NAME, SECRET_RULE
from stepiq.language.drafts import Fields
from stepiq.language.targets import VerifyScheme, VerifySpec

DEFAULT_HEADER = "X-Signature"
"""Where scheme `hmac-sha256` looks, unless the document says otherwise."""


def read_webhook(fields: Fields) -> VerifySpec | None:
    """What an inbound webhook must prove; None where the key is enough."""
    data = fields.mapping("webhook")
    if data is None:
        return None
    outer = Fields(fields.draft, (*fields.path, "webhook"), data, ("verify",))
    verify = outer.mapping("verify")
    if verify is None:
        return None
    path = (*outer.path, "verify")
    inner = Fields(fields.draft, path, verify, ("scheme", "secret_name", "header"))
    scheme = None
    if inner.require("scheme", "scheme: github"):
        scheme = inner.choice("scheme", [option.value for option in VerifyScheme])
    secret = None
    if inner.require("secret_name", "secret_name: GITHUB_WEBHOOK_SECRET"):
        secret = inner.text("secret_name", maximum=100, pattern=SECRET_NAME, rule=SECRET_RULE)
    if scheme not in (None, VerifyScheme.HMAC_SHA256) and inner.has("header"):
        message = f"`header` goes with scheme hmac-sha256; {scheme} has headers of its own."
        inner.refuse("header", "conflict", message)
    header = inner.text("header", maximum=100, pattern=HEADER_NAME, rule="the name of a header")
    if scheme is None or secret is None:
        return None
    return VerifySpec(VerifyScheme(scheme), secret, header or DEFAULT_HEADER)
