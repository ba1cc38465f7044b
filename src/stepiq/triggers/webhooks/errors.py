"""What an inbound webhook refuses."""

from stepiq.core.errors import Invalid, Unauthenticated


class KeyRequired(Unauthenticated):
    """Inbound webhooks take an API key and nothing else."""

    code = "api_key_required"

    def __init__(self) -> None:
        super().__init__("Inbound webhooks take an API key: send it as X-API-Key: sk_live_…")


class PayloadInvalid(Invalid):
    """The body is JSON, but not an object."""

    code = "payload_invalid"

    def __init__(self) -> None:
        super().__init__(
            'The body must be a JSON object: {"input_data": {…}}, or the input itself.'
        )


class SignatureInvalid(Unauthenticated):
    """The pipeline takes requests of one sender only, and this one's signature is missing, too old or not theirs."""

    code = "signature_invalid"


class SignatureSecretMissing(Unauthenticated):
    """The pipeline takes signed requests only, and the secret to check them with is not stored."""

    code = "signature_secret_missing"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The pipeline takes signed requests only, but its secret `{name}` is not stored. Its owner stores it with "
            "POST /api/user/secrets.",
            name=name,
        )


class SignatureSecretUnusable(Unauthenticated):
    """The pipeline takes signed requests only, and the secret to check them with cannot be one of the scheme."""

    code = "signature_secret_unusable"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(
            f"The secret `{name}` cannot check a signature: {problem}. Its owner stores the right one with "
            "POST /api/user/secrets.",
            name=name,
        )
