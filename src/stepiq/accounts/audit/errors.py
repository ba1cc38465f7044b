"""Errors of the audit log."""

from stepiq.core.errors import Invalid


class AuditHeadInvalid(Invalid):
    """The expected head of an audit chain is not in the format `SEQUENCE:HASH`."""

    code = "audit_head_invalid"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"`{text[:100]}` is not the head of an audit log. Use `SEQUENCE:HASH`, as `stepiq audit verify` prints it.",
        )
