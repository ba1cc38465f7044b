"""The Python library for programs that call a stepIQ server. It imports no other part of stepIQ."""

from stepiq.client import models, webhooks
from stepiq.client.aio.client import AsyncClient
from stepiq.client.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ClientError,
    ConfigurationError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionFailedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseInvalidError,
    RunTimeoutError,
    ServerError,
    ServerUnreachableError,
    UnprocessableError,
    WebhookInvalidError,
)
from stepiq.client.requests import OMITTED, ApiResponse
from stepiq.client.sync.client import Client

__all__ = [
    "OMITTED",
    "ApiError",
    "ApiResponse",
    "AsyncClient",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "ClientError",
    "ConfigurationError",
    "ConflictError",
    "NotFoundError",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "RateLimitError",
    "RequestTimeoutError",
    "ResponseInvalidError",
    "RunTimeoutError",
    "ServerError",
    "ServerUnreachableError",
    "UnprocessableError",
    "WebhookInvalidError",
    "models",
    "webhooks",
]
