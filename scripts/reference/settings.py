"""docs/reference/settings.md: every variable and every table of the config file."""

import json
from collections.abc import Iterator
from enum import EnumType, StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from stepiq.core.settings.config_file import CONFIG_FILE_TABLES, EndpointSettings
from stepiq.core.settings.model import Settings, variable_name
from stepiq.core.settings.oidc import OidcSettings

_INTRODUCTION = """\
# Settings

Settings are environment variables. The server reads them once at start: restart it after a change. An empty variable
counts as not set. `stepiq doctor` shows which settings are configured and whether they work. It never prints secrets.
"""
_CONFIG_FILE = """\
## The config file

Named model endpoints, plans and identity providers are configured in a TOML file: `stepiq.toml` in the working folder,
or the file in `STEPIQ_CONFIG_FILE`. The file is optional.

```toml
[endpoints.lab]                     # its models are named lab/qwen3
base_url = "http://10.0.0.5:8000/v1"
api_key_env = "LAB_API_KEY"
models = ["qwen3"]

[plans.free]
steps = 8

[oidc.google]                       # its redirect URI ends with /api/auth/oidc/google/callback
issuer = "https://accounts.google.com"
client_id = "1234.apps.googleusercontent.com"
client_secret_env = "GOOGLE_CLIENT_SECRET"
```

[Plans](../plans.md) describes `[plans.NAME]`. `[endpoints.NAME]` configures a server with OpenAI's Chat Completions
API. `NAME` consists of lower-case letters, digits, `-` and `_`. Its fields:
"""

_OIDC = """\
`[oidc.NAME]` configures an identity provider for [single sign-on](../single-sign-on.md). `NAME` consists of lower-case
letters, digits and `-`. Its fields:
"""


def page() -> str:
    """The whole page."""
    fields = {
        variable_name(name): field
        for name, field in Settings.model_fields.items()
        if name not in CONFIG_FILE_TABLES
    }
    ours = {name: field for name, field in fields.items() if name.startswith("STEPIQ_")}
    theirs = {name: field for name, field in fields.items() if name not in ours}
    return "\n".join(
        [
            _INTRODUCTION,
            *_table("variable", ours),
            "\n## Model providers\n",
            "These variables have the names that the providers' own tools use.\n",
            *_table("variable", theirs),
            "",
            _CONFIG_FILE,
            *_table("field", EndpointSettings.model_fields),
            "",
            _OIDC,
            *_table("field", OidcSettings.model_fields),
            "",
        ]
    )


def _table(heading: str, fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield f"| {heading} | takes | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields.items():
        meaning = " ".join((field.description or "").split())
        cells = [f"`{name}`", _takes(field), _default(field), meaning]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _takes(field: FieldInfo) -> str:
    annotation = _without_none(field.annotation)
    if get_origin(annotation) is Literal:
        return _listed(get_args(annotation))
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        return f"list of {_listed(item)}" if isinstance(item, EnumType) else "CIDR list"
    if get_origin(annotation) is list:
        return "list of strings"
    if get_origin(annotation) is dict:
        return "table"
    if not isinstance(annotation, type):
        raise TypeError(f"No words for a setting of type {annotation}.")
    if issubclass(annotation, StrEnum):
        return _listed(member.value for member in annotation)
    if annotation is int:
        return _range(field)
    words = {
        str: "string",
        Path: "path",
        SecretStr: "string, secret",
        bool: "`true` or `false`",
        UUID: "id",
    }
    return words[annotation]


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        left = [part for part in get_args(annotation) if part is not type(None)]
        return left[0] if len(left) == 1 else annotation
    return annotation


def _range(field: FieldInfo) -> str:
    bounds = {name: getattr(rule, name) for rule in field.metadata for name in ("ge", "le") if hasattr(rule, name)}  # fmt: skip
    return f"integer {bounds['ge']} to {bounds['le']}" if len(bounds) == 2 else "integer"


def _listed(options: Any) -> str:
    return ", ".join(f"`{option}`" for option in options)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default()
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None or value in ("", [], (), {}):
        return "none"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{json.dumps(value)}`" if isinstance(value, list) else f"`{value}`"
