"""The settings of a process as its operator may see them: values without secrets, and their sources."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from stepiq.core.settings.config_file import CONFIG_FILE_TABLES
from stepiq.core.settings.environment import environment
from stepiq.core.settings.errors import spellings
from stepiq.core.settings.model import Settings

_URLS_WITH_PASSWORDS = frozenset({"database_url"})


class SettingSource(StrEnum):
    """Where the value of a setting comes from."""

    DEFAULT = "default"
    ENVIRONMENT = "environment"
    FILE = "file"
    COMMAND_LINE = "command_line"


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting and its value."""

    name: str
    """Its environment variable, or its entry in the config file."""
    source: SettingSource
    value: str | None
    """`set` in place of a secret."""
    is_secret: bool
    description: str


def effective(settings: Settings) -> list[EffectiveSetting]:
    """All settings, in the order of the documentation, and then the entries of the config file."""
    fields = Settings.model_fields.items()
    return [
        *(_setting(settings, *each) for each in fields if each[0] not in CONFIG_FILE_TABLES),
        *_of_file(settings),
    ]


def _setting(settings: Settings, name: str, field: FieldInfo) -> EffectiveSetting:
    value = getattr(settings, name)
    is_secret = "SecretStr" in str(field.annotation) or name in _URLS_WITH_PASSWORDS
    return EffectiveSetting(
        name=spellings(name, field)[0],
        source=_source(settings, name, field, value),
        value=_shown(value, is_secret=is_secret),
        is_secret=is_secret,
        description=" ".join((field.description or "").split()),
    )


def _source(settings: Settings, name: str, field: FieldInfo, value: Any) -> SettingSource:
    if name not in settings.model_fields_set:
        return SettingSource.DEFAULT
    upper = {key.upper(): text for key, text in environment().items()}
    given = next((upper[each] for each in spellings(name, field) if upper.get(each)), None)
    if given is None:
        return SettingSource.COMMAND_LINE
    # An option of the command line has precedence over the variable.
    is_plain = isinstance(value, int | str) and not isinstance(value, bool)
    return (
        SettingSource.COMMAND_LINE
        if is_plain and str(value) != given
        else SettingSource.ENVIRONMENT
    )


def _shown(value: Any, *, is_secret: bool) -> str | None:
    if value is None or value == "" or value == ():
        return None
    if is_secret or isinstance(value, SecretStr):
        return "set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType]
    return _without_credentials(str(value))


def _without_credentials(text: str) -> str:
    """A URL without user, password and query. Other text is unchanged."""
    if "://" not in text:
        return text
    parts = urlsplit(text)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _of_file(settings: Settings) -> list[EffectiveSetting]:
    endpoints = {f"endpoints.{name}": each.base_url for name, each in settings.endpoints.items()}
    plans = {
        f"plans.{name}": ", ".join(f"{key} = {value}" for key, value in table.items())
        for name, table in settings.plans.items()
    }
    providers = {
        f"oidc.{name}": _without_credentials(each.issuer) for name, each in settings.oidc.items()
    }
    return [
        EffectiveSetting(name, SettingSource.FILE, value, is_secret=False, description="")
        for name, value in {**endpoints, **plans, **providers}.items()
    ]
