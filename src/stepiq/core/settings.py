"""Every setting, with its meaning, unit and default: the settings page of the docs is generated from here.

Settings come from environment variables `STEPIQ_*`; variables of model providers keep the names their own tools use.
Named model endpoints and plans come from one TOML file, `stepiq.toml`.
"""

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stepiq.core import addresses
from stepiq.core.errors import Issue
from stepiq.core.setting_errors import SettingsInvalid, invalid, of_validation, spellings

Network = IPv4Network | IPv6Network

CONFIG_FILE_TABLES = frozenset({"endpoints", "plans"})
"""What the config file may hold."""


_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OF_CLIENTS = frozenset({"STEPIQ_SERVER", "STEPIQ_API_KEY"})
"""Variables of programs that call a server."""
_PREFIX = "STEPIQ_"
_NO_FLAGS: Mapping[str, str] = MappingProxyType({})
_NEAR = 0.7


class Registration(StrEnum):
    """Who may create an account."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class EndpointSettings(BaseModel):
    """A named OpenAI-compatible server, `[endpoints.NAME]` in `stepiq.toml`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    base_url: str
    """Where its `/chat/completions` lives, such as `http://127.0.0.1:8000/v1`."""
    api_key_env: str | None = None
    """Name of the environment variable that holds its key; without one, no key is sent."""
    models: list[str] = []
    """Models it is known to serve; others are passed through as written."""
    small_model: str | None = None
    """The model used when a step names none and this is the first configured provider."""

    @property
    def api_key(self) -> SecretStr | None:
        """The key, read from the environment at each call so that it never sits in a dump of the settings."""
        value = os.environ.get(self.api_key_env, "") if self.api_key_env else ""
        return SecretStr(value) if value else None


class Settings(BaseSettings):
    """What the operator decides. Read once at start; a change needs a restart."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    database_url: str = ""
    """Where everything is kept: `sqlite:///path/to/file.db` or `postgresql://user:password@host/name`
    (PostgreSQL 15 or newer, UTF-8). Default: `stepiq.db` in the data folder."""

    data_dir: Path = Path(".data")
    """Folder for the SQLite file, generated keys and mail that has no server to go to.
    Created on first start, readable by its owner only. Default: `.data` in the working folder."""

    cache_dir: Path | None = None
    """Folder for what can be fetched again: the weights of the local model (98 MB). All servers of a user can share it. Default:
    `stepiq` in the user's cache folder, which is `$XDG_CACHE_HOME` or `~/.cache`, and `~/Library/Caches` on macOS."""

    config_file: Path = Path("stepiq.toml")
    """TOML file with named model endpoints (`[endpoints.NAME]`) and plan overrides (`[plans.NAME]`). It need
    not exist. Default: `stepiq.toml` in the working folder."""

    host: str = "127.0.0.1"
    """Address the server listens on. `0.0.0.0` opens it to the network: put a TLS proxy in front."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """TCP port the server listens on; 0 takes a free one and prints it."""

    worker_port: int | None = Field(default=None, ge=0, le=65535)
    """TCP port, at the same address, on which `stepiq worker` answers `/health`, `/ready` and `/metrics`; 0 takes a free one and
    prints it. Default: none, so that it answers nothing."""

    public_url: str = ""
    """URL under which users reach the server, without a path. Access tokens are for this URL only. Default: `http://HOST:PORT`."""

    master_key: SecretStr | None = None
    """32 bytes in base64 that wrap every stored secret. Default: `master.key` in the data folder, made when
    it is first needed. Losing it loses the secrets; keep a copy apart from the database."""

    previous_master_keys: SecretStr | None = None
    """Earlier master keys, separated by commas, that still open what they wrap while `stepiq keys rotate` moves it to the new
    one. Default: the lines of `previous-master.keys` in the data folder, which need not exist."""

    jwt_secret: SecretStr | None = None
    """At least 32 characters that sign access tokens. Default: `jwt.key` in the data folder, made on first
    start. Changing it makes every access token invalid; API keys stay."""

    registration: Registration | None = None
    """Who may register after the first account: everybody (`open`), people with an invitation from `stepiq users invite`
    (`invite`), or nobody (`closed`). An invitation works in each case, and so does `stepiq users create`. Default: `open` while
    the server listens on a loopback address without `STEPIQ_PUBLIC_URL` and `STEPIQ_TRUSTED_PROXIES`, else `invite`."""

    default_plan: str = "unlimited"
    """Plan of new accounts, except the first administrator: `unlimited`, `free`, `starter`, `pro`, `enterprise`, or a plan of the
    config file. Existing accounts keep their plan."""

    default_model: str | None = None
    """Model of steps that name none. Default: the small model of the first configured provider, else the local one."""

    allow_unsafe_store: bool = False
    """`true` starts on a PostgreSQL that would lose what it has confirmed when its machine fails (`fsync` or `full_page_writes`
    off). Default: such a start is refused."""

    run_retention_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    """Days that a run is kept after its end, with its steps, events and deliveries; then all of it is deleted. 0 keeps runs for
    ever. Usage is counted apart and stays."""

    allowed_private_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    """Private address ranges (CIDR, comma-separated) that pipelines may call, such as `10.1.0.0/16`. Default: none,
    so that pipelines reach public addresses only. A cloud's metadata address is opened only when named alone, as in
    `169.254.169.254/32`. Addresses the operator configures here are exempt."""

    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """Proxies (CIDR, comma-separated) whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Default: none."""

    smtp_url: SecretStr | None = None
    """Mail server: `smtp://user:password@host:587` (STARTTLS) or `smtps://…:465`; signs like `@` in user or password are written
    as `%40`. On other ports than 587, `smtp://` encrypts where the server offers it, and always before it sends a password to
    another machine. Default: mail is written as `.eml` files into `mail` in the data folder."""

    mail_from: str = ""
    """Sender of mail: `address` or `Name <address>`. Default: `stepIQ <stepiq@HOST>`, with the host of `STEPIQ_PUBLIC_URL`."""

    metrics_token: SecretStr | None = None
    """Token, at least 16 characters, that lets others than this machine read `/metrics`, sent as `Authorization: Bearer TOKEN`.
    Default: none, so that only callers on this machine may."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """`console` for people, `json` for collectors (one object a line). `auto`: console on a terminal, json otherwise."""

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """Key of the OpenAI API; setting it makes `openai/…` models usable."""

    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    """Another server that speaks OpenAI's Chat Completions. Default: OpenAI's own."""

    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    """Key of the Anthropic API; setting it makes `anthropic/…` models usable."""

    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    """Another server that speaks Anthropic's Messages. Default: Anthropic's own."""

    google_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("GOOGLE_API_KEY", "GEMINI_API_KEY")
    )
    """Key of the Gemini API; setting it makes `google/…` models usable. `GEMINI_API_KEY` is read where it is not set."""

    google_base_url: str | None = Field(default=None, validation_alias="GOOGLE_BASE_URL")
    """Another server that speaks Gemini's generateContent. Default: Google's own."""

    mistral_api_key: SecretStr | None = Field(default=None, validation_alias="MISTRAL_API_KEY")
    """Key of the Mistral API; setting it makes `mistral/…` models usable."""

    mistral_base_url: str | None = Field(default=None, validation_alias="MISTRAL_BASE_URL")
    """Another server that speaks Mistral's Chat Completions. Default: Mistral's own."""

    zai_api_key: SecretStr | None = Field(default=None, validation_alias="ZAI_API_KEY")
    """Key of the Z.ai API; setting it makes `zai/…` models usable."""

    zai_base_url: str | None = Field(default=None, validation_alias="ZAI_BASE_URL")
    """Another server that speaks Z.ai's Chat Completions, such as that of the coding plan. Default: Z.ai's own."""

    ollama_base_url: str | None = Field(default=None, validation_alias="OLLAMA_BASE_URL")
    """An Ollama server, such as `http://127.0.0.1:11434`; setting it makes `ollama/…` models usable."""

    # Undecoded, a variable of their name is a text and refused: these two come from the config file only.
    endpoints: Annotated[dict[str, EndpointSettings], NoDecode] = Field(default={}, exclude=True)
    """Named endpoints of the config file."""

    plans: Annotated[dict[str, dict[str, Any]], NoDecode] = Field(default={}, exclude=True)
    """Plan overrides of the config file, as written; `billing` reads them."""

    @field_validator("allowed_private_networks", "trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            # The library's own message repeats the value.
            raise ValueError(
                "use address ranges separated by commas, such as `10.1.0.0/16`. The bits after the prefix must be 0"
            ) from None

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        scheme, _, rest = value.partition("://")
        if value and scheme not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("use `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`")
        if scheme != "sqlite" and not _is_plain_url(rest):
            raise ValueError(
                "use `postgresql://USER:PASSWORD@HOST:PORT/NAME`. In USER and PASSWORD, write @ as %40, / as %2F, # as %23 and"
                " ? as %3F"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        if value and not _is_origin(value):
            raise ValueError("use an address without a path, such as `https://stepiq.example.com`")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value.get_secret_value())
            usable = parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(
                "use `smtp://USER:PASSWORD@HOST:587` or `smtps://USER:PASSWORD@HOST:465`"
            )
        return value

    @field_validator("mail_from")
    @classmethod
    def _mailbox(cls, value: str) -> str:
        if value and addresses.parse_named(value) is None:
            raise ValueError("use an email address, or `Name <address>`")
        return value

    @field_validator("jwt_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError(
                "use at least 32 characters, such as the output of `openssl rand -hex 32`"
            )
        return value

    @field_validator("metrics_token")
    @classmethod
    def _not_guessed(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError(
                "use at least 16 characters, such as the output of `openssl rand -hex 16`"
            )
        return value

    @cached_property
    def base_url(self) -> str:
        """The public URL, without a slash at its end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def effective_registration(self) -> Registration:
        """Who may register: as set, or by where the server listens."""
        if self.registration is not None:
            return self.registration
        is_local = _is_loopback(self.host) and not self.public_url and not self.trusted_proxies
        return Registration.OPEN if is_local else Registration.INVITE

    @cached_property
    def mail_sender(self) -> tuple[str, str]:
        """Name and address that mail comes from."""
        given = addresses.parse_named(self.mail_from)
        if given is not None:
            return given
        host = urlsplit(self.base_url).hostname or ""
        # A mail address cannot have a bare IP address behind its @.
        domain = "localhost" if re.fullmatch(r"[0-9.]+|.*:.*|", host) else host
        return ("stepIQ", addresses.parse(f"stepiq@{domain}") or "stepiq@localhost")

    @cached_property
    def is_behind_proxy(self) -> bool:
        """Whether users come through a proxy, so that a connection from this machine need not be its operator's."""
        host = urlsplit(self.base_url).hostname or ""
        return bool(self.trusted_proxies) or host not in {self.host, *_LOOPBACK}

    @cached_property
    def cache_path(self) -> Path:
        """The folder for what can be fetched again, as an absolute path; it need not exist."""
        if self.cache_dir is not None:
            return self.cache_dir.expanduser().absolute()
        # The XDG specification says to ignore relative paths.
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not base.is_absolute():
            home = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
            base = Path(os.path.expanduser(home))
        # A user without a home folder has the data folder.
        return base / "stepiq" if base.is_absolute() else self.data_dir.absolute() / "cache"

    @cached_property
    def sqlite_path(self) -> Path | None:
        """The SQLite file, or None on PostgreSQL."""
        if not self.database_url:
            return (self.data_dir / "stepiq.db").absolute()
        prefix = "sqlite:///"
        if self.database_url.startswith(prefix):
            return Path(self.database_url[len(prefix) :]).absolute()
        return None


def load(flags: Mapping[str, str] = _NO_FLAGS, /, **overrides: Any) -> Settings:
    """Read the environment and the config file.

    Args:
        flags: options of the command line, by the fields that they override: errors name them.
        overrides: values that win over both, by field name.

    Raises:
        SettingsInvalid: with one issue per setting, named as the operator wrote it. Secrets are not shown.
    """
    try:
        settings = Settings(**overrides)
        if "config_file" not in overrides:
            _require_config_file(settings)
        config = _read_config(settings.config_file)
        merged: dict[str, Any] = {**config, **overrides}
        return Settings(**merged)
    except ValidationError as error:
        given = {name.upper() for name, value in os.environ.items() if value}
        used = {name: flag for name, flag in flags.items() if name in overrides}
        raise of_validation(error, _fields(), given, used, _file_of(overrides)) from None


def unknown_variables(settings: Settings) -> dict[str, str | None]:
    """Variables called `STEPIQ_…` that set nothing, each with the nearest name that does."""
    names = {name: spellings(name, field) for name, field in _fields().items()}
    endpoints = settings.endpoints.values()
    known = {each for group in names.values() for each in group} | _OF_CLIENTS
    known |= {endpoint.api_key_env for endpoint in endpoints if endpoint.api_key_env}
    # Without the prefix, which would make all names alike.
    bare = {group[0].removeprefix(_PREFIX): group[0] for group in names.values()}
    found: dict[str, str | None] = {}
    for name in sorted(os.environ):
        if name.upper().startswith(_PREFIX) and not known & {name, name.upper()}:
            near = get_close_matches(name.upper().removeprefix(_PREFIX), bare, 1, _NEAR)
            found[name] = bare[near[0]] if near else None
    return found


def variable(name: str) -> str | None:
    """An environment variable that somebody names on the command line; None if it is not set, or empty."""
    return os.environ.get(name) or None


def environment(**added: str | None) -> dict[str, str]:
    """This process's environment for a program that it starts, with what is not None added."""
    return {**os.environ, **{name: value for name, value in added.items() if value is not None}}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_origin(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0
    except ValueError:
        return False
    extra = parts.path.strip("/") + parts.query + parts.fragment
    is_host = re.fullmatch(r"[A-Za-z0-9._~-]+(:\d+)?|\[[0-9a-fA-F:.]+\](:\d+)?", parts.netloc)
    return parts.scheme in ("http", "https") and is_host is not None and has_port and not extra


def _is_plain_url(rest: str) -> bool:
    """Whether what follows `postgresql://` can be read in one way only, so that no part of a password counts as host or name."""
    address, _, _ = rest.partition("?")
    authority, _, name = address.partition("/")
    port = authority.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    is_split_once = "#" not in address and "@" not in name and authority.count("@") < 2
    return is_split_once and (not port or port.isdecimal())


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"{path} cannot be read: {error}.") from None
    unknown = sorted(set(content) - CONFIG_FILE_TABLES)
    if unknown:
        raise SettingsInvalid(
            f"{path} has the unknown table `{unknown[0]}`. It may hold [endpoints.NAME] and [plans.NAME]."
        )
    endpoints = content.get("endpoints", {})
    if not isinstance(endpoints, dict):
        raise SettingsInvalid(f"{path}: `endpoints` holds tables: write [endpoints.NAME].")
    for name in cast(dict[str, Any], endpoints):
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name):
            raise SettingsInvalid(
                f"{path}: endpoint `{name}` needs a name of lower-case letters, digits, - and _."
            )
    return content


def _require_config_file(settings: Settings) -> None:
    file = settings.config_file
    if "config_file" in settings.model_fields_set and not file.exists():
        message = f"{file.absolute()} does not exist. Create the file, or correct the path."
        raise invalid(Issue("STEPIQ_CONFIG_FILE", "setting", message))


def _file_of(overrides: dict[str, Any]) -> str:
    return str(overrides.get("config_file") or variable("STEPIQ_CONFIG_FILE") or "stepiq.toml")


def _fields() -> dict[str, FieldInfo]:
    """The settings that variables set, by name."""
    return {
        name: field
        for name, field in Settings.model_fields.items()
        if name not in CONFIG_FILE_TABLES
    }


def variable_name(field: str) -> str:
    """The environment variable that sets a field: `STEPIQ_PORT` for `port`."""
    info = _fields().get(field)
    return field if info is None else spellings(field, info)[0]
