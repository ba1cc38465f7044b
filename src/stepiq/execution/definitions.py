"""A cache of compiled pipeline versions, which never change."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from uuid import UUID

import sqlalchemy as sa

from stepiq.core.errors import NotFound
from stepiq.core.json import Json, SerializedJson
from stepiq.language import offload
from stepiq.language.definition import Definition
from stepiq.language.loading import QUICK_BYTES, InvalidDefinition, compile_document
from stepiq.language.step_types import packages
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


async def _compile(document: dict[str, Json], step_packages: Mapping[str, str]) -> Definition:
    try:
        # Starting a run compiles inside a transaction, which must not wait for other computations of the workspace.
        if SerializedJson.of(document).size_bytes <= QUICK_BYTES:
            return compile_document(document)
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
        found = await session.execute(
            sa.select(pipeline_versions.c.definition, pipeline_versions.c.step_packages).where(
                pipeline_versions.c.pipeline_id == pipeline_id,
                pipeline_versions.c.version == version,
            )
        )
        if (row := found.one_or_none()) is None:
            raise VersionNotFound(pipeline_id, version)
        key = (pipeline_id, version)
        if (compiling := self._compiling.get(key)) is None:
            compiling = asyncio.create_task(_compile(row.definition, row.step_packages or {}))
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
