"""Pipelines and their versions."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from stepiq.accounts.service import Account
from stepiq.core import clock, ids
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat
from stepiq.pipelines.records import text_digest
from stepiq.store.database import Database
from stepiq.store.states import PipelineStatus
from stepiq.store.tables import pipeline_versions, pipelines
from stepiq.store.types import fold

GREETING = """\
name: Greeting
steps:
  - id: greet
    type: transform
    template: "Hello {{input.name}}"
"""


class MakePipelines:
    database: Database

    async def pipeline(
        self,
        account: Account,
        *,
        source: str = GREETING,
        slug: str | None = None,
        tags: tuple[str, ...] = (),
        status: PipelineStatus = PipelineStatus.ACTIVE,
    ) -> UUID:
        """Insert a pipeline with one version, from YAML."""
        loaded = load(source, SourceFormat.YAML)
        assert loaded.definition is not None, loaded.errors
        pipeline_id, now = ids.uuid7(), clock.now()
        data: Any = loaded.document
        async with self.database.transaction() as session:
            await session.execute(
                sa.insert(pipelines).values(
                    id=pipeline_id,
                    workspace_id=account.workspace_id,
                    slug=slug or str(pipeline_id),
                    name=data["name"],
                    name_folded=fold(data["name"]),
                    tags=list(tags),
                    status=status,
                    version=1,
                    created_at=now,
                    updated_at=now,
                )
            )
            await session.execute(
                sa.insert(pipeline_versions).values(
                    pipeline_id=pipeline_id,
                    version=1,
                    workspace_id=account.workspace_id,
                    source=source,
                    source_format="yaml",
                    source_sha256=text_digest(source),
                    secret_names=[],
                    definition=data,
                    created_by=account.id,
                    created_at=now,
                )
            )
        return pipeline_id
