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
