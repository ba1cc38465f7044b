"""How long a run locks what all runs of its workspace need."""

import re

import pytest

from tests.runs.live.test_retrying import run
from tests.support.query_plans import rest_of_transaction

pytestmark = pytest.mark.both_stores

SOURCE = """
name: Short
steps:
  - {id: only, type: transform, template: "x"}
"""
COUNTS_OUT = re.compile(r"UPDATE workspaces SET .*unfinished_runs=\(workspaces\.unfinished_runs - ")
COUNTS_USAGE = re.compile(r"INSERT INTO usage_(caller_)?days\b")


async def test_a_run_that_ends_locks_the_counters_last(database, browser, account, make):
    pipeline_id = str(await make.pipeline(account, source=SOURCE))

    with rest_of_transaction(COUNTS_OUT) as statements:
        ended = await run(browser, pipeline_id)

    assert ended["status"] == "completed"
    assert COUNTS_OUT.match(statements[0])
    assert [text for text in statements[1:] if not COUNTS_USAGE.match(text)] == []
