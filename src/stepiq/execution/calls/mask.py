"""Masks the secrets of a request, so that the interceptors behind it can record it."""

from typing import Any

from stepiq.core.json import Json
from stepiq.execution.calls import payloads
from stepiq.execution.calls.call import Call, Following
from stepiq.execution.calls.requests import CallModel
from stepiq.redaction.masking import masked


async def mask(call: Call, following: Following) -> Any:
    """Set `described`, `request_hash` and `prompts`, and the prompts of the step at its first call of a model."""
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
    prompt = await text_of(call, request.messages[0].text)
    system_prompt = None
    if request.system_prompt is not None:
        system_prompt = await text_of(call, request.system_prompt)
    call.prompts = prompt, system_prompt
    if call.number == 1 or record.prompt is None:
        record.prompt, record.system_prompt = call.prompts
    elif call.prompts != (record.prompt, record.system_prompt):
        return {"prompt": prompt, "system_prompt": system_prompt}
    return {}


async def text_of(call: Call, text: str) -> str:
    """A text of the call as it is recorded. A long one is masked in a thread."""
    secrets = call.secrets
    return await masked(secrets.recorded, text, apart=secrets.masker.is_slow(len(text)))
