"""The Chat Completions APIs of Mistral and Z.ai, each with its own errors and fields, and one that accepts any."""

from collections.abc import Iterator
from typing import Any

from tests.support.vendor_server import Refusal, Seen, VendorServer, event


class ChatServer(VendorServer):
    """The common part of both."""

    def key_in(self, headers: dict[str, str]) -> str | None:
        return headers.get("authorization", "").removeprefix("Bearer ")

    def listing(self) -> Any:
        data = [{"id": name, "object": "model", "owned_by": "maker"} for name in self.models]
        return {"object": "list", "data": data}

    def made_of(self, seen: Seen) -> Iterator[bytes]:
        yield event(self.chunk(seen, {"role": "assistant", "content": ""}))
        for piece in self.pieces:
            yield event(self.chunk(seen, {"content": piece}))
        yield event(self.chunk(seen, {"content": ""}, self.ending or "stop"))
        yield event("[DONE]")

    def chunk(self, seen: Seen, delta: dict[str, Any], ending: str | None = None) -> dict[str, Any]:
        """One chunk of a response. The last one contains the usage."""
        made: dict[str, Any] = {
            "id": "cmpl-e5cc70bb28c444948073e77776eb30ef",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": self.ran or seen.body["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": ending}],
        }
        if ending is not None:
            made["usage"] = {
                "prompt_tokens": self.input_tokens,
                "completion_tokens": self.output_tokens,
                "total_tokens": self.total_tokens,
                "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            }
        return made


class MistralServer(ChatServer):
    """Mistral's API, which refuses unknown fields."""

    known = frozenset(
        {"model", "messages", "stream", "temperature", "max_tokens", "response_format", "tools"}
    )

    def wrong_key(self) -> Refusal:
        return Refusal(401, {"detail": "Unauthorized"})

    def refusal_of(self, seen: Seen) -> Refusal | None:
        if seen.body is None:
            return None
        flaws = [
            {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are forbidden"}
            for name in sorted(set(seen.body) - self.known)
        ]
        if not flaws:
            return None
        error = {"object": "error", "message": {"detail": flaws}, "type": "invalid_request_error"}
        return Refusal(422, {**error, "param": None, "code": None})


def mistral_refusal(status: int, message: str, kind: str, code: str, **headers: str) -> Refusal:
    """An error in Mistral's format."""
    error = {"object": "error", "message": message, "type": kind, "param": None, "code": code}
    return Refusal(status, error, headers)


class ZaiServer(ChatServer):
    """Z.ai's API, which returns reasoning in a separate field."""

    def wrong_key(self) -> Refusal:
        return zai_refusal(401, "1000", "Authentication Failed")


def zai_refusal(status: int, code: str, message: str) -> Refusal:
    """An error in Z.ai's format."""
    return Refusal(status, {"error": {"code": code, "message": message}})


class CompatibleServer(ChatServer):
    """A server that accepts any field."""

    def wrong_key(self) -> Refusal:
        return Refusal(401, {})


def chunk_event(content: Any = None, ending: str | None = None, **fields: Any) -> bytes:
    """One chunk of a response of a `CompatibleServer`, as an event."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": ending}
    return event({"model": "llama", "choices": [choice], **fields})
