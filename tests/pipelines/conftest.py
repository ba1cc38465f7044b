import pytest

from tests.support.clients import login, login_key

__all__ = ["create", "login", "login_key"]

YAML = """\
# A greeting, with a comment that must survive.
name:   Greeting
description: Says hello
steps:
  - id: greet
    type: transform
    template: "Hello {{input.name}}"   # trailing
"""
DEFINITION = {
    "name": "Greeting",
    "steps": [{"id": "greet", "type": "transform", "template": "Hello {{input.name}}"}],
}
AS_YAML = {"Content-Type": "application/yaml"}


@pytest.fixture
def create(owner):
    async def create(**fields):
        body = {"definition": DEFINITION, **fields}
        response = await owner.post("/api/pipelines", json=body)
        assert response.status_code == 201, response.text
        return response.json()

    return create
