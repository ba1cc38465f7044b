"""A cache of compiled pipeline versions, which never change."""

import asyncio
from collections import OrderedDict
from functools import partial
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.errors import NotFound
from stepiq.core.json import Json, SerializedJson
from stepiq.language import offload
from stepiq.language.definition import Definition
from stepiq.language.loading import QUICK_BYTES, compile_document
from stepiq.store.database import Session
from stepiq.store.tables import pipeline_versions

_KEPT = 512


class VersionNotFound(NotFound):
    """The pipeline has no such version."""

    code = "version_not_found"

    def __init__(self, pipeline_id: UUID, version: int) -> None:
        super().__init__(
            f"Pipeline {pipeline_id} has no version {version}.",
            pipeline_id=pipeline_id,
            version=version,
        )


async def _compile(document: dict[str, Json]) -> Definition:
    # Starting a run compiles inside a transaction, which must not wait for other computations of the workspace.
    if SerializedJson.of(document).size_bytes <= QUICK_BYTES:
        return compile_document(document)
    return await offload.compute_apart(compile_document, document)


class Definitions:
    """Caches the 512 most recently used versions, compiled."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[tuple[UUID, int], Definition] = OrderedDict()
        self._compiling: dict[tuple[UUID, int], asyncio.Task[Definition]] = {}

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
        if (found := self.kept(pipeline_id, version)) is not None:
            return found
        document = await session.scalar(
            sa.select(pipeline_versions.c.definition).where(
                pipeline_versions.c.pipeline_id == pipeline_id,
                pipeline_versions.c.version == version,
            )
        )
        if document is None:
            raise VersionNotFound(pipeline_id, version)
        key = (pipeline_id, version)
        if (compiling := self._compiling.get(key)) is None:
            compiling = asyncio.create_task(_compile(document))
            self._compiling[key] = compiling
            compiling.add_done_callback(partial(self._keep, key))
        # Other callers may be waiting for the same task.
        return await asyncio.shield(compiling)

    def _keep(self, key: tuple[UUID, int], compiling: asyncio.Task[Definition]) -> None:
        del self._compiling[key]
        if compiling.cancelled() or compiling.exception() is not None:
            return
        self._compiled[key] = compiling.result()
        if len(self._compiled) > _KEPT:
            self._compiled.popitem(last=False)
