"""What the guarded client refuses to send. Messages name the host and nothing else of a URL: the rest may hold a secret."""

from stepiq.core.errors import Invalid


class RequestInvalid(Invalid):
    """The request cannot be sent as it is written."""

    code = "request_invalid"


class EgressBlocked(RequestInvalid):
    """The address belongs to a network that pipelines may not call."""

    code = "egress_blocked"

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"`{host}` cannot be called: it is {reason}. An operator who wants pipelines to reach it adds its range to "
            "STEPIQ_ALLOWED_PRIVATE_NETWORKS.",
            host=host,
        )


class UrlInvalid(RequestInvalid):
    """The URL is none that pipelines can call."""

    code = "url_invalid"

    def __init__(self, problem: str) -> None:
        super().__init__(f"The URL cannot be called: {problem}.")


class HeaderInvalid(RequestInvalid):
    """The request has a header that cannot be sent."""

    code = "header_invalid"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"The header `{name[:100]}` cannot be sent: {problem}.")
