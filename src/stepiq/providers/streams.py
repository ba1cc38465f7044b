"""Reads a streamed answer, in the same way for all protocols."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from stepiq.core import json
from stepiq.core.control_characters import storable
from stepiq.core.json import MalformedJson
from stepiq.providers import bounds
from stepiq.providers.answers import (
    AnswerEnding,
    Piece,
    ReasoningPiece,
    ReceivedCall,
    StreamedAnswer,
)
from stepiq.providers.base import CallProgress, Finished, Usage
from stepiq.providers.failures import (
    Hide,
    broken_off,
    call_cut_off,
    call_unusable,
    only_thoughts,
    refused,
    stopped,
)
from stepiq.providers.parts import AnswerPart, TextPart, ToolCall
from stepiq.providers.places import FailurePlace


class _Characters:
    """Makes the pieces of a text storable. Some servers split a surrogate pair."""

    def __init__(self) -> None:
        self._rest = ""

    def whole(self, piece: str) -> str:
        """The text that is complete with this piece; may be empty."""
        text = self._rest + piece
        self._rest = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        return storable(text.removesuffix(self._rest))

    def end(self) -> str:
        """What no piece has completed."""
        return storable(self._rest)


async def pieces(answer: StreamedAnswer) -> AsyncGenerator[Piece]:
    """Yield the pieces of the answer, without characters that cannot be stored or sent."""
    text, thoughts = _Characters(), _Characters()
    async with aclosing(answer.pieces()) as given:
        async for piece in given:
            if isinstance(piece, str):
                if whole := text.whole(piece):
                    yield whole
            elif isinstance(piece, ReasoningPiece):
                if whole := thoughts.whole(piece.text):
                    yield ReasoningPiece(whole)
            else:
                yield piece
    if rest := thoughts.end():
        yield ReasoningPiece(rest)
    if rest := text.end():
        yield rest


def counted(answer: StreamedAnswer, place: FailurePlace) -> Usage | None:
    """What the provider has reported of an answer that broke off; None if nothing, or nothing usable."""
    # A library can fail in the middle of an answer in any way.
    with suppress(Exception):
        return _usage(answer.ending(), place)
    return None


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
    usage = _usage(ending, place)
    if not ending.reason and not ending.has_refused and (says_why or usage is None):
        # Some compatible servers omit the reason or the usage. A stream without either was cut off.
        raise broken_off(place)
    progress.reported = usage
    is_filtered = ending.finish_reason == "content_filter"
    if ending.has_refused or (is_filtered and not progress.text):
        raise refused(place, str(ending.refusal or ending.reason), hide)
    if ending.finish_reason == "error":
        raise stopped(place, str(ending.reason), hide)
    if ending.is_within_thoughts and ending.finish_reason in ("stop", None) and not ending.calls:
        raise only_thoughts(place)
    text = progress.text
    parts: list[AnswerPart] = [*ending.reasoning]
    if text:
        parts.append(TextPart(text))
    is_cut = ending.finish_reason in ("length", "request_limit")
    parts += [_call(call, place, hide, is_cut=is_cut) for call in ending.calls]
    return Finished(
        text=text,
        usage=progress.usage(),
        model=ending.model or str(place.model),
        finish_reason=ending.finish_reason,
        parts=tuple(parts),
    )


def _usage(ending: AnswerEnding, place: FailurePlace) -> Usage | None:
    """The provider's numbers; None if it has not reported any.

    Raises:
        ProviderError: a number is impossible.
    """
    bounds.checked_tokens(
        place,
        input_tokens=ending.input_tokens,
        cached_tokens=ending.cached_tokens,
        output_tokens=ending.output_tokens,
    )
    if not ending.input_tokens + ending.output_tokens:
        return None
    return Usage(
        input_tokens=ending.input_tokens,
        cached_tokens=min(ending.cached_tokens, ending.input_tokens),
        output_tokens=ending.output_tokens,
    )


def _call(call: ReceivedCall, place: FailurePlace, hide: Hide, *, is_cut: bool) -> ToolCall:
    """A complete tool call.

    Raises:
        ProviderError: it has no name, or its arguments are not a JSON object.
    """
    name = storable(call.name)
    problem = "" if name else "The name of the tool is missing."
    try:
        # Some servers send nothing for a tool without parameters.
        value = json.loads(storable(call.arguments).encode() or b"{}")
    except MalformedJson as error:
        value, problem = None, problem or str(error)
    if not isinstance(value, dict):
        problem = problem or "The arguments are not a JSON object."
    if isinstance(value, dict) and not problem:
        return ToolCall(storable(call.id), name, value, call.details)
    if is_cut:
        raise call_cut_off(name, place, hide)
    raise call_unusable(name, problem, place, hide)
