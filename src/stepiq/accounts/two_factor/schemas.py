"""Shapes of two-factor sign-in in the API."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import StringConstraints

from stepiq.accounts.schemas import Code
from stepiq.web.bodies import StrictModel, Timestamp, View

_Password = Annotated[str, StringConstraints(max_length=1_024)]


class TotpView(View):
    """Whether the account has two-factor sign-in."""

    enabled: bool
    enabled_at: Timestamp | None
    recovery_codes_left: int
    """Recovery codes that were not used."""


class TotpBegin(StrictModel):
    """Proof that the caller is the owner of the account."""

    password: _Password | None = None
    """Required if the session began more than 15 minutes ago."""


class TotpSecretView(View):
    """The secret for an authenticator app, which is shown only once."""

    secret: str
    """In base 32, to type it in."""
    otpauth_uri: str
    """The address that apps read from a QR code. It contains the secret."""


class TotpConfirmation(StrictModel):
    """A code that proves that the app has the secret."""

    code: Code


class TotpProof(StrictModel):
    """Proof that the caller is the owner of the account and has the second factor."""

    password: _Password | None = None
    """Required to turn two-factor sign-in off, and if the session began more than 15 minutes ago."""
    code: Code
    """The code of the authenticator app, or a recovery code."""


class RecoveryCodesView(View):
    """The recovery codes of the account, which are shown only once. Each works once."""

    recovery_codes: list[str]


class DeletedTotpView(View):
    """The account without two-factor sign-in."""

    id: UUID
    deleted: Literal[True] = True
