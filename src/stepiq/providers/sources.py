"""The providers of models: vendors, Ollama, named endpoints and the local model."""

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from stepiq.core.concurrency.fairness import FairSemaphore, current_owner
from stepiq.core.settings.config_file import EndpointSettings
from stepiq.core.settings.errors import SettingsInvalid
from stepiq.core.settings.model import Settings
from stepiq.providers import catalogue
from stepiq.providers.base import ProviderError
from stepiq.providers.catalogue import CatalogueEntry, PriceList, Prices
from stepiq.providers.local.model import MAX_OUTPUT_TOKENS, LocalServer, local_unavailable
from stepiq.providers.local.weights import (
    CONTEXT_WINDOW,
    MODEL_NAME,
    LocalModelUnavailable,
    WeightsFetch,
    WeightsFetchStopped,
)
from stepiq.providers.places import Endpoint, FailurePlace
from stepiq.providers.vendors import VENDORS, Vendor

if TYPE_CHECKING:
    from stepiq.providers.connection import ProviderConnection

KEPT = 64
"""Number of keys per provider above which idle connections are closed."""


@dataclass(slots=True)
class _Held:
    connection: "ProviderConnection"
    users: int = 0


class ConnectionPool:
    """The connections of the most recently used keys."""

    def __init__(self, make: "Callable[[str], ProviderConnection]") -> None:
        self._make = make
        self._held: OrderedDict[str, _Held] = OrderedDict()

    @asynccontextmanager
    async def lease(self, key: str) -> "AsyncGenerator[ProviderConnection]":
        """The connection of a key, which stays open at least while it is used."""
        held = self._held.setdefault(key, _Held(self._make(key)))
        self._held.move_to_end(key)
        held.users += 1
        try:
            yield held.connection
        finally:
            held.users -= 1
            await self._trim()

    async def _trim(self) -> None:
        idle = [key for key, held in self._held.items() if not held.users]
        for key in idle[: max(0, len(self._held) - KEPT)]:
            await self._held.pop(key).connection.close()

    async def close(self) -> None:
        """Close all connections."""
        while self._held:
            await self._held.popitem()[1].connection.close()


if TYPE_CHECKING:
    from stepiq.providers.connection import ProviderConnection

_LOCAL_PROCESSES = 2
"""Each computes one answer at a time. The second is reserved for workspaces that use the model little."""
_LITTLE_USE_SECONDS = 20.0
_FREE = Prices(Decimal(0), Decimal(0), Decimal(0))


class ModelSource(ABC):
    """One provider with its models, prices and connections."""

    origin: Literal["server_key", "local", "none"] = "none"
    """Whose credential pays."""
    reason: str | None = None
    """Why it cannot be used, and what to do; None if it can be used."""
    reason_in_commands: str | None = None
    """`reason` for commands without a server, where it differs."""
    missing: str | None = None
    """The setting that would make it usable, if there is one."""
    small_model: str | None = None
    """The model of steps that name none, if this is the first usable provider."""
    prices: PriceList | None = PriceList()
    """The applicable prices; None if nothing is billed."""
    capabilities: tuple[str, ...] = ("streaming",)
    """Minimum capabilities of a model that is not in the catalogue."""
    max_answer_tokens: int | None = None
    """Longest answer of its models in tokens, if stepIQ limits it."""
    key_name: str | None = None
    """The setting that holds its key. A workspace's secret of that name takes precedence."""
    base_url: str | None = None
    """The address of calls; None if they do not leave this machine."""
    connection_class: str = "openai.chat.ChatConnection"
    """The module and class that implement its protocol, in this package."""

    def __init__(self, source_id: str, label: str) -> None:
        self.id = source_id
        self.label = label

    @property
    def connects(self) -> "type[ProviderConnection]":
        """The implementation of its protocol. Imported late, because commands that call no model do not need it."""
        module, _, name = self.connection_class.rpartition(".")
        return getattr(import_module(f"stepiq.providers.{module}"), name)

    def names(self) -> tuple[str, ...]:
        """The models known by name, without the provider's id."""
        return tuple(entry.name for entry in catalogue.entries() if entry.provider == self.id)

    def knows(self, name: str) -> bool:
        """Whether the name is listed or in the catalogue."""
        return name in self.names() or self.entry(name) is not None

    def entry(self, name: str) -> CatalogueEntry | None:
        """The catalogue's entry for a model."""
        return catalogue.find(self.id, name)

    def price(self, name: str) -> Prices | None:
        return _FREE if self.prices is None else self.prices.prices(name)

    def context_window(self, name: str) -> int | None:
        entry = self.entry(name)
        return entry.context_window if entry else None

    @abstractmethod
    def lease(self, key: str | None) -> "AbstractAsyncContextManager[ProviderConnection]":
        """A connection with a workspace's own key; None for the operator's configuration.

        Raises:
            ProviderError: the connection cannot be created.
        """

    def reason_with(self, own: Collection[str]) -> str | None:
        """Why an account with keys of these names cannot use it; None if it can."""
        return None if self.key_name in own else self.reason

    @abstractmethod
    async def close(self) -> None:
        """Close its connections and end its processes."""


class ServerSource(ModelSource):
    """A provider at a fixed address."""

    _connection: "ProviderConnection | None" = None

    def __init__(
        self,
        place: FailurePlace,
        base_url: str,
        key: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(place.provider, place.label)
        self._endpoint = Endpoint(place, base_url, key, headers or {})
        self.base_url = base_url
        self.origin = "server_key" if key else "local"
        self.key_name = place.key_setting
        self._own = ConnectionPool(self._connect_with)

    async def connection(self) -> "ProviderConnection":
        if self._connection is None:
            self._connection = self.connects(self._endpoint)
        return self._connection

    @asynccontextmanager
    async def lease(self, key: str | None) -> "AsyncGenerator[ProviderConnection]":
        if key is None:
            yield await self.connection()
            return
        async with self._own.lease(key) as connection:
            yield connection

    def _connect_with(self, key: str) -> "ProviderConnection":
        place = replace(self._endpoint.place, key_setting=f"the secret `{self.key_name}`")
        # No other settings of the operator are sent with a workspace's own key.
        return self.connects(replace(self._endpoint, place=place, api_key=key, headers={}))

    async def close(self) -> None:
        await self._own.close()
        if self._connection is not None:
            await self._connection.close()


class VendorSource(ServerSource):
    """A vendor, or the server at its `…_BASE_URL`."""

    def __init__(self, vendor: Vendor, settings: Settings) -> None:
        self.connection_class = vendor.connection_class
        given: str | None = getattr(settings, f"{vendor.id}_base_url")
        key = _secret(getattr(settings, f"{vendor.id}_api_key"))
        base_url = vendor.base_url(given or vendor.url)
        given_headers = {
            name: getattr(settings, setting) for name, setting in vendor.header_settings
        }
        headers = {name: value for name, value in given_headers.items() if value}
        super().__init__(vendor.place(base_url), base_url, key, headers)
        # The vendors send thoughts in fields of their own. Other servers at a configured address may not.
        self._endpoint = replace(self._endpoint, has_thought_tags=base_url != vendor.url)
        self.prices = PriceList(vendor.id)
        self.small_model = vendor.small_model
        if key is None and base_url == vendor.url:
            self.origin, self.missing = "none", self.key_name
            advice = f"Set `{self.key_name}` to a key of your {self.label} account"
            self.reason = f"{advice} and restart, or store one as the secret `{self.key_name}`."
            self.reason_in_commands = f"{advice}."


class OllamaSource(ServerSource):
    """The operator's Ollama server."""

    prices = None
    capabilities = ("json", "streaming")

    def __init__(self, settings: Settings) -> None:
        configured = _clean(settings.ollama_base_url)
        base_url = configured or "http://127.0.0.1:11434"
        if not urlsplit(base_url).path.strip("/"):
            base_url = f"{base_url}/v1"
        place = FailurePlace("ollama", "Ollama", base_url, None, "OLLAMA_BASE_URL")
        super().__init__(place, base_url, None)
        if configured is None:
            self.origin, self.missing = "none", "OLLAMA_BASE_URL"
            advice = "Set `OLLAMA_BASE_URL` to your Ollama server, such as http://127.0.0.1:11434"
            self.reason = f"{advice}, and restart."
            self.reason_in_commands = f"{advice}."

    def knows(self, name: str) -> bool:
        # The models depend on what was pulled, which only Ollama can report.
        return True


class EndpointSource(ServerSource):
    """An `[endpoints.NAME]` section of the config file."""

    def __init__(self, name: str, settings: EndpointSettings) -> None:
        base_url = settings.base_url.rstrip("/")
        key = _secret(settings.api_key)
        setting = f"`base_url` of `[endpoints.{name}]` in `stepiq.toml`"
        place = FailurePlace(name, name, base_url, settings.api_key_env, setting)
        super().__init__(place, base_url, key)
        self.prices = PriceList(base_url=base_url)
        self._names = tuple(settings.models)
        self.small_model = settings.small_model or next(iter(settings.models), None)
        if settings.api_key_env and key is None:
            self.origin, self.missing = "none", settings.api_key_env
            advice = f"Set `{settings.api_key_env}` to its key"
            self.reason = (
                f"{advice} and restart, or store one as the secret `{settings.api_key_env}`."
            )
            self.reason_in_commands = f"{advice}."

    def names(self) -> tuple[str, ...]:
        small = (self.small_model,) if self.small_model else ()
        return tuple(dict.fromkeys((*self._names, *small)))

    def context_window(self, name: str) -> int | None:
        info = self.prices.info(name) if self.prices else None
        return info.context_window if info else None


class LocalSource(ModelSource):
    """The small model that runs on this machine."""

    prices = None
    small_model = MODEL_NAME
    max_answer_tokens = MAX_OUTPUT_TOKENS
    capabilities = ("json", "streaming")

    def __init__(self, settings: Settings) -> None:
        super().__init__("local", "Local model")
        self._weights = WeightsFetch(settings.cache_path)
        self._servers = [LocalServer(self._weights) for _ in range(_LOCAL_PROCESSES)]
        self._idle = set(range(_LOCAL_PROCESSES))
        self._places = FairSemaphore(
            _LOCAL_PROCESSES,
            share=1,
            reserve=_LOCAL_PROCESSES - 1,
            little_use_seconds=_LITTLE_USE_SECONDS,
        )
        self.reason = local_unavailable()
        self.origin = "none" if self.reason else "local"

    def names(self) -> tuple[str, ...]:
        return (MODEL_NAME,)

    def context_window(self, name: str) -> int | None:
        return CONTEXT_WINDOW if name == MODEL_NAME else None

    @property
    def pid(self) -> int | None:
        """Id of the model's first process while it is running."""
        return self._servers[0].pid

    @asynccontextmanager
    async def lease(self, key: str | None) -> "AsyncGenerator[ProviderConnection]":
        """Wait for an idle process. Workspaces take turns."""
        async with self._places.place(current_owner()):
            # The first one, so that a second process starts only if two workspaces use the model at the same time.
            number = min(self._idle)
            self._idle.remove(number)
            try:
                yield await self._connect(self._servers[number])
            finally:
                self._idle.add(number)

    async def close(self) -> None:
        await self._weights.close()
        for server in self._servers:
            await server.close()

    async def _connect(self, server: LocalServer) -> "ProviderConnection":
        try:
            return await server.connection()
        except LocalModelUnavailable as error:
            is_stopped = isinstance(error, WeightsFetchStopped)
            raise ProviderError("provider_error", error.message, retryable=is_stopped) from None
        except OSError as error:
            raise ProviderError(
                "provider_error",
                f"The local model could not be started: {error.strerror or error}. Check that this machine has free memory, and"
                " that the server may start processes and open files. Run the step again later.",
                retryable=True,
            ) from None


def build_sources(settings: Settings) -> dict[str, ModelSource]:
    """All providers by id, in the order in which the default model is chosen.

    Raises:
        SettingsInvalid: an endpoint has the name of a built-in provider.
    """
    sources: list[ModelSource] = [VendorSource(vendor, settings) for vendor in VENDORS]
    for name, endpoint in settings.endpoints.items():
        if name in {*catalogue.VENDORS, "ollama", "local"}:
            raise SettingsInvalid(
                f"{settings.config_file}: [endpoints.{name}] has the name of a built-in provider. Choose another name."
            )
        sources.append(EndpointSource(name, endpoint))
    sources += [OllamaSource(settings), LocalSource(settings)]
    return {source.id: source for source in sources}


def _clean(url: str | None) -> str | None:
    return url.rstrip("/") if url else None


def _secret(value: SecretStr | None) -> str | None:
    return (value.get_secret_value() or None) if value else None
