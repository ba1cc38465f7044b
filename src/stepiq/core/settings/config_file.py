"""The config file `stepiq.toml`: named model endpoints, plans and identity providers."""

import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from stepiq.core.errors import Issue
from stepiq.core.settings import oidc as oidc_settings
from stepiq.core.settings import urls
from stepiq.core.validation import unknown


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
        return urls.checked_base(value)

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
