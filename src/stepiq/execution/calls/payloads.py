"""Serializes what is recorded of a call: once, and outside the event loop if it is large."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from stepiq.core import json
from stepiq.core.json import Json, SerializedJson, as_object
from stepiq.execution.calls.requests import Request
from stepiq.language import offload
from stepiq.redaction.masking import Masker

T = TypeVar("T")


async def of_request(
    request: Request[Any], masker: Masker, prompts: tuple[str | None, ...], own: dict[str, Json]
) -> tuple[SerializedJson, str]:
    """A request as it is recorded, and its hash.

    The hash is the SHA-256 of the masked request and the prompts as canonical JSON. Masked, because a secret can be
    changed while a run waits, and because a hash helps to guess a short secret.

    Args:
        request: the request.
        masker: masks its secrets.
        prompts: the masked prompts of a model call.
        own: what is added to the record of the request, already masked.
    """

    def write() -> tuple[SerializedJson, str]:
        described = masker.value(request.described())
        text = SerializedJson.of(as_object(described) | own if own else described)
        content = ",".join([text, *(json.dumps(prompt) for prompt in prompts)])
        return text, hashlib.sha256(f"[{content}]".encode()).hexdigest()

    size = request.size + sum(len(prompt or "") for prompt in prompts)
    return await _apart(write, size, masker)


async def of_reply(request: Request[Any], reply: Any, masker: Masker) -> SerializedJson:
    """A reply as it is recorded."""
    return await _apart(
        lambda: SerializedJson.of(masker.value(request.to_json(reply))),
        request.reply_size(reply),
        masker,
    )


async def _apart(write: Callable[[], T], size: int, masker: Masker) -> T:
    if masker.is_slow(size):
        return await offload.compute_long(write)
    return await offload.compute(write) if size > offload.INLINE_CHARACTERS else write()
