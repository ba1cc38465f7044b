import pytest

from stepiq.core import ids
from stepiq.pipelines import queries, slugs
from stepiq.store.states import PipelineStatus
from tests.support.query_plans import query_plan

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class TestPageStatement:
    @pytest.mark.parametrize("before", [None, ids.uuid7()])
    async def test_it_walks_an_index_and_seeks_each_pipelines_newest_run(self, database, before):
        statement = queries.page_statement(
            ids.uuid7(),
            status=PipelineStatus.ACTIVE,
            tag="a",
            q="b",
            before=before,
            limit=51,
        )

        plan = await query_plan(database, statement)

        assert "ix_pipelines_workspace_id_status_id" in plan
        assert "ix_runs_pipeline_id_id" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan


class TestCountStatement:
    async def test_it_reads_no_more_of_the_index_than_the_limit(self, database):
        plan = await query_plan(database, queries.count_statement(ids.uuid7(), 3))

        assert "SEARCH pipelines USING COVERING INDEX ix_pipelines_workspace_id_status_id" in plan
        assert "SCAN pipelines" not in plan


class TestVersionsStatement:
    async def test_it_walks_the_primary_key(self, database):
        statement = queries.versions_statement(ids.uuid7(), ids.uuid7(), before=9, limit=51)

        plan = await query_plan(database, statement)

        assert "SEARCH pipeline_versions USING INDEX sqlite_autoindex_pipeline_versions_1" in plan
        assert "SEARCH runs USING COVERING INDEX ix_runs_pipeline_id_pipeline_version_id" in plan
        assert "TEMP B-TREE" not in plan


class TestFindStatement:
    async def test_it_seeks_one_row_of_an_index(self, database):
        plan = await query_plan(database, slugs.find_statement(ids.uuid7(), "weekly"))

        assert "SEARCH pipelines USING INDEX sqlite_autoindex_pipelines_2" in plan
        assert "SCAN" not in plan
