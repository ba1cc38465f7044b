"""Resolves model ids, and reports which models can be used on this server and why others cannot."""

import asyncio
import importlib
import threading
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from stepiq.core.errors import Invalid
from stepiq.core.settings.model import Settings
from stepiq.providers import catalogue
from stepiq.providers.base import CallProgress, Cost, ModelRequest, StreamItem, Usage
from stepiq.providers.sources import EndpointSource, LocalSource, ModelSource, build_sources

NO_KEYS: Mapping[str, str] = MappingProxyType({})
"""Keys of an account that has none of its own."""

Origin = Literal["account_key", "server_key", "local", "none"]


class ModelUnusable(Invalid):
    """The model cannot be used on this server."""

    code = "model_unusable"
    failure = "model_unknown"
    """The failure code of a run that needed it."""


class ModelUnknown(ModelUnusable):
    """No provider has a model of this name."""

    code = "model_unknown"


class ProviderNotConfigured(ModelUnusable):
    """The model exists, but its provider has no key or address here."""

    code = "provider_not_configured"
    failure = "provider_auth"


class OwnKeyDeleted(ModelUnusable):
    """The workspace's own key, with which the run was accepted, is not stored any more."""

    failure = "secret_missing"

    def __init__(self, model: str, secret: str) -> None:
        super().__init__(
            f"Model `{model}` needs the secret `{secret}`, which was deleted after the run was accepted. The server's key "
            "is not used instead. Store the secret again, or start a new run.",
            model=model,
            setting=secret,
        )


class SecretNotForModel(ModelUnusable):
    """A secret that the call would send has a list of hosts without the host of the provider, or the model is local."""

    failure = "secret_host_refused"

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"Model `{model}` cannot be called. {problem}", model=model)


@dataclass(frozen=True, slots=True)
class ModelIssue:
    """A problem with a model that a pipeline names."""

    severity: Literal["error", "warning"]
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """One provider, for the API."""

    id: str
    name: str
    usable: bool
    source: Origin
    """Whose credential is used: `local` for servers that need none."""
    reason: str | None
    """Why it cannot be used, and what to set; None if it can be used."""
    models: tuple[str, ...]
    """Ids of its known models. It may have others."""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """One model, for the API. Prices are in dollars per million tokens; None if unknown."""

    id: str
    name: str
    provider: str
    context_window: int | None
    max_output_tokens: int | None
    input_usd_per_million: float | None
    cached_input_usd_per_million: float | None
    output_usd_per_million: float | None
    capabilities: tuple[str, ...]
    usable: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model that can be called. Implements `base.Model`."""

    name: str
    source: ModelSource
    key: str | None = field(default=None, repr=False)
    """The workspace's own key; None to use the operator's configuration."""

    @property
    def id(self) -> str:
        return f"{self.source.id}/{self.name}"

    @property
    def provider(self) -> str:
        return self.source.id

    @property
    def paid_by(self) -> Origin:
        """Whose key is used: `account_key`, `server_key`, or `local` if none is needed."""
        return self.source.origin if self.key is None else "account_key"

    @property
    def is_paid_by_server(self) -> bool:
        """Whether the operator's key is used, so that tokens cost the account credits."""
        return self.paid_by == "server_key"

    @property
    def max_answer_tokens(self) -> int | None:
        return self.source.max_answer_tokens

    async def stream(
        self, request: ModelRequest, progress: CallProgress | None = None
    ) -> AsyncGenerator[StreamItem]:
        await _load(self.source.connects.libraries)
        async with self.source.lease(self.key) as connection:
            # Closing this iterator closes the inner one immediately instead of at garbage collection.
            inner = connection.stream(self.name, request, progress or CallProgress())
            try:
                async for item in inner:
                    yield item
            finally:
                await inner.aclose()

    def cost(self, usage: Usage) -> Cost | None:
        prices = self.source.prices
        if prices is None:
            return Cost(0, 0, 0)
        parts = prices.micros(
            self.name, usage.input_tokens, usage.cached_tokens, usage.output_tokens
        )
        return Cost(*parts) if parts else None


class Providers:
    """All providers of this server. Create one per process; `close` it on the event loop that used it.

    Args:
        settings: settings of the process.
        is_server: whether it is part of a server. If not, no reason mentions a restart or stored secrets.
    """

    def __init__(self, settings: Settings, *, is_server: bool = True) -> None:
        self._settings = settings
        self._sources = build_sources(settings)
        if not is_server:
            for source in self._sources.values():
                source.reason = source.reason_in_commands or source.reason

    async def warm(self) -> None:
        """Load the price list in a thread, so that the first look-up of a model does not block the event loop.

        The libraries of Anthropic and Google are loaded at the first call, which takes one to three seconds longer.
        """
        await _load(())

    async def close(self) -> None:
        """Close all connections and end the local model's processes."""
        for source in self._sources.values():
            await source.close()

    @property
    def ids(self) -> Collection[str]:
        """The ids of all providers, usable or not."""
        return self._sources.keys()

    @property
    def key_names(self) -> frozenset[str]:
        """Names of the secrets that hold providers' keys. An account that has such a secret uses its own key."""
        return frozenset(
            source.key_name for source in self._sources.values() if source.key_name is not None
        )

    def resolve(
        self,
        model_id: str,
        keys: Mapping[str, str] = NO_KEYS,
        accepted_with: Collection[str] = (),
    ) -> ResolvedModel:
        """Find the model of an id: `gpt-4o`, `gpt-4o-2024-08-06` or `provider/model`.

        Args:
            model_id: as the pipeline's author wrote it.
            keys: the workspace's own keys, by the names in `key_names`.
            accepted_with: names of the workspace's own keys when the run was accepted. If one of these is missing now,
                the server's key is not used in its place.

        Raises:
            ModelUnknown: names similar ids.
            ProviderNotConfigured: names the missing setting.
            OwnKeyDeleted: names the missing secret.
        """
        own = {*keys, *accepted_with}
        return _with_key(*self._choose(model_id, own), keys, accepted_with)

    def server_pays(self, model_id: str | None, own: Collection[str] = ()) -> bool:
        """Whether calls to a model cost credits; false if it cannot be used.

        Args:
            model_id: None for the default model.
            own: names of the workspace's own keys.
        """
        try:
            source, _ = (
                self._choose_default(own) if model_id is None else self._choose(model_id, own)
            )
        except ModelUnusable:
            return False
        return source.key_name not in own and source.origin == "server_key"

    def check(self, model_id: str | None, own: Collection[str] = ()) -> list[ModelIssue]:
        """Check an id that a pipeline names, without calling a provider.

        An unknown id is an error. A model that cannot be used now, or that is not in the catalogue, is a warning: the
        pipeline may be for a later time or another server. The default model must be usable, and is not looked up in the
        catalogue.

        Args:
            model_id: None checks `STEPIQ_DEFAULT_MODEL`, and finds nothing if it is not set.
            own: names of the workspace's own keys.
        """
        if model_id is None:
            default = self._settings.default_model
            found = self.check(default, own) if default else []
            return [
                ModelIssue("warning", "model_not_usable", f"STEPIQ_DEFAULT_MODEL: {each.message}")
                for each in found
                if each.code != "model_not_in_catalog"
            ]
        try:
            source, name = self._find(model_id)
        except ModelUnknown as error:
            return [ModelIssue("error", error.code, error.message)]
        full = f"{source.id}/{name}"
        issues: list[ModelIssue] = []
        if (reason := source.reason_with(own)) is not None:
            message = f"Model `{full}` cannot be used here yet. {reason}"
            issues.append(ModelIssue("warning", "model_not_usable", message))
        if not source.knows(name):
            known = [f"{source.id}/{each}" for each in source.names()]
            near = catalogue.nearest(full[:200], known, 1)
            did_you_mean = f" Did you mean {_listed(near)}?" if near else ""
            message = f"Model `{full}` is not in the catalog.{did_you_mean} Calls use the name as written. Their cost is null unless the price is known."
            issues.append(ModelIssue("warning", "model_not_in_catalog", message))
        return issues

    def default_model(
        self, keys: Mapping[str, str] = NO_KEYS, accepted_with: Collection[str] = ()
    ) -> ResolvedModel:
        """The model of steps that name none: `STEPIQ_DEFAULT_MODEL`, or the small model of the first usable provider.

        The workspace's own keys also make providers usable. The arguments are those of `resolve`.

        Raises:
            ModelUnusable: that setting names an unusable model, no model is configured, or a key was deleted.
        """
        own = {*keys, *accepted_with}
        return _with_key(*self._choose_default(own), keys, accepted_with)

    def _choose(self, model_id: str, own: Collection[str]) -> tuple[ModelSource, str]:
        source, name = self._find(model_id)
        if (reason := source.reason_with(own)) is not None:
            raise ProviderNotConfigured(
                f"Model `{source.id}/{name}` cannot be used here. {reason}",
                model=f"{source.id}/{name}",
                setting=source.missing,
            )
        return source, name

    def _choose_default(self, own: Collection[str]) -> tuple[ModelSource, str]:
        if self._settings.default_model:
            try:
                return self._choose(self._settings.default_model, own)
            except ModelUnusable as error:
                facts = error.facts
                raise type(error)(
                    f"STEPIQ_DEFAULT_MODEL: {error.message}",
                    model=facts.get("model"),
                    setting=facts.get("setting"),
                ) from None
        for source in self._sources.values():
            if source.reason_with(own) is None and (small := source.small_model):
                return source, small
        local = self._sources["local"]
        raise ProviderNotConfigured(
            "No model is configured. Set a provider's key such as `OPENAI_API_KEY`, add an `[endpoints.NAME]` to `stepiq.toml`,"
            " or use the local model."
            f" {local.reason}"
        )

    def describe(self, own: Collection[str] = ()) -> list[ProviderInfo]:
        """All providers, including those that cannot be used here. `own` has the names of the workspace's own keys."""
        return [
            ProviderInfo(
                id=source.id,
                name=source.label,
                usable=source.reason_with(own) is None,
                source="account_key" if source.key_name in own else source.origin,
                reason=source.reason_with(own),
                models=tuple(f"{source.id}/{name}" for name in source.names()),
            )
            for source in self._sources.values()
        ]

    def models(self, own: Collection[str] = ()) -> list[ModelDescription]:
        """All models known by name, grouped by provider. `own` as for `describe`."""
        return [
            _describe(source, name, own)
            for source in self._sources.values()
            for name in source.names()
        ]

    def model(self, model_id: str, own: Collection[str] = ()) -> ModelDescription | None:
        """One model, which need not be listed if its provider is known; None if the id is unknown."""
        try:
            source, name = self._find(model_id)
        except ModelUnknown:
            return None
        return _describe(source, name, own)

    async def probe(self, provider_id: str) -> list[str]:
        """Fetch a provider's list of models to check that it responds and accepts the key.

        Raises:
            ProviderError: it cannot be reached, or refuses the request.
            ModelUnusable: it is unknown or not configured.
            TimeoutError: it did not respond within `PROBE_SECONDS`. The time to load its library does not count.
        """
        source = self._sources.get(provider_id)
        if source is None or source.reason is not None:
            reason = source.reason if source else f"Provider `{provider_id}` does not exist."
            raise ProviderNotConfigured(str(reason))
        await _load(source.connects.libraries)
        async with asyncio.timeout(PROBE_SECONDS), source.lease(None) as connection:
            return await connection.list_models()

    def _find(self, model_id: str) -> tuple[ModelSource, str]:
        head, slash, rest = model_id.partition("/")
        if slash and rest and head in self._sources:
            source = self._sources[head]
            if isinstance(source, LocalSource) and rest not in source.names():
                # The local server ignores the name, so it would not detect a mistake.
                raise ModelUnknown(
                    f"Model `{_short(model_id)}` does not exist. The local model is `local/{source.names()[0]}`.",
                    model=model_id,
                )
            return source, rest
        # Names that contain a slash (`meta-llama/…`) are known only if the operator lists them.
        for source in self._sources.values():
            if isinstance(source, EndpointSource | LocalSource) and model_id in source.names():
                return source, model_id
        if not slash and (entry := catalogue.find_bare(model_id)):
            return self._sources[entry.provider], model_id
        raise ModelUnknown(self._unknown(model_id), model=model_id)

    def nearest(self, model_id: str) -> list[str]:
        """Known ids similar to this one. Names that begin with it come first, those of usable models before others."""
        usable_first = sorted(self._sources.values(), key=lambda source: source.reason is not None)
        known = [f"{source.id}/{name}" for source in usable_first for name in source.names()]
        return catalogue.nearest(model_id[:200], known)

    def _unknown(self, model_id: str) -> str:
        shown = _short(model_id)
        near = self.nearest(model_id)
        did_you_mean = f" Did you mean {_listed(near)}?" if near else ""
        providers = ", ".join(f"`{name}`" for name in self._sources)
        head, slash, _ = model_id.partition("/")
        if slash and head not in self._sources:
            return (
                f"Provider `{head[:100]}` of model `{shown}` does not exist.{did_you_mean} The providers are {providers}."
                f" For a server of your own, add `[endpoints.NAME]` to `stepiq.toml` and write `NAME/model`."
            )
        if near:
            return f"Model `{shown}` is not known.{did_you_mean}"
        return (
            f"Model `{shown}` is not known. Write `provider/model`, with one of the providers {providers}."
            " `stepiq models --all` lists all known models."
        )


def _with_key(
    source: ModelSource, name: str, keys: Mapping[str, str], accepted_with: Collection[str]
) -> ResolvedModel:
    """The model with the key that its calls use. No other code decides which key pays for calls."""
    own = None if source.key_name is None else keys.get(source.key_name)
    if own is None and source.key_name is not None and source.key_name in accepted_with:
        raise OwnKeyDeleted(f"{source.id}/{name}", source.key_name)
    return ResolvedModel(name, source, own)


def _describe(source: ModelSource, name: str, own: Collection[str]) -> ModelDescription:
    entry = source.entry(name)
    listed = source.price(name)
    return ModelDescription(
        id=f"{source.id}/{name}",
        name=entry.label if entry else name,
        provider=source.id,
        context_window=source.context_window(name),
        max_output_tokens=entry.max_output_tokens if entry else None,
        input_usd_per_million=_float(listed.input_usd) if listed else None,
        cached_input_usd_per_million=_float(listed.cached_usd) if listed else None,
        output_usd_per_million=_float(listed.output_usd) if listed else None,
        capabilities=entry.capabilities if entry else source.capabilities,
        usable=source.reason_with(own) is None,
        reason=source.reason_with(own),
    )


def _float(price: object) -> float | None:
    return None if price is None else float(str(price))


def _listed(ids: list[str]) -> str:
    quoted = [f"`{model_id}`" for model_id in ids]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


_importing = threading.Lock()
PROBE_SECONDS = 10.0
"""Time limit of `Providers.probe`."""
_imported: set[str] = set()


def _short(model_id: str) -> str:
    return model_id if len(model_id) <= 100 else f"{model_id[:100]}…"


async def _load(libraries: Iterable[str]) -> None:
    """Import libraries, each once, without blocking the event loop."""
    missing = [name for name in libraries if name not in _imported]
    if missing or not catalogue.is_loaded():
        await asyncio.to_thread(_import, missing)


def _import(names: Iterable[str]) -> None:
    # The libraries have circular imports, so two importing threads could see partly initialized modules.
    with _importing:
        catalogue.load()
        for name in names:
            importlib.import_module(name)
            _imported.add(name)
