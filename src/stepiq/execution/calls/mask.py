"""Masks the secrets of a request, so that the interceptors behind it can record it."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from stepiq.core import json
from stepiq.core.json import Json, SerializedJson, as_object
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import CallModel, Request
from stepiq.execution.records.run import ClaimedRun, StepRecord
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


RUN_PROMPT_BYTES = 16 * 1024 * 1024
"""Maximum total size of the prompts that the steps of a run record. Prompts beyond it are sent, but not recorded."""


async def mask(call: Call, following: Following) -> Any:
    """Set `described`, `request_hash` and `prompts`, and the prompts of the step at the first model call of an attempt."""
    masker = call.secrets.masker
    request = call.request
    own = await _prompts(call, request) if isinstance(request, CallModel) else {}
    if not masker.unmasked:
        call.described, call.request_hash = await of_request(request, masker, call.prompts, own)
    return await following(call)


async def _prompts(call: Call, request: CallModel) -> dict[str, Json]:
    """Keep the prompts in the step. If the step has others, return them for the record of the call."""
    record = call.record
    prompt = await call.secrets.as_recorded(request.messages[0].text)
    system_prompt = None
    if request.system_prompt is not None:
        system_prompt = await call.secrets.as_recorded(request.system_prompt)
    call.prompts = prompt, system_prompt
    numbers = (
        each.number
        for each in record.operations
        if each.kind == request.kind and each.attempt == call.attempt
    )
    first = min(numbers, default=None)
    if first is None:
        _keep(call.run, record, prompt, system_prompt)
    # A call that is replayed must have the same record as before.
    elif call.number > first and call.prompts != (record.prompt, record.system_prompt):
        return {"prompt": prompt, "system_prompt": system_prompt}
    return {}


def _keep(run: ClaimedRun, record: StepRecord, prompt: str, system_prompt: str | None) -> None:
    """Set the prompts of a step, unless those of the run would exceed `RUN_PROMPT_BYTES`."""
    if run.prompt_bytes is None:
        run.prompt_bytes = sum(
            _size(each.prompt, each.system_prompt) for each in run.steps.values()
        )
    others = run.prompt_bytes - _size(record.prompt, record.system_prompt)
    size = _size(prompt, system_prompt)
    if others + size > RUN_PROMPT_BYTES:
        record.prompt, record.system_prompt, run.prompt_bytes = None, None, others
    else:
        record.prompt, record.system_prompt, run.prompt_bytes = prompt, system_prompt, others + size


def _size(*texts: str | None) -> int:
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts if text)
