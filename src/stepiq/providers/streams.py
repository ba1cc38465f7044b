"""Reads an answer while it comes, the same way for every protocol."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from stepiq.providers import bounds
from stepiq.providers.base import Finished, Progress, Usage
from stepiq.providers.failures import Hide, Place, broken_off, refused, stopped
from stepiq.providers.masking import storable

if TYPE_CHECKING:
    from pydantic_ai.models import StreamedResponse


async def texts(reply: "StreamedResponse") -> AsyncGenerator[str]:
    """Pieces of the answer, without what no store and no stream can carry."""
    rest = ""
    async with aclosing(_pieces(reply)) as pieces:
        async for piece in pieces:
            text = rest + piece
            # Some servers cut between the two halves of one character.
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
    reply: "StreamedResponse", progress: Progress, place: Place, hide: Hide, *, says_why: bool
) -> Finished:
    """The end of the answer, once all of it has come.

    Args:
        reply: what was read.
        progress: gets the provider's count of tokens.
        place: who was asked for which model.
        hide: takes out of what is quoted what must not be shown.
        says_why: this provider gives a reason at the end of every whole answer.

    Raises:
        ProviderError: it is no whole answer, or none at all.
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
        # Some imitations leave out one of the two; a stream without either was cut off.
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
