"""Errors of two-factor sign-in."""

from stepiq.core.errors import Conflict, Forbidden, Invalid, Unauthenticated


class TotpRequired(Unauthenticated):
    """The password is right, and the account also needs a code: of its authenticator app, or a recovery code."""

    code = "totp_required"

    def __init__(self) -> None:
        super().__init__(
            "This account has two-factor sign-in. Send the code of the authenticator app, or a recovery code, as `code`."
        )


class TotpWrong(Unauthenticated):
    """The password is right, but the code is wrong, expired or used."""

    code = "totp_wrong"

    def __init__(self) -> None:
        super().__init__(
            "The code is wrong or was used before. Enter the code that the app shows now, or a recovery code."
        )


class CodeWrong(Invalid):
    """The code of the authenticator app or the recovery code is wrong, expired or used."""

    code = "code_wrong"

    def __init__(self) -> None:
        super().__init__(
            "The code is wrong or was used before. Enter the code that the app shows now, or a recovery code. If codes from the app "
            "are refused again, check the clock of the device."
        )


class PasswordRequired(Forbidden):
    """The request needs the password, or a session that began within the last 15 minutes."""

    code = "password_required"

    def __init__(self, message: str = "Send your password as `password`.") -> None:
        super().__init__(message)


class TotpEnabled(Conflict):
    """Two-factor sign-in is already on."""

    code = "totp_enabled"

    def __init__(self) -> None:
        super().__init__("Two-factor sign-in is already on. To use another app, turn it off first.")


class TotpNotEnabled(Conflict):
    """The account has no two-factor sign-in."""

    code = "totp_not_enabled"

    def __init__(self) -> None:
        super().__init__("The account has no two-factor sign-in.")


class TotpNotBegun(Conflict):
    """No two-factor setup is in progress, or it began more than an hour ago."""

    code = "totp_not_begun"

    def __init__(self) -> None:
        super().__init__(
            "No two-factor setup is in progress. Start the setup again, and confirm it within an hour."
        )
