"""Converts errors of providers to messages for the run's owner."""

import re
import socket
from collections.abc import Callable

import httpx2

from stepiq.core.control_characters import storable
from stepiq.providers.base import ProviderError
from stepiq.providers.places import FailurePlace
from stepiq.providers.replies import ProviderReply
from stepiq.redaction.masking import EXCERPT_CHARACTERS

_SHAPES = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|key|AIza)[-_][A-Za-z0-9_\-*.…]{6,}|\bAIza[A-Za-z0-9_\-]{10,}"
)
_PRINTED = re.compile(r"\S+")
_STARS = "***"
_WORD = re.compile(r"[^\s\"'`<>,;()\[\]{}]+")
_PIECE = 6

MASK = "[key]"


def mask(text: str, key: str | None) -> str:
    """Mask the key, recognisable parts of it, and anything that looks like a key.

    Providers shorten a key to a form such as `sk-ab*****wxyz`. Any word that shares six consecutive characters with the
    key is masked, too.
    """
    if key:
        text = text.replace(key, MASK)
    # A pattern for the stars themselves would scan a long word again from each of its characters.
    text = _PRINTED.sub(_without_stars, _SHAPES.sub(MASK, text))
    if not key or len(key) < _PIECE:
        return text
    pieces = {key[at : at + _PIECE] for at in range(len(key) - _PIECE + 1)}
    return _WORD.sub(lambda word: MASK if _shares(word.group(), pieces) else word.group(), text)


def _without_stars(word: re.Match[str]) -> str:
    return MASK if _STARS in word.group() else word.group()


def _shares(word: str, pieces: set[str]) -> bool:
    return any(word[at : at + _PIECE] in pieces for at in range(len(word) - _PIECE + 1))


_MAX_QUOTED = 300
_MAX_NAME = 100
_USED_UP = (
    "credit_balance_exhausted",
    "insufficient_quota",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "project_spend_limit_exceeded",
)
"""OpenAI's codes for an account that cannot pay, so that a short wait does not help.

https://platform.openai.com/docs/guides/error-codes
"""


Hide = Callable[[str], str]
"""Removes secrets from a quote of a reply."""


def broken_off(place: FailurePlace) -> ProviderError:
    """The stream ended before the answer was complete."""
    return ProviderError(
        "provider_error",
        f"{place.subject} closed the connection in the middle of its response. Run the step again.",
        retryable=True,
    )


def stopped(place: FailurePlace, quoted: str, hide: Hide) -> ProviderError:
    """The provider reported an error in the middle of the answer."""
    return ProviderError(
        "provider_error",
        f"{place.subject} reported an error in the middle of its response.{_quote(quoted, hide)} Run the step again later.",
        retryable=True,
    )


def only_thoughts(place: FailurePlace) -> ProviderError:
    """The answer consists of thoughts that have no end."""
    return ProviderError(
        "provider_error",
        f"{place.subject} ended its answer within its thoughts: `</think>` is missing. Run the step again, or use"
        " another `model`.",
        # Another answer may be complete.
        retryable=True,
        status=200,
    )


def refused(place: FailurePlace, quoted: str, hide: Hide) -> ProviderError:
    """The model, or a filter of its input or output, refused to answer."""
    return ProviderError(
        "provider_error",
        f"{place.subject} refused to answer.{_quote(quoted, hide)} Change the prompt, or use another `model`.",
        status=200,
    )


def key_unsendable(place: FailurePlace) -> ProviderError:
    """The key cannot be part of an HTTP header."""
    return ProviderError(
        "provider_auth",
        f"The key in {place.key} contains a space, a line break or a non-ASCII character, so it cannot be sent to"
        f" {place.label}. Copy it again from your {place.label} account.",
    )


def hiding(key: str | None, redact: Hide = str) -> Hide:
    """Create a function that shortens a text and removes the key and the secrets that `redact` finds."""

    def hide(text: str) -> str:
        # One character more than is shown, so that `redact` can detect that the text continues.
        return mask(redact(storable(text[: EXCERPT_CHARACTERS + 1])), key)

    return hide


def explain(
    error: Exception,
    place: FailurePlace,
    key: str | None,
    *,
    answering: bool = False,
    redact: Hide = str,
) -> ProviderError:
    """Convert an exception to an error with a failure code, a message with advice, and whether a retry may succeed.

    Args:
        error: the exception.
        place: the provider and model that were called.
        key: the key that was sent, which is removed from quotes.
        answering: a part of the answer had already arrived.
        redact: removes other secrets from quotes.
    """
    hide = hiding(key, redact)
    match error:
        case httpx2.TimeoutException() | TimeoutError():
            return timed_out(place)
        case httpx2.TransportError() if answering:
            return broken_off(place)
        case httpx2.TransportError():
            return unreachable(error, place)
        case _:
            return unreadable(str(error), place, hide)


def explain_reply(reply: ProviderReply, place: FailurePlace, hide: Hide) -> ProviderError:
    """Convert an HTTP error to a `ProviderError` with advice."""
    quoted = _quote(reply.message, hide)
    match reply.status:
        case 401 | 403:
            return _key_refused(reply, place, quoted)
        case _ if reply.has("API_KEY_INVALID"):
            # Google returns 400 for an invalid key.
            return _key_refused(reply, place, "")
        case _ if reply.is_used_up or reply.status in (402, 429):
            return _limited(reply, place, quoted)
        case _ if _is_about_the_model(reply, place):
            return ProviderError(
                "model_unknown",
                f"{place.label} has no model `{place.model}`, or the key may not use it (status {reply.status}).{quoted} Use"
                " another `model`. `stepiq models --all` lists the known ones.",
                status=reply.status,
            )
        case 404:
            return ProviderError(
                "provider_error",
                f"{place.base_url} does not speak {place.protocol} (status 404). Check {place.url}: {place.usual_end}.",
                status=404,
            )
        case status if status == 408 or status >= 500:
            return ProviderError(
                "provider_error",
                f"{place.subject} failed with status {status}.{quoted} The problem is on the provider's side. Run the step again later.",
                retryable=True,
                retry_after=reply.retry_after,
                status=status,
            )
        case status if status < 400:
            return ProviderError(
                "provider_error",
                f"{place.label} returned a redirect (status {status}), which is not followed. Set {place.url} to"
                " the final address.",
                status=status,
            )
        case status:
            return ProviderError(
                "provider_error",
                f"{place.subject} rejected the request with status {status}.{quoted} Check the step's `model`, `max_tokens`,"
                " `temperature` and `output_schema`.",
                status=status,
            )


def _is_about_the_model(reply: ProviderReply, place: FailurePlace) -> bool:
    if not place.no_model_codes.isdisjoint(reply.codes):
        return True
    is_named = any("model" in code for code in reply.codes) or (
        place.model is not None and place.model in reply.message
    )
    return reply.status == 404 and is_named


def _key_refused(reply: ProviderReply, place: FailurePlace, quoted: str) -> ProviderError:
    if place.key_setting is None:
        message = (
            f"{place.label} requires a key (status {reply.status}), but none is configured. See {place.url} in the"
            " settings."
        )
    elif reply.status != 403:
        # The reply is not quoted, because providers repeat the key in it.
        message = (
            f"{place.label} rejected the key in {place.key} (status {reply.status}). Check that the key is complete,"
            f" not revoked, and valid for {place.base_url}."
        )
    else:
        message = (
            f"{place.subject} denied access with the key in {place.key} (status 403).{quoted} Check the permissions of"
            " the key."
        )
    return ProviderError("provider_auth", message, status=reply.status)


def _limited(reply: ProviderReply, place: FailurePlace, quoted: str) -> ProviderError:
    is_billing = reply.status == 402 or any("billing" in code for code in reply.codes)
    if reply.is_used_up or is_billing or reply.has(*_USED_UP, *place.used_up_codes):
        return ProviderError(
            "provider_rate_limited",
            f"The {place.label} account of {place.key or place.url} has used up its quota (status"
            f" {reply.status}).{quoted} Raise the quota at {place.label}, or use another `model`.",
            status=reply.status,
        )
    return ProviderError(
        "provider_rate_limited",
        f"{place.subject} has reached its rate limit (status 429).{quoted} Start fewer runs at once, raise the limit at"
        f" {place.label}, or set a higher `retry.max_attempts` in the step.",
        retryable=True,
        retry_after=reply.retry_after,
        status=429,
    )


def timed_out(place: FailurePlace) -> ProviderError:
    """The provider did not respond in time."""
    return _unreachable(place, "did not respond in time")


def unreachable(error: BaseException, place: FailurePlace) -> ProviderError:
    """The provider cannot be reached, or closed the connection."""
    match _lookup_error(error):
        case None:
            return _unreachable(place, "could not be reached, or closed the connection")
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return _unreachable(
                place,
                "could not be reached: DNS gave no answer for its host name",
                f"Check {place.url}, the network, and the DNS servers of this machine.",
            )
        case _:
            return _unreachable(
                place,
                "could not be reached: its host name was not found in DNS",
                f"Check {place.url}, and the network of the server.",
            )


def _lookup_error(error: BaseException) -> socket.gaierror | None:
    if isinstance(error, socket.gaierror):
        return error
    return None if error.__cause__ is None else _lookup_error(error.__cause__)


def _unreachable(place: FailurePlace, what: str, advice: str = "") -> ProviderError:
    advice = (
        advice
        or place.when_unreachable
        or f"Check that it is running and that {place.url} is correct."
    )
    return ProviderError(
        "provider_error",
        f"{place.subject} at {place.base_url} {what}. {advice}",
        retryable=True,
    )


def unreadable(why: str, place: FailurePlace, hide: Hide) -> ProviderError:
    """The response does not follow the protocol."""
    return ProviderError(
        "provider_error",
        f"{place.subject} sent an invalid response.{_quote(why, hide)} Check that {place.url} is the address of"
        f" a server that speaks {place.protocol}.",
        # The cause may be temporary, such as an error page of a proxy or a truncated line.
        retryable=True,
    )


def call_unusable(name: str, problem: str, place: FailurePlace, hide: Hide) -> ProviderError:
    """The model called a tool in a way that cannot be read."""
    return ProviderError(
        "provider_error",
        f"{place.subject} sent an invalid call of the tool `{_shown(name, hide)}`. {hide(problem)} Simplify the tool's"
        " parameters, or use another `model`.",
        # Another answer may be valid.
        retryable=True,
        status=200,
    )


def call_cut_off(name: str, place: FailurePlace, hide: Hide) -> ProviderError:
    """A call of a tool ended at the limit of tokens."""
    return ProviderError(
        "provider_error",
        f"{place.subject} reached the limit of tokens within its call of the tool `{_shown(name, hide)}`. Set a higher"
        " `max_tokens`.",
        status=200,
    )


def too_many_calls(place: FailurePlace, most: int) -> ProviderError:
    """One answer calls too many tools."""
    return ProviderError(
        "provider_error",
        f"{place.subject} called more than {most} tools in one answer. Use another `model`, or ask it to call fewer.",
        retryable=True,
        status=200,
    )


def file_refused(media_type: str, place: FailurePlace, problem: str) -> ProviderError:
    """A file cannot be sent to this provider."""
    return ProviderError(
        "provider_error", f"{place.subject} cannot get a file of type `{media_type}`. {problem}"
    )


def _shown(name: str, hide: Hide) -> str:
    return hide(name)[:_MAX_NAME]


def _quote(text: str, hide: Hide) -> str:
    cleaned = " ".join(hide(text).split())
    if not cleaned:
        return ""
    shortened = cleaned if len(cleaned) <= _MAX_QUOTED else cleaned[:_MAX_QUOTED] + "…"
    end = "" if shortened[-1] in ".!?…" else "."
    return f' Its message: "{shortened}"{end}'
