"""Turns whatever a provider or its library throws into a message for the run's owner."""

import email.utils
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, cast

from stepiq.core import clock
from stepiq.engine.providers.base import ProviderError
from stepiq.engine.providers.masking import mask, storable

if TYPE_CHECKING:
    from pydantic_ai.exceptions import ModelHTTPError

_MAX_QUOTED = 300
_MAX_RETRY_AFTER = timedelta(hours=1)


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

    def of(self, model: str) -> "Place":
        """The same place, asked for one model."""
        return replace(self, model=model)

    @property
    def subject(self) -> str:
        return f"{self.label} (model `{self.model}`)" if self.model else self.label


def broken_off(place: Place) -> ProviderError:
    """The stream ended before the answer did."""
    return ProviderError(
        "provider_error",
        f"{place.subject} broke off in the middle of its answer. Nothing is wrong with the step; try again.",
        retryable=True,
    )


Hide = Callable[[str], str]
"""Takes out of a reply what must not be shown."""


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
    from openai import APIStatusError
    from pydantic_ai.exceptions import ModelConnectionError, ModelHTTPError, ModelTimeoutError

    def hide(text: str) -> str:
        return mask(redact(storable(text)), key)

    match error:
        case ModelHTTPError():
            return _http(_Reply.of(error), place, hide)
        case APIStatusError():
            return _http(_Reply.of_sdk(error), place, hide)
        case ModelConnectionError() if answering:
            return broken_off(place)
        case ModelTimeoutError():
            return _unreachable(place, "did not answer in time")
        case ModelConnectionError():
            return _unreachable(place, "could not be reached, or hung up")
        case _:
            pass
    cause = error.__cause__
    if isinstance(cause, APIStatusError):
        return _http(_Reply.of_sdk(cause), place, hide)
    return _unreadable(error, place, hide)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: dict[str, str]
    code: str
    message: str

    @classmethod
    def of(cls, error: "ModelHTTPError") -> "_Reply":
        code = f"{error.provider_error_code or ''} {error.provider_error_type or ''}"
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        return cls(error.status_code, headers, code, _words(error.body))

    @classmethod
    def of_sdk(cls, error: Any) -> "_Reply":
        headers = {name.lower(): value for name, value in error.response.headers.items()}
        code = f"{error.code or ''} {error.type or ''}"
        return cls(error.status_code, headers, code, _words(error.body))


def _http(reply: _Reply, place: Place, hide: Hide) -> ProviderError:
    retry_after = _retry_after(reply.headers.get("retry-after"))
    said = _quote(reply.message, hide)
    match reply.status:
        case 401 | 403:
            return _refused(reply, place, said)
        case 404 if "model" in reply.code or (place.model and place.model in reply.message):
            return ProviderError(
                "model_unknown",
                f"{place.label} has no model `{place.model}`, or this key may not use it (404).{said} Choose another"
                " `model`; `stepiq models` lists those that are known.",
                status=404,
            )
        case 404:
            return _no_such_address(place)
        case 429:
            return _limited(reply, place, said, retry_after)
        case status if status == 408 or status >= 500:
            return ProviderError(
                "provider_error",
                f"{place.subject} answered {status}.{said} This is on the provider's side and usually passes.",
                retryable=True,
                retry_after=retry_after,
                status=status,
            )
        case status if 300 <= status < 400:
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


def _refused(reply: _Reply, place: Place, said: str) -> ProviderError:
    if place.key_setting is None:
        message = (
            f"{place.label} asks for a key ({reply.status}), and none is configured for it. See {place.url_setting}"
            " in the settings."
        )
    elif reply.status == 401:
        # The reply is not quoted: providers repeat the key in it.
        message = (
            f"{place.label} refused the key in {place.key_setting} (401). Check that the key is complete, not revoked,"
            f" and meant for {place.base_url}."
        )
    else:
        message = (
            f"{place.subject} refused access with the key in {place.key_setting} (403).{said} Check what the key"
            " may use."
        )
    return ProviderError("provider_auth", message, status=reply.status)


def _limited(
    reply: _Reply, place: Place, said: str, retry_after: timedelta | None
) -> ProviderError:
    if "insufficient_quota" in reply.code or "billing" in reply.code:
        return ProviderError(
            "provider_rate_limited",
            f"The account behind {place.key_setting or place.url_setting} has used up its quota at {place.label} (429)."
            f"{said} Raise it there, or use another `model`.",
            status=429,
        )
    return ProviderError(
        "provider_rate_limited",
        f"{place.subject} limits how often it may be asked (429).{said} Run fewer at once, raise the limit there, or"
        " give the step more `retry` attempts.",
        retryable=True,
        retry_after=retry_after,
        status=429,
    )


def _no_such_address(place: Place) -> ProviderError:
    return ProviderError(
        "provider_error",
        f"{place.base_url} knows no Chat Completions (404). Check {place.url_setting}: it usually ends in /v1.",
        status=404,
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
        " leads to a server that speaks OpenAI's Chat Completions.",
        # A proxy's stray page or a cut line may well be gone the next time.
        retryable=True,
    )


def _words(body: object) -> str:
    if isinstance(body, dict):
        content = cast("dict[str, Any]", body)
        inner = content.get("error", content)
        message = cast("dict[str, Any]", inner).get("message") if isinstance(inner, dict) else inner
        return message if isinstance(message, str) else ""
    return body if isinstance(body, str) and not body.lstrip().startswith("<") else ""


def _quote(text: str, hide: Hide) -> str:
    cleaned = " ".join(hide(text).split())
    if not cleaned:
        return ""
    shortened = cleaned if len(cleaned) <= _MAX_QUOTED else cleaned[:_MAX_QUOTED] + "…"
    return f' It said: "{shortened}"'


def _retry_after(value: str | None) -> timedelta | None:
    """Seconds or an HTTP date; nonsense and the past count as nothing, more than an hour as an hour."""
    if value is None:
        return None
    try:
        wait = timedelta(seconds=float(value))
    except (ValueError, OverflowError):
        try:
            moment = email.utils.parsedate_to_datetime(value)
        except ValueError:
            return None
        wait = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - clock.now()
    return min(wait, _MAX_RETRY_AFTER) if wait > timedelta(0) else None
