from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from stepiq.core import ids
from stepiq.execution.definitions import Definitions
from stepiq.pipelines.errors import PipelineNotFound
from stepiq.pipelines.triggered import LIFETIME, Targets
from stepiq.store.pubsub import PIPELINE_CHANGED
from stepiq.store.states import PipelineStatus
from stepiq.store.tables import pipelines


@pytest.fixture
def targets(database, changes, engine) -> Targets:
    return Targets(database, changes, engine.definitions)


@pytest.fixture
def archive(database):
    """Archives as another process does: without a word to this one."""

    async def archive(pipeline_id: UUID) -> None:
        async with database.transaction() as session:
            await session.execute(
                sa.update(pipelines)
                .where(pipelines.c.id == pipeline_id)
                .values(status=PipelineStatus.ARCHIVED)
            )

    return archive


class TestActive:
    async def test_a_pipeline_comes_with_its_newest_definition(self, targets, make, account):
        pipeline_id = await make.pipeline(account)

        found = await targets.active(account.workspace_id, pipeline_id)

        assert (found.target.id, found.target.version) == (pipeline_id, 1)
        assert found.definition.name == "Greeting"

    async def test_what_is_not_there_or_archived_is_not_found(self, targets, make, account):
        archived = await make.pipeline(account, status=PipelineStatus.ARCHIVED)

        for pipeline_id in (ids.uuid7(), archived):
            with pytest.raises(PipelineNotFound):
                await targets.active(account.workspace_id, pipeline_id)

    async def test_a_pipeline_at_hand_is_still_nobody_elses(self, targets, make, account, stranger):
        pipeline_id = await make.pipeline(account)
        await targets.active(account.workspace_id, pipeline_id)

        with pytest.raises(PipelineNotFound):
            await targets.active(stranger.workspace_id, pipeline_id)

    async def test_it_is_read_again_after_five_seconds(
        self, targets, make, account, archive, clock
    ):
        pipeline_id = await make.pipeline(account)
        first = await targets.active(account.workspace_id, pipeline_id)
        await archive(pipeline_id)

        clock.advance(LIFETIME - timedelta(seconds=4))
        again = await targets.active(account.workspace_id, pipeline_id)

        assert again is first
        clock.advance(timedelta(seconds=4))
        with pytest.raises(PipelineNotFound):
            await targets.active(account.workspace_id, pipeline_id)

    @pytest.mark.both_stores
    async def test_a_change_is_heard_at_once(self, targets, make, account, archive, changes):
        pipeline_id = await make.pipeline(account)
        await targets.active(account.workspace_id, pipeline_id)
        await archive(pipeline_id)

        changes.publish(PIPELINE_CHANGED, str(pipeline_id))

        with pytest.raises(PipelineNotFound):
            await targets.active(account.workspace_id, pipeline_id)

    async def test_what_was_read_while_it_changed_is_not_kept(
        self, database, changes, make, account, archive
    ):
        class Slow(Definitions):
            async def get(self, session, pipeline_id, version):
                changes.publish(PIPELINE_CHANGED, str(pipeline_id))
                return await super().get(session, pipeline_id, version)

        targets = Targets(database, changes, Slow())
        pipeline_id = await make.pipeline(account)
        await targets.active(account.workspace_id, pipeline_id)
        await archive(pipeline_id)

        with pytest.raises(PipelineNotFound):
            await targets.active(account.workspace_id, pipeline_id)
