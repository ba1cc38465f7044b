"""Masks the secrets of a request, so that the interceptors behind it can record it."""

from typing import Any

from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import CallModel
from stepiq.redaction.masking import masked


async def mask(call: Call, following: Following) -> Any:
    """Set `described`, and the prompts of the step at its first call of a model."""
    masker = call.secrets.masker
    request = call.request
    if not masker.unmasked:
        apart = masker.is_slow(request.size)
        call.described = await masked(masker.value, request.described(), apart=apart)
    if isinstance(request, CallModel) and call.number == 1:
        call.record.prompt = await _text(call, request.messages[0].text)
        if request.system_prompt is not None:
            call.record.system_prompt = await _text(call, request.system_prompt)
    return await following(call)


async def _text(call: Call, text: str) -> str:
    masker = call.secrets.masker
    return await masked(masker.text, text, apart=masker.is_slow(len(text)))
