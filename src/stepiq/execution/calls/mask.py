"""Masks the secrets of a request, so that the interceptors behind it can record it."""

from typing import Any

from stepiq.core.json import Json
from stepiq.execution.calls import payloads
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import CallModel
from stepiq.execution.records.run import ClaimedRun, StepRecord

RUN_PROMPT_BYTES = 16 * 1024 * 1024
"""Maximum total size of the prompts that the steps of a run record. Prompts beyond it are sent, but not recorded."""


async def mask(call: Call, following: Following) -> Any:
    """Set `described`, `request_hash` and `prompts`, and the prompts of the step at the first model call of an attempt."""
    masker = call.secrets.masker
    request = call.request
    own = await _prompts(call, request) if isinstance(request, CallModel) else {}
    if not masker.unmasked:
        call.described, call.request_hash = await payloads.of_request(
            request, masker, call.prompts, own
        )
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
