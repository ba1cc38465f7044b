"""Models with their context windows and prices, from the snapshot in `genai-prices`.

Uses no network: prices are as of the installed version of that package. An unknown price is None, never a guess.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import TYPE_CHECKING

from stepiq.core import clock

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider, TieredPrices

VENDORS = {
    "openai": "OpenAI",
    "anthropic": "Anthropic",
    "google": "Google",
    "mistral": "Mistral",
    "zai": "Z.ai",
}
"""Providers whose models are listed by name, in the order in which they are searched for a bare model id."""

_OTHER_THAN_CHAT = re.compile(
    r"audio|realtime|transcri|tts|whisper|image|embed|moderation|-live|search|computer-use|deep-research|instruct$"
    r"|^(ada|babbage|curie|davinci|text-|ft:)|babbage|davinci|ocr|voxtral|codex|nano-banana|omni|robotics|[.:]ft|:"
    # OpenAI serves these only through the Responses API, which is not supported yet, or not at all.
    r"|^(gpt|o\d).*-pro\b|-cyber$|gpt-oss|rosalind",
    re.IGNORECASE,
)
_OWN_NAMES = {
    "openai": re.compile(r"^(gpt-|chatgpt-|o\d)"),
    "anthropic": re.compile(r"^claude-"),
    "google": re.compile(r"^gemini-"),
    "mistral": re.compile(r"^(mi|code|dev|magi|mini)stral|^mixtral|^pixtral|^open-mi"),
    "zai": re.compile(r"^glm-", re.IGNORECASE),
}
"""Patterns of the names of a vendor's own models. Some vendors also resell models of others."""

_MAX_OUTPUT: tuple[tuple[str, int], ...] = (
    ("gpt-3.5-turbo", 4096),
    ("gpt-4-turbo", 4096),
    ("gpt-4.1", 32_768),
    ("gpt-4o", 16_384),
    ("gpt-4", 8192),
    ("gpt-5", 128_000),
    ("o1", 100_000),
    ("o3", 100_000),
    ("o4", 100_000),
)
"""Published maximum of output tokens, by prefix of the name. The price list does not contain it."""

_BLIND = re.compile(
    r"^(gpt-3|gpt-4$|gpt-4-32k|o1-mini|o1-preview|o3-mini|glm-.*\d$|mistral-|codestral|ministral)"
)
_ZERO = re.compile(r"\.0(?![0-9])")
_TOOLLESS = re.compile(r"^(chatgpt-4o|o1-mini|o1-preview|claude-2|claude-v1)")


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per million tokens. If a price depends on the length of the input, the price for short input."""

    input_usd: Decimal | None
    cached_usd: Decimal | None
    output_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One model of the catalogue."""

    provider: str
    name: str
    """The provider's name for it."""
    label: str
    """Display name."""
    context_window: int | None
    max_output_tokens: int | None
    prices: Prices | None
    capabilities: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.provider}/{self.name}"


@dataclass(frozen=True, slots=True)
class PriceList:
    """The prices of one provider, identified by its id or by the URL of its API."""

    provider_id: str | None = None
    base_url: str | None = None

    def info(self, name: str) -> "ModelInfo | None":
        provider = _provider(self.provider_id, self.base_url)
        return provider.find_model(name) if provider else None

    def prices(self, name: str) -> Prices | None:
        """Today's prices; None if they are unknown for that model."""
        info = self.info(name)
        return _prices(info) if info else None

    def micros(
        self, name: str, input_tokens: int, cached: int, output: int
    ) -> tuple[int, int, int] | None:
        """Micro-dollars for uncached input, cached input and output, each rounded half up; None without prices."""
        info = self.info(name)
        if info is None:
            return None
        listed = info.get_prices(clock.now())
        rates = [
            _rate(price, input_tokens)
            for price in (listed.input_mtok, listed.cache_read_mtok, listed.output_mtok)
        ]
        if rates[0] is None or rates[2] is None:
            return None
        # A dollar per million tokens is a micro-dollar per token. Cached input without a price costs the full price.
        cached_rate = rates[0] if rates[1] is None else rates[1]
        return (
            _rounded(rates[0] * (input_tokens - cached)),
            _rounded(cached_rate * cached),
            _rounded(rates[2] * output),
        )


def load() -> None:
    """Read the snapshot now (half a second) instead of at the first lookup of a model."""
    entries()


def is_loaded() -> bool:
    """Whether `load` has been called in this process."""
    return entries.cache_info().currsize > 0


@cache
def _snapshot() -> "DataSnapshot":
    # The import takes half a second, so only processes that use models do it.
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


@cache
def _provider(provider_id: str | None, base_url: str | None) -> "Provider | None":
    try:
        return _snapshot().find_provider(None, provider_id, base_url)
    except LookupError:
        return None


@cache
def entries() -> tuple[CatalogueEntry, ...]:
    """Every chat model of the vendors listed by name, in the order of `VENDORS`."""
    found: list[CatalogueEntry] = []
    for vendor in VENDORS:
        provider = _provider(vendor, None)
        for info in provider.models if provider else ():
            if _OWN_NAMES[vendor].match(info.id) and not _OTHER_THAN_CHAT.search(info.id):
                found.append(_entry(vendor, info.id, info))
    return tuple(found)


def find(provider: str, name: str) -> CatalogueEntry | None:
    """The entry of a provider's model. Dated names are found, too, and keep their date."""
    if provider not in VENDORS or _OTHER_THAN_CHAT.search(name):
        return None
    info = PriceList(provider).info(name)
    return _entry(provider, name, info) if info else None


def find_bare(name: str) -> CatalogueEntry | None:
    """The entry of a name without a provider, such as `gpt-4o` or `claude-sonnet-4`."""
    for vendor, own in _OWN_NAMES.items():
        if own.match(name) and (entry := find(vendor, name)):
            return entry
    return None


def nearest(wanted: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known ids most similar to `wanted`, which may lack the provider; names that begin with it come first."""
    full: dict[str, list[str]] = defaultdict(list)
    # Several providers may have a model of the same name.
    short: dict[str, list[str]] = defaultdict(list)
    for model_id in known:
        key = _plain(model_id)
        full[key].append(model_id)
        short[key.partition("/")[2] or key].append(model_id)
    wanted = _plain(wanted)
    names = full if "/" in wanted else short
    # By similarity, `claude-2` would match `claude-3.5` better than the longer names that begin with it.
    begun = [name for name in names if name == wanted or name.startswith(f"{wanted}-")]
    matches = begun + difflib.get_close_matches(wanted, names, count, cutoff=0.6)
    if not matches:
        matches = difflib.get_close_matches(wanted.rpartition("/")[2], short, count, cutoff=0.6)
        names = short
    return [model_id for match in dict.fromkeys(matches) for model_id in names[match]][:count]


def _plain(name: str) -> str:
    """A name with versions in one form: `4.0` as `4`, and `3.5` as `3-5`."""
    return _ZERO.sub("", name.lower()).replace(".", "-")


def _entry(vendor: str, name: str, info: "ModelInfo") -> CatalogueEntry:
    return CatalogueEntry(
        provider=vendor,
        name=name,
        label=info.name or name,
        context_window=info.context_window,
        max_output_tokens=_max_output(name) if vendor == "openai" else None,
        prices=_prices(info),
        capabilities=_capabilities(name),
    )


def _max_output(name: str) -> int | None:
    return next((limit for start, limit in _MAX_OUTPUT if name.startswith(start)), None)


def _capabilities(name: str) -> tuple[str, ...]:
    able = ["json", "streaming"]
    if not _TOOLLESS.match(name):
        able.append("tools")
    if not _BLIND.match(name.lower()):
        able.append("vision")
    return tuple(able)


def _prices(info: "ModelInfo") -> Prices | None:
    listed = info.get_prices(clock.now())
    prices = Prices(
        input_usd=_rate(listed.input_mtok, 0),
        cached_usd=_rate(listed.cache_read_mtok, 0),
        output_usd=_rate(listed.output_mtok, 0),
    )
    return None if prices.input_usd is None or prices.output_usd is None else prices


def _rate(price: "Decimal | TieredPrices | None", input_tokens: int) -> Decimal | None:
    if price is None or isinstance(price, Decimal):
        return price
    # Above a threshold, the higher price applies to all tokens of the call, not only to those above it.
    beyond = [tier.price for tier in price.tiers if input_tokens > tier.start]
    return beyond[-1] if beyond else price.base


def _rounded(micros: Decimal) -> int:
    return int(micros.quantize(Decimal(1), ROUND_HALF_UP))
