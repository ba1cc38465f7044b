"""Identity providers for sign-in with OpenID Connect: `[oidc.NAME]` in `stepiq.toml`, or STEPIQ_OIDC_PROVIDERS."""

import os
import re
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from stepiq.core.validation import unknown

GroupRole = Literal["viewer", "operator", "editor", "admin"]
"""Roles that a group can give. Owners are appointed by owners."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")
_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_CLAIM_CHARACTERS = 200
_OF_PROVIDER = len(("google", "issuer"))
"""Length of the location of a field in STEPIQ_OIDC_PROVIDERS."""


class GroupGrant(BaseModel):
    """The role that a group of the provider gives in one workspace."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    role: GroupRole
    workspace: UUID | None = None
    """Default: the workspace of the provider."""


def _listed(value: object) -> object:
    return [cast(object, value)] if isinstance(value, dict) else value


GroupGrants = Annotated[tuple[GroupGrant, ...], BeforeValidator(_listed)]
"""One grant, or a list of them."""


class OidcSettings(BaseModel):
    """An identity provider, `[oidc.NAME]` in `stepiq.toml`."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    issuer: str
    """URL of the provider, exactly as its discovery document names it, such as `https://accounts.google.com`."""
    client_id: Annotated[str, Field(min_length=1, max_length=500)]
    """Id of stepIQ at the provider."""
    client_secret: SecretStr | None = None
    """Secret of stepIQ at the provider. Without a secret, only PKCE protects the exchange of the code."""
    client_secret_env: str | None = None
    """Name of the environment variable that contains the secret, instead of `client_secret`."""
    name: str | None = Field(default=None, min_length=1, max_length=60)
    """Name on the sign-in page: "Continue with NAME". Default: the name of the table."""
    scopes: list[str] = ["openid", "email", "profile"]
    """Scopes to request. They must include `openid`."""
    allowed_domains: list[str] = []
    """Domains of email addresses that can sign in, such as `example.com`. Default: all."""
    assume_verified_email: bool = False
    """`true` trusts addresses without the claim `email_verified`. Use it only for providers that do not let people choose their
    own address, such as a single tenant of Entra."""
    create_accounts: bool = True
    """Whether the first sign-in of a person creates an account. If not, only people with an invitation to a workspace get one."""
    session_hours: int = Field(default=168, ge=1, le=720)
    """Hours after which people must sign in with the provider again, so that their groups are read again."""
    workspace: UUID | None = None
    """Id of a workspace. Everybody who signs in becomes a member of it."""
    role: GroupRole = "viewer"
    """Role in this workspace, for people without a mapped group."""
    group_claim: Annotated[str, Field(min_length=1, max_length=_CLAIM_CHARACTERS)] = "groups"
    """Claim that lists the groups of a person. Dots name fields of objects: `realm_access.roles`."""
    groups: dict[str, GroupGrants] = {}
    """Roles by group: `eng = {role = "editor", workspace = "ID"}`, or a list of such tables. Without `workspace`, the role is for
    the workspace of the provider."""
    admin_groups: list[str] = []
    """Groups whose members are administrators of the server."""

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            is_complete = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_complete = False
        if not is_complete or any(character in value for character in "?#@"):
            raise ValueError(
                "use the URL of the provider without query and user, such as `https://accounts.google.com`"
            )
        return value

    @field_validator("scopes")
    @classmethod
    def _scopes(cls, value: list[str]) -> list[str]:
        if "openid" not in value or not all(_SCOPE.fullmatch(each) for each in value):
            raise ValueError('use scopes without spaces that include "openid"')
        return value

    @field_validator("allowed_domains")
    @classmethod
    def _domains(cls, value: list[str]) -> list[str]:
        lower = [each.lower() for each in value]
        if not all(_DOMAIN.fullmatch(each) for each in lower):
            raise ValueError("use domains without @, such as `example.com`")
        return lower

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.client_secret is not None and self.client_secret_env is not None:
            raise ValueError("use `client_secret` or `client_secret_env`, not both")
        grants = [grant for group in self.groups.values() for grant in group]
        if self.workspace is None and any(grant.workspace is None for grant in grants):
            raise ValueError("name the `workspace` of each group, or of the provider")
        return self

    @property
    def secret(self) -> str | None:
        """The client secret, read from the environment at each call if its variable is configured."""
        if self.client_secret_env is not None:
            return os.environ.get(self.client_secret_env) or None
        return None if self.client_secret is None else self.client_secret.get_secret_value()

    @property
    def assigns_roles(self) -> bool:
        """Whether the provider decides about memberships."""
        return self.workspace is not None or bool(self.groups)


_PROVIDERS = TypeAdapter(dict[str, OidcSettings])


def check_name(name: str) -> None:
    """Refuse a name of a provider that cannot be a part of a URL.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"`{name[:40]}` is not a valid name of a provider. Use lower-case letters, digits and -"
        )


def read_variable(text: str) -> dict[str, OidcSettings]:
    """The providers of STEPIQ_OIDC_PROVIDERS, a JSON object.

    Raises:
        ValueError: the text is invalid. The message contains no values, which can be secrets.
    """
    try:
        found = _PROVIDERS.validate_json(text)
    except ValidationError as error:
        raise ValueError("; ".join(_said(cast(Any, each)) for each in error.errors())) from None
    for name in found:
        check_name(name)
    return found


def _said(entry: dict[str, Any]) -> str:
    if not entry["loc"]:
        return (
            'use a JSON object of providers, such as {"google": {"issuer": "…", "client_id": "…"}}'
        )
    path = ".".join(map(str, entry["loc"]))
    reason = entry.get("ctx", {}).get("error") or entry["msg"]
    if entry["type"] == "extra_forbidden" and len(entry["loc"]) == _OF_PROVIDER:
        reason = unknown("field", str(entry["loc"][-1]), OidcSettings.model_fields)
    return f"`{path}`: {str(reason).rstrip('.')}"
