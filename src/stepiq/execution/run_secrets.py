"""The secrets that a run may use, read once each time the run is claimed."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakValueDictionary

import httpx2

from stepiq.core.control_characters import storable
from stepiq.core.http.hosts import permit
from stepiq.core.json import Json
from stepiq.core.keys.encryption import SecretUnreadable
from stepiq.core.observability import logging
from stepiq.execution.limits import usage
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.execution.protocols import SecretReader, SecretValue
from stepiq.execution.records.run import ClaimedRun
from stepiq.language import offload
from stepiq.language.definitions.compiled import Definition
from stepiq.providers.registry import Providers
from stepiq.redaction.masking import EXCERPT_CHARACTERS, Masker, masked
from stepiq.store.database import Database

BUILT_AT_ONCE = 1_000
"""Maximum size of secrets whose masker is built on the event loop, which takes a few milliseconds at most."""
_SIZE_OF_A_SECRET = 50
"""How many characters take as long as a secret takes without its characters."""
KEPT_SIZE = 32_000_000
"""Maximum total size of cached maskers. The last one used is always cached."""

_Secrets = frozenset[tuple[str, str]]


class Maskers:
    """Returns the same masker for equal secrets."""

    def __init__(self) -> None:
        self._in_use: WeakValueDictionary[_Secrets, Masker] = WeakValueDictionary()
        self._recent: OrderedDict[_Secrets, Masker] = OrderedDict()
        self._building: dict[_Secrets, asyncio.Task[Masker]] = {}

    async def masker_of(self, secrets: Mapping[str, str]) -> Masker:
        """The masker for these values by name."""
        wanted = frozenset(secrets.items())
        masker = self._in_use.get(wanted)
        if masker is None:
            masker = await self._build(wanted)
        self._keep(wanted, masker)
        return masker

    async def _build(self, wanted: _Secrets) -> Masker:
        if sum(_SIZE_OF_A_SECRET + len(value) for _, value in wanted) <= BUILT_AT_ONCE:
            return Masker(dict(wanted))
        # Runs that start together share one thread, even if some of them are cancelled.
        task = self._building.get(wanted)
        if task is None:
            task = asyncio.create_task(offload.compute_long(Masker, dict(wanted)))
            self._building[wanted] = task
            task.add_done_callback(lambda _: self._building.pop(wanted))
        return await asyncio.shield(task)

    def _keep(self, wanted: _Secrets, masker: Masker) -> None:
        self._in_use[wanted] = self._recent[wanted] = masker
        self._recent.move_to_end(wanted)
        size = sum(each.size for each in self._recent.values())
        while size > KEPT_SIZE and len(self._recent) > 1:
            _, oldest = self._recent.popitem(last=False)
            size -= oldest.size


log = logging.get(__name__)


@dataclass(frozen=True, slots=True)
class RunSecrets:
    """The secrets that a run may use. Their values are never recorded."""

    named: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Values that templates read as `env.NAME`."""
    keys: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The workspace's own keys of model providers."""
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The hosts to which a secret may be sent, for the secrets that are restricted."""
    masker: Masker = field(default_factory=lambda: Masker({}))
    """Removes all secrets from recorded and displayed data."""
    failure: Failed | None = None
    """Set if a secret cannot be decrypted: the run fails with it before its next step."""

    @property
    def labels(self) -> dict[str, Json]:
        """`env` for templates and expressions: labels instead of the values."""
        return {name: self.masker.label(name) for name in self.named}

    def recorded(self, text: str) -> str:
        """A text as it is recorded: secrets are masked, and characters that cannot be stored are replaced."""
        return self.masker.text(storable(text))

    async def as_recorded(self, text: str) -> str:
        """`recorded`, in a thread if it is slow."""
        return await masked(self.recorded, text, apart=self.masker.is_slow(len(text)))

    async def excerpt(self, text: str, *, is_cut: bool = False) -> str:
        """The masked beginning of a text; see `Masker.excerpt`."""
        size = min(len(text), EXCERPT_CHARACTERS)
        mask = partial(self.masker.excerpt, is_cut=is_cut)
        return await masked(mask, text, apart=self.masker.is_slow(size))

    def sending(self, scope: Mapping[str, Json]) -> dict[str, Json]:
        """The scope for templates whose text leaves the server. Only here does `env` contain the values."""
        return {**scope, "env": dict[str, Json](self.named)}

    def permit(self, names: Iterable[str]) -> Callable[[httpx2.URL], None]:
        """A check of the URLs to which these secrets may be sent; see `core.http.hosts.permit`."""
        return permit({name: self.hosts[name] for name in names if name in self.hosts})


async def found_secrets(
    maskers: Maskers,
    found: Mapping[str, SecretValue],
    names: Collection[str],
    key_names: Collection[str] = (),
) -> RunSecrets:
    """The secrets of a run or a delivery.

    Args:
        maskers: provides the masker for the secrets.
        found: the stored secrets by name.
        names: names of the secrets that templates read.
        key_names: names of the secrets that hold keys of model providers.
    """
    values = {name: secret.value for name, secret in found.items()}
    return RunSecrets(
        named={name: value for name, value in values.items() if name in names},
        keys={name: value for name, value in values.items() if name in key_names},
        hosts={name: each.hosts for name, each in found.items() if each.hosts is not None},
        masker=await maskers.masker_of(values),
    )


async def read_secrets(
    database: Database,
    reader: SecretReader | None,
    providers: Providers,
    maskers: Maskers,
    run: ClaimedRun,
    definition: Definition,
) -> RunSecrets:
    """Read the secrets that the definition names and, if it calls models, the workspace's own provider keys.

    Raises:
        StoreUnavailable: the database does not respond.
    """
    key_names = providers.key_names if usage.models_of(definition) else frozenset[str]()
    names = definition.secret_names | key_names
    if reader is None or not names:
        return RunSecrets()
    try:
        async with database.reading() as session:
            found = await reader.read(
                session,
                workspace_id=run.workspace_id,
                pipeline_id=run.pipeline_id,
                names=names,
            )
    except SecretUnreadable as error:
        log.error("secret_unreadable", **error.facts)
        return RunSecrets(failure=Failed(FailureCode.SECRET_UNREADABLE, error.message))
    if not found:
        return RunSecrets()
    await reader.note_run(run, found)
    return await found_secrets(maskers, found, definition.secret_names, key_names)
