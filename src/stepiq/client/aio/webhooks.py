"""Webhooks: start runs by webhook, and read the webhooks that the server sends."""

from collections.abc import Iterable

from stepiq.client import webhooks
from stepiq.client.aio.operations import AsyncWebhooksOperations
from stepiq.client.webhooks import TOLERANCE, ReceivedHeaders, WebhookEvent


class AsyncWebhooks(AsyncWebhooksOperations):
    """Inbound and outbound webhooks."""

    @staticmethod
    def unwrap(
        body: bytes,
        headers: ReceivedHeaders,
        secret: str | Iterable[str],
        *,
        tolerance: float = TOLERANCE,
    ) -> WebhookEvent:
        """Verify a webhook of the server: `stepiq.client.webhooks.unwrap`, which needs no client."""
        return webhooks.unwrap(body, headers, secret, tolerance=tolerance)
