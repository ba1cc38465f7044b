"""The generated part of the library follows openapi.json and `stepiq.client.aio`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stepiq.client import models
from tests.docs.pages import ROOT
from tests.support.library_http import DOCUMENT

CLIENT = Path("src/stepiq/client")
SCHEMAS = {
    name: schema
    for name, schema in DOCUMENT["components"]["schemas"].items()
    if isinstance(getattr(models, name, None), type)
    and issubclass(getattr(models, name), models.ApiModel)
}
"""The schemas of objects in responses."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the library is generated from."""
    shutil.copytree(ROOT / "scripts/client_library", tmp_path / "scripts/client_library")
    shutil.copy(ROOT / "scripts/generate_client.py", tmp_path / "scripts")
    shutil.copy(ROOT / "openapi.json", tmp_path)
    written = shutil.ignore_patterns("operations.py", "topics.py", "__pycache__")
    shutil.copytree(ROOT / CLIENT / "aio", tmp_path / CLIENT / "aio", ignore=written)
    return tmp_path


def generate(checkout: Path) -> dict[Path, str]:
    """The text of each module of the library after a generation."""
    subprocess.run([sys.executable, checkout / "scripts/generate_client.py"], check=True)
    folder = checkout / CLIENT
    return {path.relative_to(folder): path.read_text() for path in folder.rglob("*.py")}


def test_this_checkout_has_what_its_sources_give(checkout: Path):
    made = generate(checkout)

    stale = [str(path) for path, text in made.items() if (ROOT / CLIENT / path).read_text() != text]
    assert stale == [], "Run: scripts/bootstrap.sh dev"


def test_a_new_operation_and_a_new_field_reach_both_clients(checkout: Path):
    generate(checkout)
    document = json.loads((checkout / "openapi.json").read_text())
    read = document["paths"]["/api/runs/{run_id}"]["get"]
    document["paths"]["/api/runs/{run_id}/copy"] = {"get": {**read, "operationId": "runs_copy"}}
    document["components"]["schemas"]["RunError"]["properties"]["color"] = {"type": "string"}
    (checkout / "openapi.json").write_text(json.dumps(document))

    made = generate(checkout)

    assert "    async def copy(" in made[Path("aio/operations.py")]
    assert "    def copy(" in made[Path("sync/operations.py")]
    assert "    color: str | None = None\n" in made[Path("models.py")]


def test_a_deleted_module_loses_its_twin(checkout: Path):
    assert Path("sync/streams.py") in generate(checkout)
    (checkout / CLIENT / "aio/streams.py").unlink()

    assert Path("sync/streams.py") not in generate(checkout)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_model_has_the_fields_of_its_schema(name: str):
    schema = SCHEMAS[name]

    fields = {field.alias or key: field for key, field in getattr(models, name).model_fields.items()}  # fmt: skip

    assert fields.keys() == schema["properties"].keys()
    required = {key for key, field in fields.items() if field.is_required()}
    assert required == set(schema.get("required", ()))
