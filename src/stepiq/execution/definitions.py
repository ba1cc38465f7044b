"""A cache of compiled pipeline versions, which never change."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from contextvars import copy_context
from functools import partial
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.errors import NotFound
from stepiq.core.fairness import act_for
from stepiq.core.json import Json, SerializedJson
from stepiq.language import offload
from stepiq.language.definition import Definition
from stepiq.language.loading import QUICK_BYTES, InvalidDefinition, compile_document
from stepiq.language.step_types import packages
from stepiq.store.database import Session
from stepiq.store.tables import pipeline_versions

_KEPT = 512
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


async def _stored(
    session: Session, pipeline_id: UUID, version: int
) -> tuple[dict[str, Json], dict[str, str]]:
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


async def _compile(
    document: dict[str, Json], step_packages: Mapping[str, str], *, in_turn: bool
) -> Definition:
    try:
        if _is_quick(document):
            return compile_document(document)
        if in_turn:
            return await offload.compute(compile_document, document)
        return await offload.compute_apart(compile_document, document)
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
        self._compiled: OrderedDict[tuple[UUID, int], Definition] = OrderedDict()
        self._compiling: dict[tuple[UUID, int], asyncio.Task[Definition]] = {}
        self._ahead: dict[tuple[UUID, int], asyncio.Task[None]] = {}
        """Compilations that `get_now` started."""
        self._failed: dict[tuple[UUID, int], Exception] = {}
        """Errors of these, until they are raised, or for a minute."""
        self._has_ended = False
        """Whether one of them has ended since the last `wait_compiled`."""

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
        key = (pipeline_id, version)
        if (compiling := self._compiling.get(key)) is None:
            # Inside a transaction, which must not wait for other computations of the workspace.
            compiling = asyncio.create_task(_compile(*stored, in_turn=False))
            self._compiling[key] = compiling
            compiling.add_done_callback(partial(self._keep, key))
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
            document, step_packages = await _stored(session, pipeline_id, version)
            if _is_quick(document):
                self._add(key, await _compile(document, step_packages, in_turn=True))
                return self._compiled[key]
            if len(self._ahead) >= _MOST_AHEAD:
                return None
            context = copy_context()
            context.run(act_for, owner)
            work = self._compile_ahead(key, document, step_packages)
            self._ahead[key] = asyncio.create_task(work, context=context)
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

    async def _compile_ahead(
        self, key: tuple[UUID, int], document: dict[str, Json], step_packages: Mapping[str, str]
    ) -> None:
        try:
            self._add(key, await _compile(document, step_packages, in_turn=True))
        except Exception as error:
            self._failed[key] = error
            loop = asyncio.get_running_loop()
            loop.call_later(_FAILED_SECONDS, self._failed.pop, key, None)
        finally:
            del self._ahead[key]
            self._has_ended = True

    def _keep(self, key: tuple[UUID, int], compiling: asyncio.Task[Definition]) -> None:
        del self._compiling[key]
        if not compiling.cancelled() and compiling.exception() is None:
            self._add(key, compiling.result())

    def _add(self, key: tuple[UUID, int], definition: Definition) -> None:
        self._compiled[key] = definition
        if len(self._compiled) > _KEPT:
            self._compiled.popitem(last=False)
