"""Errors of inbound webhooks."""

from stepiq.core.errors import Invalid, Unauthenticated


class PayloadInvalid(Invalid):
    """The body is JSON, but not an object."""

    code = "payload_invalid"
    message = 'The body must be a JSON object: {"input_data": {…}}, or the input itself.'


class SignatureInvalid(Unauthenticated):
    """The pipeline requires a signature, but the request's signature is missing, too old or wrong."""

    code = "signature_invalid"


class SignatureSecretMissing(Unauthenticated):
    """The pipeline requires a signature, but the secret that verifies it is not stored."""

    code = "signature_secret_missing"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The pipeline requires a signature, but its secret `{name}` is not stored. The owner of the pipeline must store "
            "it: POST /api/user/secrets.",
            name=name,
        )


class SignatureSecretUnusable(Unauthenticated):
    """The pipeline requires a signature, but the stored secret does not fit the scheme."""

    code = "signature_secret_unusable"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"The secret `{name}` cannot verify a signature: {problem}. The owner of the pipeline must store the correct one: "
            "POST /api/user/secrets.",
            name=name,
        )
