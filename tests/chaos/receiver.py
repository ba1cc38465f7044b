"""A receiver of webhooks with scripted responses, which verifies signatures itself and records every request."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from standardwebhooks import Webhook, WebhookVerificationError

from tests.chaos.http_server import Talk, serving
from tests.chaos.ledger import Ledger
from tests.chaos.pipelines import SECRET
from tests.chaos.plan import for_text

SCRIPTS = {
    "good": [200],
    "late": [503, 200],
    "lost": [0, 200],  # 0: hangs up
    "last": [503, 0, 500, 200],
    "down": [500, 503, 500, 503],
    "refuses": [400],
}
_WEIGHTS = [55, 15, 10, 6, 8, 6]


class Receiver:
    """Responds to each delivery as the seed determines for the tag of its run."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self._ledger = ledger
        self._seed = seed
        self._seen: Counter[str] = Counter()

    async def __call__(self, talk: Talk) -> None:
        asked = talk.asked
        envelope = json.loads(asked.body)
        delivery_id = asked.headers.get("webhook-id", "")
        tag = str(envelope["input"].get("tag"))
        chances = for_text(self._seed, "receiver", tag)
        (script,) = chances.choices(list(SCRIPTS.values()), _WEIGHTS)
        status = script[min(self._seen[delivery_id], len(script) - 1)]
        self._seen[delivery_id] += 1
        await asyncio.sleep(chances.uniform(0, 0.15))
        # Also if the client has already disconnected.
        self._ledger.note(
            "hook",
            at=asked.at,
            delivery_id=delivery_id,
            path=asked.path,
            tag=tag,
            is_genuine=is_genuine(asked.headers, asked.body),
            status=status,
            envelope=envelope,
            answered_at=time.time(),
        )
        if status:
            await talk.answer(status, b"scripted")


def is_genuine(headers: dict[str, str], body: bytes) -> bool:
    """Whether both signatures are valid: stepIQ's, and that of Standard Webhooks, which its own library verifies."""
    timestamp = headers.get("x-stepiq-timestamp", "")
    signed = timestamp.encode() + b"." + body
    wanted = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    try:
        Webhook(SECRET).verify(body, headers)
    except WebhookVerificationError:
        return False
    return hmac.compare_digest(wanted, headers.get("x-stepiq-signature", ""))


@asynccontextmanager
async def running_receiver(ledger: Ledger, seed: int) -> AsyncIterator[str]:
    """Run a receiver on a free port, and yield its URL."""
    async with serving(Receiver(ledger, seed)) as url:
        yield url
