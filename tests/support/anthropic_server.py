"""Anthropic's Messages API, streamed, with the behaviour of its own servers."""

from collections.abc import Iterator
from typing import Any

from tests.support.vendor_server import Refusal, Seen, VendorServer, event


def refusal(status: int, kind: str, message: str, **headers: str) -> Refusal:
    """An error in Anthropic's format."""
    return Refusal(status, failure(kind, message), headers)


def failure(kind: str, message: str) -> dict[str, Any]:
    error = {"type": kind, "message": message}
    return {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


class AnthropicServer(VendorServer):
    """Refuses requests that Anthropic's servers would refuse because a field is missing."""

    kept_tokens = 0
    """Input tokens written to the cache."""
    thinks: str | None = None
    """Text of a thinking block before the answer."""
    refuses_with: str | None = None
    """If set, the model refuses after its text, with this explanation."""

    def key_in(self, headers: dict[str, str]) -> str | None:
        return headers.get("x-api-key")

    def wrong_key(self) -> Refusal:
        return refusal(401, "authentication_error", "invalid x-api-key")

    def refusal_of(self, seen: Seen) -> Refusal | None:
        if seen.headers.get("anthropic-version") != "2023-06-01":
            return refusal(400, "invalid_request_error", "anthropic-version: header is required")
        if seen.method == "POST" and not isinstance(seen.body.get("max_tokens"), int):
            return refusal(400, "invalid_request_error", "max_tokens: Field required")
        return None

    def listing(self) -> Any:
        data = [{"type": "model", "id": name, "display_name": name} for name in self.models]
        return {"data": data, "has_more": False, "first_id": None, "last_id": None}

    def made_of(self, seen: Seen) -> Iterator[bytes]:
        yield event({"type": "message_start", "message": self._message(seen)}, "message_start")
        yield event({"type": "ping"}, "ping")
        if self.thinks is not None:
            deltas = [{"type": "thinking_delta", "thinking": self.thinks}]
            yield from _block(0, {"type": "thinking", "thinking": "", "signature": ""}, deltas)
        deltas = [{"type": "text_delta", "text": piece} for piece in self.pieces]
        yield from _block(int(self.thinks is not None), {"type": "text", "text": ""}, deltas)
        yield event(
            {
                "type": "message_delta",
                "delta": self._ending(),
                "usage": {"output_tokens": self.output_tokens},
            },
            "message_delta",
        )
        yield event({"type": "message_stop"}, "message_stop")

    def _message(self, seen: Seen) -> dict[str, Any]:
        usage = {
            # Without tokens read from the cache.
            "input_tokens": self.uncached_tokens,
            "cache_creation_input_tokens": self.kept_tokens,
            "cache_read_input_tokens": self.cached_tokens,
            "output_tokens": 1,
            "service_tier": "standard",
        }
        return {
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
            "type": "message",
            "role": "assistant",
            "model": self.ran or seen.body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }

    def _ending(self) -> dict[str, Any]:
        if self.refuses_with is None:
            return {"stop_reason": self.ending or "end_turn", "stop_sequence": None}
        details = {"type": "refusal", "category": "cyber", "explanation": self.refuses_with}
        return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}


def _block(index: int, block: dict[str, str], deltas: list[dict[str, str]]) -> Iterator[bytes]:
    kind = "content_block"
    yield event({"type": f"{kind}_start", "index": index, kind: block}, f"{kind}_start")
    for delta in deltas:
        yield event({"type": f"{kind}_delta", "index": index, "delta": delta}, f"{kind}_delta")
    yield event({"type": f"{kind}_stop", "index": index}, f"{kind}_stop")
