"""Turns whatever a provider or its library throws into a message for the run's owner."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx2

from stepiq.engine.providers.base import ProviderError
from stepiq.engine.providers.masking import mask, storable
from stepiq.engine.providers.replies import Reply

_MAX_QUOTED = 300


@dataclass(frozen=True, slots=True)
class Place:
    """What a message names: who was asked for what, and which settings decide it."""

    provider: str
    label: str
    """The provider's name for people."""
    base_url: str
    key_setting: str | None
    """The variable that holds the key; None where no key is used."""
    url_setting: str
    """The setting that holds the URL."""
    when_unreachable: str | None = None
    """What to do when nothing answers there. Default: to check the setting that holds the URL."""
    model: str | None = None
    protocol: str = "OpenAI's Chat Completions"
    """What is spoken there."""
    usual_end: str = "it usually ends in /v1"
    """What to look at in a URL behind which nobody speaks it."""
    no_model_codes: frozenset[str] = frozenset()
    """Codes of its own for a model that it does not have, besides a 404."""

    def of(self, model: str) -> "Place":
        """The same place, asked for one model."""
        return replace(self, model=model)

    @property
    def subject(self) -> str:
        return f"{self.label} (model `{self.model}`)" if self.model else self.label


Hide = Callable[[str], str]
"""Takes out of a reply what must not be shown."""


def broken_off(place: Place) -> ProviderError:
    """The stream ended before the answer did."""
    return ProviderError(
        "provider_error",
        f"{place.subject} broke off in the middle of its answer. Nothing is wrong with the step; try again.",
        retryable=True,
    )


def stopped(place: Place, said: str, hide: Hide) -> ProviderError:
    """The provider itself says that it cannot end the answer that it began."""
    return ProviderError(
        "provider_error",
        f"{place.subject} gave up in the middle of its answer.{_quote(said, hide)} This is on the provider's side and"
        " usually passes.",
        retryable=True,
    )


def refused(place: Place, said: str, hide: Hide) -> ProviderError:
    """The model, or a filter before or behind it, does not want to answer."""
    return ProviderError(
        "provider_error",
        f"{place.label} refused to answer with `{place.model}`.{_quote(said, hide)} Change the prompt, or use another"
        " `model`.",
        status=200,
    )


def key_unsendable(place: Place) -> ProviderError:
    """The key cannot be part of an HTTP header."""
    return ProviderError(
        "provider_auth",
        f"The key in {place.key_setting} has a blank, a line break or a letter outside ASCII, so it cannot be sent to"
        f" {place.label}. Copy it again from your {place.label} account.",
    )


def hiding(key: str | None, redact: Hide = str) -> Hide:
    """Takes a key out of a text, and what `redact` knows of."""

    def hide(text: str) -> str:
        return mask(redact(storable(text)), key)

    return hide


def explain(
    error: Exception,
    place: Place,
    key: str | None,
    *,
    answering: bool = False,
    redact: Hide = str,
) -> ProviderError:
    """The failure in words that help, with its failure code and whether trying again makes sense.

    Args:
        error: what the library threw.
        place: who was asked.
        key: the key that was sent, to keep it out of what is quoted.
        answering: a part of the answer had come already.
        redact: takes out of what is quoted what else must not be shown.
    """
    from pydantic_ai.exceptions import (
        ModelAPIError,
        ModelConnectionError,
        ModelHTTPError,
        ModelTimeoutError,
    )

    hide = hiding(key, redact)
    match error:
        case ModelHTTPError():
            return explain_reply(Reply.of(error), place, hide)
        case ModelConnectionError() if answering:
            return broken_off(place)
        case ModelTimeoutError() | TimeoutError() | httpx2.TimeoutException():
            return _unreachable(place, "did not answer in time")
        case ModelConnectionError() | httpx2.TransportError():
            return _unreachable(place, "could not be reached, or hung up")
        case _:
            pass
    if (reply := _reply_behind(error)) is not None:
        return explain_reply(reply, place, hide)
    if isinstance(error, ModelAPIError) and error.in_stream:
        return stopped(place, Reply.read(200, {}, error.body).message or str(error), hide)
    return _unreadable(error, place, hide)


def _reply_behind(error: Exception) -> Reply | None:
    """A refusal that a library wraps without telling its status, as it does with redirects."""
    cause = error.__cause__
    response = getattr(cause, "response", None)
    if not isinstance(response, httpx2.Response) or response.status_code < 300:
        return None
    return Reply.read(response.status_code, response.headers, getattr(cause, "body", None))


def explain_reply(reply: Reply, place: Place, hide: Hide) -> ProviderError:
    """A refusal in words that help."""
    said = _quote(reply.message, hide)
    match reply.status:
        case 401 | 403:
            return _key_refused(reply, place, said)
        case _ if reply.has("API_KEY_INVALID"):
            # Google calls a wrong key a bad request.
            return _key_refused(reply, place, "")
        case _ if reply.is_used_up or reply.status == 429:
            return _limited(reply, place, said)
        case _ if _is_about_the_model(reply, place):
            return ProviderError(
                "model_unknown",
                f"{place.label} has no model `{place.model}`, or this key may not use it ({reply.status}).{said} Choose"
                " another `model`; `stepiq models` lists those that are known.",
                status=reply.status,
            )
        case 404:
            return ProviderError(
                "provider_error",
                f"{place.base_url} does not speak {place.protocol} (404). Check {place.url_setting}: {place.usual_end}.",
                status=404,
            )
        case status if status == 408 or status >= 500:
            return ProviderError(
                "provider_error",
                f"{place.subject} answered {status}.{said} This is on the provider's side and usually passes.",
                retryable=True,
                retry_after=reply.retry_after,
                status=status,
            )
        case status if status < 400:
            return ProviderError(
                "provider_error",
                f"{place.label} redirects elsewhere ({status}), which is not followed. Put the final address into"
                f" {place.url_setting}.",
                status=status,
            )
        case status:
            return ProviderError(
                "provider_error",
                f"{place.subject} refused the request ({status}).{said} Check the step's `model`, `max_tokens`,"
                " `temperature` and `output_schema`.",
                status=status,
            )


def _is_about_the_model(reply: Reply, place: Place) -> bool:
    if not place.no_model_codes.isdisjoint(reply.codes):
        return True
    is_named = any("model" in code for code in reply.codes) or (
        place.model is not None and place.model in reply.message
    )
    return reply.status == 404 and is_named


def _key_refused(reply: Reply, place: Place, said: str) -> ProviderError:
    if place.key_setting is None:
        message = (
            f"{place.label} asks for a key ({reply.status}), and none is configured for it. See {place.url_setting}"
            " in the settings."
        )
    elif reply.status != 403:
        # The reply is not quoted: providers repeat the key in it.
        message = (
            f"{place.label} refused the key in {place.key_setting} ({reply.status}). Check that the key is complete, not"
            f" revoked, and meant for {place.base_url}."
        )
    else:
        message = (
            f"{place.subject} refused access with the key in {place.key_setting} (403).{said} Check what the key"
            " may use."
        )
    return ProviderError("provider_auth", message, status=reply.status)


def _limited(reply: Reply, place: Place, said: str) -> ProviderError:
    is_billing = any("billing" in code for code in reply.codes)
    if reply.is_used_up or is_billing or reply.has("insufficient_quota"):
        return ProviderError(
            "provider_rate_limited",
            f"The account behind {place.key_setting or place.url_setting} has used up its quota at {place.label}"
            f" ({reply.status}).{said} Raise it there, or use another `model`.",
            status=reply.status,
        )
    return ProviderError(
        "provider_rate_limited",
        f"{place.subject} limits how often it may be asked (429).{said} Run fewer at once, raise the limit there, or"
        " give the step more `retry` attempts.",
        retryable=True,
        retry_after=reply.retry_after,
        status=429,
    )


def _unreachable(place: Place, what: str) -> ProviderError:
    advice = place.when_unreachable or (
        f"Check that it is running and that {place.url_setting} is right."
    )
    return ProviderError(
        "provider_error",
        f"{place.subject} at {place.base_url} {what}. {advice}",
        retryable=True,
    )


def _unreadable(error: Exception, place: Place, hide: Hide) -> ProviderError:
    return ProviderError(
        "provider_error",
        f"{place.subject} sent an answer that cannot be read.{_quote(str(error), hide)} Check that {place.url_setting}"
        f" leads to a server that speaks {place.protocol}.",
        # A proxy's stray page or a cut line may well be gone the next time.
        retryable=True,
    )


def _quote(text: str, hide: Hide) -> str:
    cleaned = " ".join(hide(text).split())
    if not cleaned:
        return ""
    shortened = cleaned if len(cleaned) <= _MAX_QUOTED else cleaned[:_MAX_QUOTED] + "…"
    return f' It said: "{shortened}"'
