"""The vendors whose models are known by name, with their addresses, protocols and small models."""

from dataclasses import dataclass

from stepiq.providers.places import FailurePlace


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor, with its id from `catalogue.VENDORS`."""

    id: str
    label: str
    url: str
    """Its public address, in the format of `base_url`."""
    small_model: str
    """The model of steps that name none, if this is the first usable provider."""
    connection_class: str
    """The module and class of its protocol's implementation, in this package."""
    protocol: str
    usual_end: str
    """Advice about the URL if the server does not support the protocol."""
    no_model_codes: frozenset[str] = frozenset()
    used_up_codes: frozenset[str] = frozenset()
    header_settings: tuple[tuple[str, str], ...] = ()
    """Headers that are sent with the operator's key, each with the setting that holds its value."""
    drops: str = ""
    """An optional end of a configured address, which is removed."""
    adds: str = ""
    """An end that is added to every address."""

    @property
    def key_setting(self) -> str:
        return f"{self.id.upper()}_API_KEY"

    @property
    def url_setting(self) -> str:
        return f"{self.id.upper()}_BASE_URL"

    def base_url(self, given: str) -> str:
        """Convert the operator's address to the one that `connects` requires."""
        return given.rstrip("/").removesuffix(self.drops).rstrip("/") + self.adds

    def place(self, base_url: str) -> FailurePlace:
        """The facts for error messages about it."""
        return FailurePlace(
            self.id,
            self.label,
            base_url,
            self.key_setting,
            self.url_setting,
            protocol=self.protocol,
            usual_end=self.usual_end,
            no_model_codes=self.no_model_codes,
            used_up_codes=self.used_up_codes,
        )


VENDORS = (
    Vendor(
        id="openai",
        label="OpenAI",
        url="https://api.openai.com/v1",
        small_model="gpt-4o-mini",
        connection_class="openai.chat.OpenAIConnection",
        header_settings=(
            ("openai-organization", "openai_org_id"),
            ("openai-project", "openai_project_id"),
        ),
        protocol="OpenAI's Chat Completions",
        usual_end="it usually ends in /v1",
    ),
    Vendor(
        id="anthropic",
        label="Anthropic",
        url="https://api.anthropic.com",
        small_model="claude-haiku-5-5",
        connection_class="pydantic_ai.anthropic.AnthropicConnection",
        protocol="Anthropic's Messages",
        usual_end="/v1/messages is added to it",
        drops="/v1",
    ),
    Vendor(
        id="google",
        label="Google",
        url="https://generativelanguage.googleapis.com",
        small_model="gemini-3.1-flash-lite",
        connection_class="pydantic_ai.gemini.GeminiConnection",
        protocol="Gemini's generateContent",
        usual_end="/v1beta/models is added to it",
        drops="/v1beta",
    ),
    Vendor(
        id="mistral",
        label="Mistral",
        url="https://api.mistral.ai/v1",
        small_model="mistral-small-latest",
        connection_class="openai.chat.MistralConnection",
        protocol="Mistral's Chat Completions",
        usual_end="/v1/chat/completions is added to it",
        no_model_codes=frozenset({"invalid_model"}),
        drops="/v1",
        adds="/v1",
    ),
    Vendor(
        id="zai",
        label="Z.ai",
        url="https://api.z.ai/api/paas/v4",
        small_model="glm-5.3-flash",
        connection_class="openai.chat.ZaiConnection",
        protocol="Z.ai's Chat Completions",
        usual_end="it usually ends in /v4",
        no_model_codes=frozenset({"1211"}),
        # https://docs.z.ai/api-reference/api-code: 1113 and those for the limits of a plan.
        used_up_codes=frozenset({"1113", *map(str, (*range(1308, 1312), *range(1313, 1322)))}),
    ),
)
"""In the order in which the default model is chosen."""
