"""What the library loads, and how it reads and writes bodies."""

import json
import subprocess
import sys

import pytest

from stepiq.client import requests
from tests.support.library_http import DOCUMENT
from tests.support.scripted_server import Answer

YAML = "name: Tür # a comment\n"
LOADED = """
import sys
import stepiq.client
others = {"fastapi", "starlette", "sqlalchemy", "dbos", "pydantic_ai", "pydantic_settings", "typer", "rich",
          "anthropic", "openai", "jsonschema_rs"}
own = {name for name in sys.modules if name.startswith("stepiq.") and not (name + ".").startswith("stepiq.client.")}
print(sorted(others & set(sys.modules) | own))
"""


class TestImport:
    def test_it_loads_no_part_of_the_server(self):
        done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True)

        assert (done.stdout, done.stderr) == ("[]\n", "")


class TestModels:
    """Objects of a newer server."""

    async def test_unknown_fields_and_values_are_kept(self, twin, script):
        run = DOCUMENT["components"]["examples"]["RunDetail"]["value"]
        script.script = [Answer(body={**run, "status": "paused", "mood": {"a": 1}})]

        found = await twin.call(lambda client: client.runs.get("r"))

        assert found.status == "paused"
        assert found.model_extra == {"mood": {"a": 1}}


def test_bodies_leave_out_what_is_omitted():
    body = requests.json_body(from_="start", version=None, name=requests.OMITTED)

    assert json.loads(body) == {"from": "start", "version": None}


class TestDefinitions:
    @pytest.mark.parametrize("text", [YAML, YAML.encode()])
    def test_a_text_alone_is_sent_as_it_is(self, text):
        found = requests.definition_body(text, slug=requests.OMITTED)

        assert found == (YAML.encode(), "application/yaml")

    @pytest.mark.parametrize("text", [YAML, YAML.encode()])
    def test_a_text_with_other_fields_is_a_field(self, text):
        body, kind = requests.definition_body(text, slug="a", tags=requests.OMITTED)

        assert (json.loads(body), kind) == ({"text": YAML, "slug": "a"}, "application/json")

    def test_a_mapping_is_a_field(self):
        body, kind = requests.definition_body({"name": "A"})

        assert (json.loads(body), kind) == ({"definition": {"name": "A"}}, "application/json")
