"""Servers of models, with their credentials and what error messages say of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class FailurePlace:
    """The facts for error messages: the provider, the model, and the relevant settings."""

    provider: str
    label: str
    """Display name of the provider."""
    base_url: str
    key_setting: str | None
    """The variable that holds the key; None if no key is used."""
    url_setting: str
    """The setting that holds the URL."""
    when_unreachable: str | None = None
    """Advice if the server does not respond. Default: to check the setting that holds the URL."""
    model: str | None = None
    protocol: str = "OpenAI's Chat Completions"
    """The protocol of the server."""
    usual_end: str = "it usually ends in /v1"
    """Advice about the URL if the server does not support the protocol."""
    no_model_codes: frozenset[str] = frozenset()
    """The provider's error codes for an unknown model, apart from status 404."""
    used_up_codes: frozenset[str] = frozenset()
    """The provider's error codes for an exhausted balance or plan, apart from status 402."""

    def of(self, model: str) -> "FailurePlace":
        """The same place with a model."""
        return replace(self, model=model)

    @property
    def key(self) -> str | None:
        """The setting of the key, formatted for messages."""
        return None if self.key_setting is None else _shown(self.key_setting)

    @property
    def url(self) -> str:
        """The setting of the URL, formatted for messages."""
        return _shown(self.url_setting)

    @property
    def subject(self) -> str:
        return f"{self.label} (model `{self.model}`)" if self.model else self.label


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server and its credentials."""

    place: FailurePlace
    base_url: str
    api_key: str | None = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Other headers of its calls, by lower-case name."""
    keeps_connections: bool = True
    """False for a server that closes connections without notice, so that the next call on one would fail."""
    has_thought_tags: bool = True
    """Whether it may send thoughts within the text, between `<think>` and `</think>`."""


def _shown(setting: str) -> str:
    # A setting that is not a variable is a description, which is not formatted as code.
    return setting if " " in setting else f"`{setting}`"
