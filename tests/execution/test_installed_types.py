"""Runs with steps of a type from another package, which may be missing or broken."""

from pathlib import Path

import pytest

from stepiq.execution.handlers import unusable_handlers
from tests.support.engine import World
from tests.support.plugins import installed, write_package

SPEC = """
from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import StepType

STEP_TYPE = StepType(StepSpec, "Sings.")
"""
HANDLER = """
from stepiq.execution.outcomes import Completed


async def run(spec, context):
    return Completed("la")
"""
PIPELINE = "name: Song\nsteps: [{id: song, type: sing}]"


@pytest.mark.one_store
class TestRuns:
    async def test_a_step_is_executed(self, world: World, tmp_path: Path):
        write_package(tmp_path, "stepiq-sing", "sing", spec=SPEC, handler=HANDLER)

        with installed(tmp_path):
            ended = await world.run(PIPELINE)

        assert (ended.run.status, ended.run.output) == ("completed", "la")

    async def test_a_step_without_a_usable_handler_fails_and_names_the_package(
        self, world: World, tmp_path: Path
    ):
        write_package(tmp_path, "stepiq-sing", "sing", spec=SPEC, handler="import nothing")

        with installed(tmp_path):
            ended = await world.run(PIPELINE)
            reasons = unusable_handlers()

        assert ended.run.error["code"] == "definition_invalid"
        assert "its package stepiq-sing cannot be imported" in ended.run.error["message"]
        assert reasons == {"sing": "ModuleNotFoundError: No module named 'nothing'"}

    async def test_a_run_whose_package_was_uninstalled_fails_and_names_the_type(
        self, world: World, tmp_path: Path
    ):
        write_package(tmp_path, "stepiq-sing", "sing", spec=SPEC, handler=HANDLER)
        with installed(tmp_path):
            pipeline_id = await world.pipeline(PIPELINE)

        run_id, heard = await world.start(pipeline_id)

        assert (await heard.until_ended())["status"] == "failed"
        error = (await world.ended(run_id, heard)).run.error
        assert error["code"] == "definition_invalid"
        assert "`type` cannot be `sing`" in error["message"]
