"""Gemini's streamGenerateContent, with the behaviour of Google's servers."""

from collections.abc import Iterator
from typing import Any

from tests.support.vendor_server import Refusal, Seen, VendorServer, event


def refusal(status: int, kind: str, message: str, *details: dict[str, Any]) -> Refusal:
    """An error in Google's format."""
    return Refusal(status, failure(status, kind, message, *details))


def failure(status: int, kind: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    error = {"code": status, "message": message, "status": kind}
    return {"error": {**error, "details": list(details)} if details else error}


class GeminiServer(VendorServer):
    """Gemini's API, which reports tokens in every chunk."""

    thought_tokens = 0
    """Tokens of thoughts before the answer, which are counted separately."""

    def key_in(self, headers: dict[str, str]) -> str | None:
        return headers.get("x-goog-api-key")

    def wrong_key(self) -> Refusal:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        return refusal(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid one.", info)

    def listing(self) -> Any:
        return {"models": [{"name": f"models/{name}", "version": "1"} for name in self.models]}

    def made_of(self, seen: Seen) -> Iterator[bytes]:
        name = seen.path.rpartition("/")[2].partition(":")[0]
        if self.thought_tokens:
            yield event(self._chunk(name, [{"text": "Let me think.", "thought": True}], 0))
        for number, piece in enumerate(self.pieces[:-1]):
            yield event(self._chunk(name, [{"text": piece}], number + 1))
        parts = [{"text": self.pieces[-1]}] if self.pieces else []
        last = self._chunk(name, parts, self.output_tokens)
        last["candidates"][0]["finishReason"] = self.ending or "STOP"
        yield event(last)

    def _chunk(self, name: str, parts: list[dict[str, Any]], written: int) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "promptTokenCount": self.input_tokens,
            "candidatesTokenCount": written,
            "totalTokenCount": self.total_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": self.input_tokens}],
        }
        if self.cached_tokens != 0:
            usage["cachedContentTokenCount"] = self.cached_tokens
        if self.thought_tokens:
            usage["thoughtsTokenCount"] = self.thought_tokens
        return {
            "candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
            "usageMetadata": usage,
            "modelVersion": self.ran or name,
            "responseId": "kq3YaJvGL5KhkdUP",
        }
