"""Checks URLs in settings, and reads the config file `stepiq.toml`: named model endpoints, plans and identity providers."""

import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from stepiq.core.errors import Issue
from stepiq.core.settings import oidc as oidc_settings
from stepiq.core.validation import unknown


def checked_base(url: str) -> str:
    """The URL of a model provider, unchanged.

    Raises:
        ValueError: it is not a complete http or https URL, or has a part that may contain a secret: a user name, a
            password, a query or a fragment. The message does not contain it.
    """
    try:
        parts = urlsplit(url)
        is_complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        has_user, has_query = "@" in parts.netloc, "?" in url or "#" in url
    except ValueError:
        is_complete = has_user = has_query = False
    if has_user:
        # They would not be sent, but error messages quote the URL.
        raise ValueError("remove the user name and password. Set the key of the provider instead")
    if has_query:
        # Paths are added to the end of the URL.
        raise ValueError("remove `?` or `#` and what follows. Set the key of the provider instead")
    if not is_complete:
        raise ValueError(
            "use a complete URL that begins with `http://` or `https://`, such as `http://127.0.0.1:11434`"
        )
    return url


def checked_mail_server(url: SecretStr | None) -> SecretStr | None:
    """The URL of a mail server, unchanged.

    Raises:
        ValueError: it is not one. The message does not contain it.
    """
    if url is None:
        return None
    try:
        parts = urlsplit(url.get_secret_value())
        usable = parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("use `smtp://USER:PASSWORD@HOST:587` or `smtps://USER:PASSWORD@HOST:465`")
    return url


def checked_origin(url: str) -> str:
    """The URL of a server without a path, unchanged.

    Raises:
        ValueError: it is not http or https, or has more than a host, an optional port and slashes.
    """
    if _is_origin(url):
        return url
    if "://" not in url and _is_origin(f"https://{url}"):
        raise ValueError(f"write the scheme, too: `https://{url}`, or `http://{url}` without TLS")
    raise ValueError(
        "use `https://` or `http://`, a host and optionally a port, such as `https://stepiq.example.com`"
    )


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    extra = parts.path.strip("/") + parts.query + parts.fragment
    is_host = re.fullmatch(r"[A-Za-z0-9._~-]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?", parts.netloc)
    return parts.scheme in ("http", "https") and is_host is not None and has_port and not extra


def is_plain_database_url(rest: str) -> bool:
    """Whether the part after `postgresql://` is unambiguous, so that no part of a password is read as host or name."""
    address, _, _ = rest.partition("?")
    authority, _, name = address.partition("/")
    port = authority.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    is_split_once = "#" not in address and "@" not in name and authority.count("@") < 2
    return is_split_once and (not port or port.isdecimal())


class EndpointSettings(BaseModel):
    """A named OpenAI-compatible server, `[endpoints.NAME]` in `stepiq.toml`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    base_url: str
    """Base of its `/chat/completions`, such as `http://127.0.0.1:8000/v1`."""
    api_key_env: str | None = None
    """Name of the environment variable that contains its key. Without it, no key is sent."""
    models: list[str] = []
    """Models that it is known to serve. Other names are sent as written."""
    small_model: str | None = None
    """Model for steps without `model` if this is the first configured provider."""

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        return checked_base(value)

    @property
    def api_key(self) -> SecretStr | None:
        """The key, read from the environment at each call, so that a dump of the settings does not contain it."""
        value = os.environ.get(self.api_key_env, "") if self.api_key_env else ""
        return SecretStr(value) if value else None


CONFIG_FILE_TABLES: Mapping[str, Collection[str]] = {
    "endpoints": EndpointSettings.model_fields,
    "plans": (),
    "oidc": oidc_settings.OidcSettings.model_fields,
}
"""Tables of the config file, each with the fields of its entries. `execution.limits.plans` knows those of plans."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """What a config file contains."""

    tables: Mapping[str, Any]
    """The known tables by name. `Settings` and `execution.limits.plans` check their fields."""
    problems: Sequence[Issue] = ()
    """Why it cannot be read, or unknown tables, and names that are not valid."""


def read_config_file(path: Path, *, is_named: bool) -> ConfigFile:
    """Read the file. Without `is_named`, it need not exist.

    Args:
        path: the file.
        is_named: whether STEPIQ_CONFIG_FILE names it.
    """
    place, file = (
        ("STEPIQ_CONFIG_FILE", str(path.absolute())) if is_named else (str(path), "The file")
    )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if not is_named:
            return ConfigFile({})
        return _unreadable(place, f"{file} does not exist. Create the file, or correct the path.")
    except OSError as error:
        return _unreadable(
            place,
            f"{file} cannot be read: {error.strerror or error}. Use a TOML file that stepIQ may read.",
        )
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return _unreadable(place, f"{file} is not valid TOML: {str(error).rstrip('.')}.")
    tables = {name: table for name, table in content.items() if name in CONFIG_FILE_TABLES}
    problems = [
        Issue(f"{path}: {name}", "setting", unknown("table", name, CONFIG_FILE_TABLES))
        for name in sorted(content.keys() - tables)
    ]
    for table, check in _NAMES.items():
        for name in _keys(tables.get(table)):
            try:
                check(name)
            except ValueError as error:
                problems.append(Issue(f"{path}: {table}.{name}", "setting", f"{error}."))
    return ConfigFile(tables, problems)


def _unreadable(place: str, message: str) -> ConfigFile:
    return ConfigFile({}, [Issue(place, "setting", message)])


def _keys(table: object) -> Collection[str]:
    # `Settings` refuses what is not a table.
    return cast(dict[str, Any], table).keys() if isinstance(table, dict) else ()


def _check_endpoint(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name):
        raise ValueError(
            f"`{name}` is not a valid name of an endpoint. Use lower-case letters, digits, - and _"
        )


_NAMES: Mapping[str, Callable[[str], object]] = {
    "endpoints": _check_endpoint,
    "oidc": oidc_settings.check_name,
}
"""Tables whose names of entries are checked."""
