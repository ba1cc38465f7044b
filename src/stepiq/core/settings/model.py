"""Every setting, with its meaning, unit and default. The settings page of the docs is generated from it.

Settings come from environment variables `STEPIQ_*`. Variables of model providers keep the names that their own tools use.
Named model endpoints, plans and identity providers come from one TOML file, `stepiq.toml`.
"""

import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stepiq.core import addresses
from stepiq.core.settings import otlp as otlp_settings
from stepiq.core.settings.config_file import (
    CONFIG_FILE_TABLES,
    EndpointSettings,
    checked_base,
    checked_mail_server,
    checked_origin,
    is_plain_database_url,
    read_config_file,
)
from stepiq.core.settings.errors import invalid, of_validation, spellings
from stepiq.core.settings.oidc import OidcSettings, read_variable
from stepiq.core.settings.otlp import OtlpSignal

Network = IPv4Network | IPv6Network

CLIENT_VARIABLES = frozenset(
    {"STEPIQ_SERVER", "STEPIQ_API_KEY", "STEPIQ_WORKSPACE", "STEPIQ_PROFILE"}
)
"""Variables of programs that call a server."""
_PREFIX = "STEPIQ_"
_NO_FLAGS: Mapping[str, str] = MappingProxyType({})
_NEAR = 0.7


class RegistrationPolicy(StrEnum):
    """Who can create an account."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class Settings(BaseSettings):
    """Settings of the operator, read once at start. A change needs a restart."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    database_url: str = ""
    """URL of the database: `sqlite:///path/to/file.db` or `postgresql://user:password@host/name` (PostgreSQL 15 or newer, UTF-8).
    Default: `stepiq.db` in the data folder."""

    data_dir: Path = Path(".data")
    """Folder for the SQLite file, generated keys, and emails if there is no mail server. The first start creates it, readable by
    its owner only."""

    cache_dir: Path | None = None
    """Folder for the weights of the local model (98 MB). Default: `stepiq` in the user's cache folder: `$XDG_CACHE_HOME`, `~/.cache`,
    or `~/Library/Caches` on macOS."""

    config_file: Path = Path("stepiq.toml")
    """TOML file with model endpoints (`[endpoints.NAME]`), plans (`[plans.NAME]`) and identity providers (`[oidc.NAME]`). If you
    set it, the file must exist."""

    host: str = "127.0.0.1"
    """Address that the server listens on. `0.0.0.0` opens it to the network: put a TLS proxy in front."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """TCP port that the server listens on. 0 uses a free port and prints it."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of `stepiq serve`, which share the port. SQLite supports one. See [Scaling out](../scaling.md)."""

    worker_port: int | None = Field(default=None, ge=0, le=65535)
    """TCP port on which `stepiq worker` answers `/health`, `/ready` and `/metrics`, at `STEPIQ_HOST`. 0 uses a free port and prints
    it."""

    public_url: str = ""
    """URL at which users reach the server, without a path. Access tokens are valid for this URL only.
    Default: `http://HOST:PORT`."""

    master_key: SecretStr | None = None
    """32 bytes in base64 that encrypt the keys of all stored secrets. Without it the secrets cannot be read: keep a copy away from
    the database. Default: `master.key` in the data folder."""

    previous_master_keys: SecretStr | None = None
    """Earlier master keys, separated by commas. They decrypt old secrets until `stepiq keys rotate` has re-encrypted them.
    Default: the lines of `previous-master.keys` in the data folder, if it exists."""

    jwt_secret: SecretStr | None = None
    """At least 32 characters that sign access tokens. A new value invalidates all access tokens, but no API keys.
    Default: `jwt.key` in the data folder."""

    registration: RegistrationPolicy | None = None
    """Who can register after the first account: everybody (`open`), people with an invitation (`invite`), or nobody (`closed`).
    Default: `open` while the server listens on a loopback address without `STEPIQ_PUBLIC_URL` and `STEPIQ_TRUSTED_PROXIES`, else `invite`."""

    oidc_providers: SecretStr | None = None
    """Identity providers for [single sign-on](../single-sign-on.md) as a JSON object, if you do not use the config file:
    `{"google": {"issuer": "…", "client_id": "…", "client_secret": "…"}}`. The fields are those of `[oidc.NAME]`."""

    default_plan: str = "unlimited"
    """Plan of new workspaces, except that of the first administrator: `unlimited`, `free`, `starter`, `pro`, `enterprise`, or a plan
    from the config file. Existing workspaces keep their plan."""

    default_model: str | None = None
    """Model of steps without `model`. Default: the small model of the first configured provider, else the local model."""

    allow_unsafe_store: bool = False
    """`true` accepts a PostgreSQL server that can lose committed data when its machine fails (`fsync` or `full_page_writes` off)."""

    run_retention_days: Annotated[int, Field(ge=0, le=36_500)] = 30
    """Days after its end that a run is deleted, with its steps, events and deliveries. 0 keeps runs forever."""

    audit_retention_days: Annotated[int, Field(ge=0, le=36_500)] = 365
    """Days that entries of the audit log are kept. 0 keeps them forever."""

    run_crash_limit: Annotated[int, Field(ge=0, le=1000)] = 3
    """How many times in a row a process can die or stop responding while it executes a run, before the run fails as `poisoned`.
    A run also fails after ten times as many in total. 0: no limit."""

    allowed_private_networks: Annotated[tuple[Network, ...], NoDecode] = ()
    """Private address ranges that pipelines can call (CIDR, separated by commas), such as `10.1.0.0/16`. Without it,
    pipelines reach public addresses only. See [Operations](../operations.md#what-pipelines-may-call)."""

    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """Proxies (CIDR, separated by commas) whose `X-Forwarded-For` the server uses. A request counts as the
    proxy's own if the header names no address."""

    max_connections: Annotated[int, Field(ge=16, le=60_000)] = 4000
    """Connections of clients that one process accepts at once. It accepts fewer if [the limit of open
    files](../operations.md#open-files-and-connections) is too small."""

    max_connections_per_address: Annotated[int, Field(ge=1, le=60_000)] = 500
    """Connections of one client address, but at most a quarter of `STEPIQ_MAX_CONNECTIONS`. See
    [Operations](../operations.md#connections-of-clients)."""

    smtp_url: Annotated[SecretStr | None, AfterValidator(checked_mail_server)] = None
    """Mail server: `smtp://user:password@host:587` (STARTTLS) or `smtps://…:465`. Write characters such as `@` in the user and
    password as `%40`. Default: emails are written as `.eml` files to `mail` in the data folder."""

    mail_from: str = ""
    """Sender of emails: `address` or `Name <address>`. Default: `stepIQ <stepiq@HOST>`, with the host of `STEPIQ_PUBLIC_URL`."""

    confirm_recipients: bool | None = None
    """Whether [recipients must confirm](../deliveries.md#recipients-must-confirm) emails, and a mailbox gets at most 3 invitations a
    day. Default: `true` if `STEPIQ_SMTP_URL` is set and registration is `open`, else `false`."""

    metrics_token: SecretStr | None = None
    """Token of at least 16 characters for the metrics (`/metrics`), sent as `Authorization: Bearer TOKEN`. Without it,
    the metrics can be read on `STEPIQ_METRICS_PORT` only."""

    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """TCP port of 127.0.0.1 on which `stepiq serve` and `stepiq worker` answer `/metrics` without a token. 0 uses a free port, which
    the log shows (`metrics_ready`)."""

    otlp_endpoint: Annotated[str | None, AfterValidator(otlp_settings.checked_endpoint)] = None
    """URL of an OpenTelemetry collector or backend that accepts OTLP over HTTP, such as `http://127.0.0.1:4318`. `/v1/traces` and
    `/v1/metrics` are added to it. Without it, nothing is [exported](../observability.md)."""

    otlp_headers: Annotated[SecretStr | None, AfterValidator(otlp_settings.checked_headers)] = None
    """Headers of these requests, `NAME=VALUE` separated by commas, such as `Authorization=Bearer%20TOKEN`. Write special characters
    of values as in URLs."""

    otlp_signals: Annotated[
        tuple[OtlpSignal, ...], NoDecode, BeforeValidator(otlp_settings.read_signals)
    ] = (OtlpSignal.TRACES, OtlpSignal.METRICS)
    """What is exported: `traces`, `metrics` or `traces,metrics`."""

    otlp_content: bool = False
    """`true` also exports prompts, answers, URLs and error messages, with secrets masked and at most 8,192 characters of each."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """`console` is text for people, `json` is one object per line for log collectors. `auto` is `console` on a terminal, else `json`."""

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    """Key of the OpenAI API. It makes `openai/…` models available."""

    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    """URL of another server with OpenAI's Chat Completions API."""

    openai_org_id: str | None = Field(default=None, validation_alias="OPENAI_ORG_ID")
    """Organization that OpenAI bills. Default: the key's."""

    openai_project_id: str | None = Field(default=None, validation_alias="OPENAI_PROJECT_ID")
    """Project that OpenAI bills. Default: the key's."""

    anthropic_api_key: SecretStr | None = Field(default=None, validation_alias="ANTHROPIC_API_KEY")
    """Key of the Anthropic API. It makes `anthropic/…` models available."""

    anthropic_base_url: str | None = Field(default=None, validation_alias="ANTHROPIC_BASE_URL")
    """URL of another server with Anthropic's Messages API."""

    google_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("GOOGLE_API_KEY", "GEMINI_API_KEY")
    )
    """Key of the Gemini API. It makes `google/…` models available. `GEMINI_API_KEY` is used if this is not set."""

    google_base_url: str | None = Field(default=None, validation_alias="GOOGLE_BASE_URL")
    """URL of another server with Gemini's generateContent API."""

    mistral_api_key: SecretStr | None = Field(default=None, validation_alias="MISTRAL_API_KEY")
    """Key of the Mistral API. It makes `mistral/…` models available."""

    mistral_base_url: str | None = Field(default=None, validation_alias="MISTRAL_BASE_URL")
    """URL of another server with Mistral's Chat Completions API."""

    zai_api_key: SecretStr | None = Field(default=None, validation_alias="ZAI_API_KEY")
    """Key of the Z.ai API. It makes `zai/…` models available."""

    zai_base_url: str | None = Field(default=None, validation_alias="ZAI_BASE_URL")
    """URL of another server with Z.ai's Chat Completions API, such as the server of the coding plan."""

    ollama_base_url: str | None = Field(default=None, validation_alias="OLLAMA_BASE_URL")
    """URL of an Ollama server, such as `http://127.0.0.1:11434`. It makes `ollama/…` models available."""

    # Not decoded from JSON: these come from the config file only, and a variable with their name is refused.
    endpoints: Annotated[dict[str, EndpointSettings], NoDecode] = Field(default={}, exclude=True)
    """Named endpoints of the config file."""

    plans: Annotated[dict[str, dict[str, Any]], NoDecode] = Field(default={}, exclude=True)
    """Plans of the config file, as written; `billing` reads them."""

    oidc: Annotated[dict[str, OidcSettings], NoDecode] = Field(default={}, exclude=True)
    """Identity providers of the config file. Use `identity_providers`."""

    @field_validator("allowed_private_networks", "trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            # The message of the library contains the value.
            raise ValueError(
                "use address ranges separated by commas, such as `10.1.0.0/16`. The bits after the prefix must be 0"
            ) from None

    @field_validator("allow_unsafe_store", "otlp_content", mode="before")
    @classmethod
    def _flag(cls, value: object) -> object:
        if isinstance(value, str) and value.lower() not in ("true", "false"):
            raise ValueError("use `true` or `false`")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        scheme, _, rest = value.partition("://")
        if value and scheme not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("use `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`")
        if scheme != "sqlite" and not is_plain_database_url(rest):
            raise ValueError(
                "use `postgresql://USER:PASSWORD@HOST:PORT/NAME`. In USER and PASSWORD, write @ as %40, / as %2F, # as %23 and"
                " ? as %3F"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        return checked_origin(value) if value else value

    @field_validator(
        "openai_base_url",
        "anthropic_base_url",
        "google_base_url",
        "mistral_base_url",
        "zai_base_url",
        "ollama_base_url",
    )
    @classmethod
    def _provider(cls, value: str | None) -> str | None:
        return None if value is None else checked_base(value)

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

    @field_validator("oidc_providers")
    @classmethod
    def _readable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_variable(value.get_secret_value())
        return value

    @property
    def identity_providers(self) -> Mapping[str, OidcSettings]:
        """The providers for single sign-on by name. The variable has precedence over the config file."""
        given = self.oidc_providers
        return {**self.oidc, **({} if given is None else read_variable(given.get_secret_value()))}

    def exports(self, signal: OtlpSignal) -> bool:
        """Whether this signal is sent to an OpenTelemetry collector."""
        return self.otlp_endpoint is not None and signal in self.otlp_signals

    @cached_property
    def base_url(self) -> str:
        """The public URL, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def effective_registration(self) -> RegistrationPolicy:
        """Who can register: as set, or by the address that the server listens on."""
        if self.registration is not None:
            return self.registration
        is_local = _is_loopback(self.host) and not self.public_url and not self.trusted_proxies
        return RegistrationPolicy.OPEN if is_local else RegistrationPolicy.INVITE

    @property
    def verifies_addresses(self) -> bool:
        """Whether accounts must verify their email address before they can do everything: the server can send email."""
        return self.smtp_url is not None

    @property
    def confirms_recipients(self) -> bool:
        """Whether recipients of email must confirm once: as set, or by default where strangers can register and it sends email."""
        if self.confirm_recipients is not None:
            return self.confirm_recipients
        is_open = self.effective_registration is RegistrationPolicy.OPEN
        return is_open and self.smtp_url is not None

    @cached_property
    def mail_sender(self) -> tuple[str, str]:
        """Name and address of the sender of mail."""
        given = addresses.parse_named(self.mail_from)
        if given is not None:
            return given
        host = urlsplit(self.base_url).hostname or ""
        # A mail address cannot have a plain IP address after the @.
        domain = "localhost" if re.fullmatch(r"[0-9.]+|.*:.*|", host) else host
        return ("stepIQ", addresses.parse(f"stepiq@{domain}") or "stepiq@localhost")

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


class _LogSettings(BaseSettings):
    """The one setting that has to be known before all of them are valid."""

    model_config = Settings.model_config
    log_format: Literal["auto", "console", "json"] = "auto"


def log_format() -> Literal["auto", "console", "json"]:
    """The format of the log, for the errors of settings; `auto` if it is not valid."""
    try:
        return _LogSettings().log_format
    except ValidationError:
        return "auto"


def load(flags: Mapping[str, str] = _NO_FLAGS, /, **overrides: Any) -> Settings:
    """Read the environment and the config file.

    Args:
        flags: options of the command line, by the fields that they override: errors name them.
        overrides: values that win over both, by field name.

    Raises:
        SettingsInvalid: with one issue per setting, named as the operator wrote it. Secrets are not shown.
    """
    named = None if "config_file" in overrides else _named_file()
    file = str(overrides.get("config_file") or named or "stepiq.toml")
    config = read_config_file(Path(file), is_named=named is not None)
    given = {name.upper() for name, value in os.environ.items() if value}
    used = {name: flag for name, flag in flags.items() if name in overrides}
    problems = list(config.problems)
    settings = None
    # First without the file: a variable with the name of one of its tables is refused, too.
    for values in (overrides, {**config.tables, **overrides}):
        try:
            settings = Settings(**values)
        except ValidationError as error:
            found = of_validation(error, _fields(), given, used, file, CONFIG_FILE_TABLES)
            problems += found.issues
    if settings is None or problems:
        raise invalid(*dict.fromkeys(problems))
    return settings


def unknown_variables(settings: Settings) -> dict[str, str | None]:
    """Variables called `STEPIQ_…` that set nothing, each with the nearest name that does."""
    names = {name: spellings(name, field) for name, field in _fields().items()}
    endpoints = settings.endpoints.values()
    known = {each for group in names.values() for each in group} | CLIENT_VARIABLES
    known |= {endpoint.api_key_env for endpoint in endpoints if endpoint.api_key_env}
    providers = settings.identity_providers.values()
    known |= {each.client_secret_env for each in providers if each.client_secret_env}
    # Without the prefix, which would make all names alike.
    bare = {group[0].removeprefix(_PREFIX): group[0] for group in names.values()}
    found: dict[str, str | None] = {}
    for name in sorted(os.environ):
        if name.upper().startswith(_PREFIX) and not known & {name, name.upper()}:
            near = get_close_matches(name.upper().removeprefix(_PREFIX), bare, 1, _NEAR)
            found[name] = bare[near[0]] if near else None
    return found


def _named_file() -> str | None:
    # As in all settings, the case of the variable does not matter.
    given = (value for name, value in os.environ.items() if name.upper() == "STEPIQ_CONFIG_FILE")
    return next(filter(None, given), None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
