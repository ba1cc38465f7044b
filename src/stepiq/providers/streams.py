"""Reads a streamed answer, in the same way for all protocols."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from stepiq.core.control_characters import storable
from stepiq.providers import bounds
from stepiq.providers.base import CallProgress, Finished, Usage
from stepiq.providers.failures import Hide, broken_off, refused, stopped
from stepiq.providers.places import FailurePlace

if TYPE_CHECKING:
    from pydantic_ai.models import StreamedResponse


async def texts(reply: "StreamedResponse") -> AsyncGenerator[str]:
    """Yield the pieces of the answer, without characters that cannot be stored or sent."""
    rest = ""
    async with aclosing(_pieces(reply)) as pieces:
        async for piece in pieces:
            text = rest + piece
            # Some servers split a surrogate pair.
            rest = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            if whole := storable(text.removesuffix(rest)):
                yield whole
    if rest:
        yield storable(rest)


async def _pieces(reply: "StreamedResponse") -> AsyncGenerator[str]:
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    async for event in reply:
        match event:
            case PartStartEvent(part=TextPart(content=text)) if text:
                yield text
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                yield text
            case _:
                pass


def finished(
    reply: "StreamedResponse",
    progress: CallProgress,
    place: FailurePlace,
    hide: Hide,
    *,
    says_why: bool,
) -> Finished:
    """The end of the answer, once the stream has ended.

    Args:
        reply: the stream, read to its end.
        progress: receives the provider's numbers of tokens.
        place: the provider and model that were called.
        hide: removes secrets from quotes.
        says_why: this provider sends a finish reason with every complete answer.

    Raises:
        ProviderError: the answer is incomplete, or the model refused to answer.
    """
    details = reply.provider_details or {}
    usage = reply.usage
    bounds.checked_tokens(
        place,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cache_read_tokens,
        output_tokens=usage.output_tokens,
    )
    counted = usage.input_tokens + usage.output_tokens > 0
    reason = details.get("finish_reason") or details.get("block_reason")
    has_refused = "refusal" in details or reason == "refusal"
    if not reason and not has_refused and (says_why or not counted):
        # Some compatible servers omit the reason or the usage. A stream without either was cut off.
        raise broken_off(place)
    if counted:
        progress.reported = Usage(
            input_tokens=usage.input_tokens,
            cached_tokens=min(usage.cache_read_tokens, usage.input_tokens),
            output_tokens=usage.output_tokens,
        )
    is_filtered = reply.finish_reason == "content_filter"
    if has_refused or (is_filtered and not progress.chunks):
        said = details.get("refusal") or details.get("block_reason_message") or reason
        raise refused(place, str(said), hide)
    if reply.finish_reason == "error":
        raise stopped(place, str(reason), hide)
    return Finished(
        text=progress.text,
        usage=progress.usage(),
        model=reply.model_name or str(place.model),
        finish_reason=reply.finish_reason,
    )
