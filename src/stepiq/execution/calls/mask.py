"""Masks the secrets of a request, so that the interceptors behind it can record it."""

from typing import Any

from stepiq.core.json import Json, as_object
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import CallModel
from stepiq.redaction.masking import masked


async def mask(call: Call, following: Following) -> Any:
    """Set `described` and `prompts`, and the prompts of the step at its first call of a model."""
    masker = call.secrets.masker
    request = call.request
    if not masker.unmasked:
        apart = masker.is_slow(request.size)
        call.described = await masked(masker.value, request.described(), apart=apart)
    if isinstance(request, CallModel):
        await _prompts(call, request)
    return await following(call)


async def _prompts(call: Call, request: CallModel) -> None:
    """Keep the prompts in the step, or in the call if the step has others."""
    record = call.record
    prompt = await _text(call, request.messages[0].text)
    system_prompt = None
    if request.system_prompt is not None:
        system_prompt = await _text(call, request.system_prompt)
    call.prompts = prompt, system_prompt
    if call.number == 1 or record.prompt is None:
        record.prompt, record.system_prompt = call.prompts
    elif call.described is not None and call.prompts != (record.prompt, record.system_prompt):
        own: dict[str, Json] = {"prompt": prompt, "system_prompt": system_prompt}
        call.described = as_object(call.described) | own


async def _text(call: Call, text: str) -> str:
    masker = call.secrets.masker
    return await masked(masker.text, text, apart=masker.is_slow(len(text)))
