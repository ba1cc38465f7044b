"""The only package that builds HTTP clients, so that every outgoing call has limits and a `User-Agent`.

`operator_client` is for addresses that the operator configures, `guarded_client` for all URLs from tenants.
"""

from stepiq.core.http.connection import SENDING
from stepiq.core.http.connection_pool import USER_AGENT, Client, operator_client
from stepiq.core.http.guarded import (
    FailureKind,
    GuardedClient,
    NetworkFailure,
    Reply,
    Timeouts,
    guarded_client,
)
from stepiq.core.http.transport import Resolver, SystemResolver
from stepiq.core.http.urls import (
    EgressBlocked,
    HeaderInvalid,
    RequestInvalid,
    SecretHostRefused,
    UrlInvalid,
    check_url,
    mask_host,
)

__all__ = [
    "SENDING",
    "USER_AGENT",
    "Client",
    "EgressBlocked",
    "FailureKind",
    "GuardedClient",
    "HeaderInvalid",
    "NetworkFailure",
    "Reply",
    "RequestInvalid",
    "Resolver",
    "SecretHostRefused",
    "SystemResolver",
    "Timeouts",
    "UrlInvalid",
    "check_url",
    "guarded_client",
    "mask_host",
    "operator_client",
]
