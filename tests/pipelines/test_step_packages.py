"""The packages of step types that a version stores."""

from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from stepiq.execution.runtime import Engine
from stepiq.store.database import Database
from stepiq.store.tables import pipeline_versions
from tests.support.plugins import installed, write_package

SPEC = """
from stepiq.language.definitions.step import StepSpec
from stepiq.language.definitions.step_types import StepType

STEP_TYPE = StepType(StepSpec, "Sings.")
"""


class TestVersions:
    async def test_a_version_names_the_package_to_install(
        self, owner: httpx2.AsyncClient, engine: Engine, tmp_path: Path
    ):
        write_package(tmp_path, "stepiq-sing", "sing", spec=SPEC)
        definition = {"name": "Song", "steps": [{"id": "song", "type": "sing"}]}
        with installed(tmp_path):
            saved = await owner.post("/api/pipelines", json=definition)
            assert saved.status_code == 201
        engine.definitions._compiled.clear()

        started = await owner.post(f"/api/pipelines/{saved.json()['id']}/run", json={})

        assert started.json()["code"] == "invalid_definition"
        assert started.json()["detail"] == (
            "The definition cannot be run, because the step type `sing` is not installed. The version was saved with the "
            "package stepiq-sing 1.0. Ask the operator to install it, then start the run again."
        )

    @pytest.mark.both_stores
    async def test_a_version_with_built_in_types_stores_no_package(
        self, owner: httpx2.AsyncClient, database: Database
    ):
        definition = {"name": "Song", "steps": [{"id": "song", "type": "wait", "seconds": 1}]}

        await owner.post("/api/pipelines", json=definition)

        async with database.reading() as session:
            stored = await session.scalar(sa.select(pipeline_versions.c.step_packages))
        assert stored is None
