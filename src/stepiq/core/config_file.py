"""The config file `stepiq.toml`: named model endpoints, plans and identity providers."""

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from stepiq.core import oidc_settings
from stepiq.core import setting_urls as urls
from stepiq.core.setting_errors import SettingsInvalid


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
"""Tables of the config file, each with the fields of its entries. `billing.plans` knows those of plans."""


def read_config_file(path: Path) -> dict[str, Any]:
    """The tables of the file by name; empty if the file does not exist. `billing.plans` checks the plans.

    Raises:
        SettingsInvalid: the file cannot be read, or has an unknown table or an invalid name.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"{path} cannot be read: {str(error).rstrip('.')}.") from None
    unknown = sorted(set(content) - CONFIG_FILE_TABLES.keys())
    if unknown:
        raise SettingsInvalid(
            f"{path}: the table `{unknown[0]}` is unknown. Use [endpoints.NAME], [plans.NAME] and [oidc.NAME]."
        )
    endpoints = content.get("endpoints", {})
    if not isinstance(endpoints, dict):
        raise SettingsInvalid(f"{path}: `endpoints` must be tables: [endpoints.NAME].")
    for name in cast(dict[str, Any], endpoints):
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name):
            raise SettingsInvalid(
                f"{path}: [endpoints.{name}] is not a valid name. Use lower-case letters, digits, - and _."
            )
    providers = content.get("oidc", {})
    if not isinstance(providers, dict):
        raise SettingsInvalid(f"{path}: `oidc` must be tables: [oidc.NAME].")
    for name in cast(dict[str, Any], providers):
        try:
            oidc_settings.check_name(name)
        except ValueError as error:
            raise SettingsInvalid(f"{path}: {error}.") from None
    return content
