"""Errors for requests that the guarded client refuses to send.

Messages contain only the host of a URL, because the rest can contain a secret. If the host can contain one, too, the
caller masks it with `urls.mask_host`.
"""

from stepiq.core.errors import Invalid


class RequestInvalid(Invalid):
    """The request is not valid HTTP."""

    code = "request_invalid"


class EgressBlocked(RequestInvalid):
    """Pipelines may not call this address."""

    code = "egress_blocked"

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"`{host}` cannot be called: it is {reason}. Use a public address. To allow this one, set "
            "STEPIQ_ALLOWED_PRIVATE_NETWORKS to its range for `stepiq run`, or ask the operator of the server to do so.",
            host=host,
        )


class UrlInvalid(RequestInvalid):
    """Pipelines cannot call this URL."""

    code = "url_invalid"

    def __init__(self, problem: str) -> None:
        super().__init__(f"Invalid URL: {problem}.")


class HeaderInvalid(RequestInvalid):
    """A header of the request cannot be sent."""

    code = "header_invalid"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"Invalid header `{name[:100]}` in `headers`: {problem}.")


class SecretHostRefused(RequestInvalid):
    """The call would send a secret to a host that is not in the list `hosts` of the secret."""

    code = "secret_host_refused"

    def __init__(self, secret: str, host: str) -> None:
        super().__init__(
            f"The secret `{secret}` cannot be sent to `{host}`, which is not in its `hosts`. Correct the URL, or store the "
            "secret again with this host in `hosts`.",
            secret=secret,
            host=host,
        )
