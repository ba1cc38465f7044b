"""A cache of compiled pipeline versions, which never change."""

import asyncio
from collections.abc import Hashable, Mapping
from functools import partial
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.concurrency.fairness import act_for
from stepiq.core.errors import NotFound
from stepiq.core.json import Json, SerializedJson
from stepiq.core.recent import Recent
from stepiq.language import offload
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.loading import QUICK_BYTES, InvalidDefinition, compile_document
from stepiq.language.definitions.step_types import packages
from stepiq.store.database import Session
from stepiq.store.tables import pipeline_versions

_Key = tuple[UUID, int]
_Stored = tuple[dict[str, Json], Mapping[str, str]]
_Running = dict[_Key, asyncio.Task[Definition]]

_FAILED_SECONDS = 60
_MOST_AHEAD = 50
"""Most versions that are compiled in the background at once, because each holds its document."""


class VersionNotFound(NotFound):
    """The pipeline has no such version."""

    code = "version_not_found"

    def __init__(self, pipeline_id: UUID, version: int) -> None:
        super().__init__(
            f"Pipeline {pipeline_id} has no version {version}.",
            pipeline_id=pipeline_id,
            version=version,
        )


async def _stored(session: Session, pipeline_id: UUID, version: int) -> _Stored:
    """The document of a version, and the packages of its step types."""
    found = await session.execute(
        sa.select(pipeline_versions.c.definition, pipeline_versions.c.step_packages).where(
            pipeline_versions.c.pipeline_id == pipeline_id,
            pipeline_versions.c.version == version,
        )
    )
    if (row := found.one_or_none()) is None:
        raise VersionNotFound(pipeline_id, version)
    return row.definition, row.step_packages or {}


def _is_quick(document: dict[str, Json]) -> bool:
    return SerializedJson.of(document).size_bytes <= QUICK_BYTES


async def _compile(stored: _Stored, owner: Hashable | None = None) -> Definition:
    """Compile a version. With an owner, it uses the owner's turns, and must be called in a task of its own."""
    document, step_packages = stored
    try:
        if _is_quick(document):
            return compile_document(document)
        if owner is None:
            return await offload.compute_apart(compile_document, document)
        act_for(owner)
        return await offload.compute(compile_document, document)
    except InvalidDefinition as error:
        missing = [name for name in step_packages if name not in packages()]
        if not missing:
            raise
        raise InvalidDefinition(_not_installed(missing[0], step_packages), error.issues) from None


def _not_installed(step_type: str, step_packages: Mapping[str, str]) -> str:
    return (
        f"The definition cannot be run, because the step type `{step_type}` is not installed. The version was saved with the "
        f"package {step_packages[step_type]}. Ask the operator to install it, then start the run again."
    )


class Definitions:
    """Caches the 512 most recently used versions, compiled."""

    def __init__(self) -> None:
        self._compiled: Recent[_Key, Definition] = Recent(512)
        self._awaited: _Running = {}
        """Compilations that `get` started."""
        self._ahead: _Running = {}
        """Compilations that `get_now` started."""
        self._failed: dict[_Key, BaseException] = {}
        """Errors of these, until they are raised, or for a minute."""
        self._has_ended = False
        """Whether one of these has ended since the last `wait_compiled`."""

    def kept(self, pipeline_id: UUID, version: int) -> Definition | None:
        """The compiled version if it is cached. Does not query the database."""
        key = (pipeline_id, version)
        if (found := self._compiled.get(key)) is not None:
            self._compiled.move_to_end(key)
        return found

    async def get(self, session: Session, pipeline_id: UUID, version: int) -> Definition:
        """The compiled version. The caller must have checked access to the pipeline.

        Raises:
            VersionNotFound: the pipeline does not have this version.
        """
        if (kept := self.kept(pipeline_id, version)) is not None:
            return kept
        stored = await _stored(session, pipeline_id, version)
        # Inside a transaction, which must not wait for other computations of the workspace.
        compiling = self._compilation(self._awaited, (pipeline_id, version), stored)
        # Other callers may be waiting for the same task.
        return await asyncio.shield(compiling)

    async def get_now(
        self, session: Session, pipeline_id: UUID, version: int, owner: Hashable
    ) -> Definition | None:
        """The compiled version; None if compiling takes long. It is then compiled in the background; ask again later.

        Args:
            session: a transaction that others wait for.
            pipeline_id: the caller must have checked access to it.
            version: the number of the version.
            owner: the workspace whose turns are used.

        Raises:
            VersionNotFound: the pipeline does not have this version.
            InvalidDefinition: it could not be compiled.
        """
        key = (pipeline_id, version)
        if (kept := self.kept(pipeline_id, version)) is not None:
            return kept
        if (error := self._failed.pop(key, None)) is not None:
            raise error
        if key not in self._ahead:
            stored = await _stored(session, pipeline_id, version)
            if _is_quick(stored[0]):
                self._compiled[key] = found = await _compile(stored)
                return found
            if len(self._ahead) < _MOST_AHEAD:
                self._compilation(self._ahead, key, stored, owner)
        return None

    async def wait_compiled(self, seconds: float) -> bool:
        """Wait for the versions that are compiled in the background, at most so long.

        Returns:
            False if there have been none since the last call.
        """
        compiling = list(self._ahead.values())
        if compiling and not self._has_ended:
            await asyncio.wait(compiling, timeout=seconds)
        has_ended, self._has_ended = self._has_ended, False
        return has_ended or bool(compiling)

    def _compilation(
        self, running: _Running, key: _Key, stored: _Stored, owner: Hashable | None = None
    ) -> asyncio.Task[Definition]:
        """The one that is running, or a new one."""
        if (compiling := running.get(key)) is None:
            compiling = running[key] = asyncio.create_task(_compile(stored, owner))
            compiling.add_done_callback(partial(self._end, running, key))
        return compiling

    def _end(self, running: _Running, key: _Key, compiling: asyncio.Task[Definition]) -> None:
        del running[key]
        is_ahead = running is self._ahead
        self._has_ended |= is_ahead
        if compiling.cancelled():
            return
        if (error := compiling.exception()) is None:
            self._compiled[key] = compiling.result()
        elif is_ahead:
            self._failed[key] = error
            compiling.get_loop().call_later(_FAILED_SECONDS, self._failed.pop, key, None)
