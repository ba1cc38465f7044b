"""Checks the settings of the export to OpenTelemetry."""

import re
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

_PATHS = ("/v1/traces", "/v1/metrics", "/v1/logs")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_SET_BY_US = frozenset({"content-type", "content-length", "content-encoding", "host", "connection"})


class OtlpSignal(StrEnum):
    """What is exported."""

    TRACES = "traces"
    METRICS = "metrics"


def checked_endpoint(url: str | None) -> str | None:
    """The base URL of a collector, without a trailing slash.

    Raises:
        ValueError: it is not a complete URL, or contains what belongs to another setting.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, is_complete = urlsplit(""), False
    if not is_complete or parts.query or parts.fragment:
        raise ValueError(
            "use a complete URL that begins with `http://` or `https://`, such as `http://127.0.0.1:4318`"
        )
    if "@" in parts.netloc:
        raise ValueError("remove the user and password, and put credentials in STEPIQ_OTLP_HEADERS")
    base = url.rstrip("/")
    if base.endswith(_PATHS):
        raise ValueError("remove the end of the path, because `/v1/traces` is added to it")
    return base


def checked_headers(value: SecretStr | None) -> SecretStr | None:
    """The value, unchanged.

    Raises:
        ValueError: it is not a list of headers. The message does not contain it.
    """
    if value is not None:
        read_headers(value)
    return value


def read_headers(value: SecretStr) -> Mapping[str, str]:
    """The headers in a setting, by name.

    Raises:
        ValueError: it is not a list of headers.
    """
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in value.get_secret_value().split(","))):
        name, equals, text = (each.strip() for each in part.partition("="))
        text = unquote(text, errors="replace")
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(text):
            raise ValueError(
                "use `NAME=VALUE`, separated by commas, such as `Authorization=Bearer%20TOKEN`. In values, write a comma as"
                " %2C and % as %25"
            )
        if name.lower() in _SET_BY_US:
            raise ValueError("remove the headers that describe the body, because stepIQ sets them")
        found[name] = text
    return found


def read_signals(value: object) -> object:
    """The signals in a list that is separated by commas.

    Raises:
        ValueError: one of them is unknown, or there is none.
    """
    if not isinstance(value, str):
        return value
    names = list(dict.fromkeys(part.strip().lower() for part in value.split(",") if part.strip()))
    if not names or not set(names) <= set(OtlpSignal):
        raise ValueError("use `traces`, `metrics` or `traces,metrics`")
    return tuple(OtlpSignal(name) for name in names)
