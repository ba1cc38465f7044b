"""Reads a streamed answer, in the same way for all protocols."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from stepiq.core.control_characters import storable
from stepiq.providers import bounds
from stepiq.providers.answers import AnswerEnding, StreamedAnswer
from stepiq.providers.base import CallProgress, Finished, Usage
from stepiq.providers.failures import Hide, broken_off, refused, stopped
from stepiq.providers.places import FailurePlace


async def texts(answer: StreamedAnswer) -> AsyncGenerator[str]:
    """Yield the pieces of the answer, without characters that cannot be stored or sent."""
    rest = ""
    async with aclosing(answer.texts()) as pieces:
        async for piece in pieces:
            text = rest + piece
            # Some servers split a surrogate pair.
            rest = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            if whole := storable(text.removesuffix(rest)):
                yield whole
    if rest:
        yield storable(rest)


def finished(
    ending: AnswerEnding, progress: CallProgress, place: FailurePlace, hide: Hide, *, says_why: bool
) -> Finished:
    """The end of the answer, once the stream has ended.

    Args:
        ending: what the provider reported.
        progress: receives the provider's numbers of tokens.
        place: the provider and model that were called.
        hide: removes secrets from quotes.
        says_why: this provider sends a finish reason with every complete answer.

    Raises:
        ProviderError: the answer is incomplete, or the model refused to answer.
    """
    bounds.checked_tokens(
        place,
        input_tokens=ending.input_tokens,
        cached_tokens=ending.cached_tokens,
        output_tokens=ending.output_tokens,
    )
    counted = ending.input_tokens + ending.output_tokens > 0
    if not ending.reason and not ending.has_refused and (says_why or not counted):
        # Some compatible servers omit the reason or the usage. A stream without either was cut off.
        raise broken_off(place)
    if counted:
        progress.reported = Usage(
            input_tokens=ending.input_tokens,
            cached_tokens=min(ending.cached_tokens, ending.input_tokens),
            output_tokens=ending.output_tokens,
        )
    is_filtered = ending.finish_reason == "content_filter"
    if ending.has_refused or (is_filtered and not progress.chunks):
        raise refused(place, str(ending.refusal or ending.reason), hide)
    if ending.finish_reason == "error":
        raise stopped(place, str(ending.reason), hide)
    return Finished(
        text=progress.text,
        usage=progress.usage(),
        model=ending.model or str(place.model),
        finish_reason=ending.finish_reason,
    )
