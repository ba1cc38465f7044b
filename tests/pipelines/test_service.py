from uuid import UUID

import pytest

from stepiq.pipelines.slugs import made_from


class TestSlugOf:
    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("Daily digest", "daily-digest"),
            ("  Émigré -- Œuvre!  ", "emigre-uvre"),
            ("日本語", "pipeline"),
            ("a" * 100, "a" * 60),
            ("a" * 59 + " b", "a" * 59),
        ],
    )
    def test_it_keeps_letters_and_digits_and_joins_them_with_dashes(self, name, slug):
        assert made_from(name) == slug


READING = """\
name: Reading
steps:
  - id: a
    type: transform
    template: |
      Hello,
      {{env.TOKEN}} and {{default env.OTHER "none"}}
output:
  deliver:
    - {type: webhook, url: "https://example.com/x", signing_secret_name: SIGNING}
"""
YAML = {"Content-Type": "application/yaml"}


class TestMissingSecrets:
    async def test_saving_and_validating_warn_where_they_are_read(self, owner):
        checked = await owner.post("/api/pipelines/validate", content=READING, headers=YAML)
        saved = await owner.post("/api/pipelines", content=READING, headers=YAML)

        assert saved.status_code == 201
        assert checked.json()["valid"]
        assert checked.json()["warnings"] == saved.json()["warnings"]
        found = [(w["code"], w["path"], w["line"], w["column"]) for w in saved.json()["warnings"]]
        assert found == [
            ("secret_missing", "steps[0].template", 7, 9),
            ("secret_missing", "steps[0].template", 7, 35),
            ("secret_missing", "output.deliver[0].signing_secret_name", 10, 74),
        ]

    async def test_those_that_are_stored_are_no_warning(self, owner, account, make):
        for name in ("TOKEN", "SIGNING"):
            await make.secret(account, name)
        saved = (await owner.post("/api/pipelines", content=READING, headers=YAML)).json()
        await make.secret(account, "OTHER", pipeline_id=UUID(saved["id"]))

        again = await owner.put(f"/api/pipelines/{saved['id']}", content=READING, headers=YAML)

        assert [w["message"].split("`")[1] for w in saved["warnings"]] == ["OTHER"]
        assert again.json()["warnings"] == []

    async def test_a_wrapped_definition_has_paths_inside_it(self, owner):
        steps = [{"id": "a", "type": "transform", "template": "{{env.TOKEN}}"}]
        body = {"definition": {"name": "X", "steps": steps}}

        warnings = (await owner.post("/api/pipelines/validate", json=body)).json()["warnings"]

        assert [w["path"] for w in warnings] == ["definition.steps[0].template"]

    async def test_an_own_key_makes_a_model_usable(self, owner, account, make):
        asking = {"name": "X", "steps": [{"id": "a", "model": "openai/gpt-4o", "prompt": "x"}]}
        before = (await owner.post("/api/pipelines/validate", json=asking)).json()["warnings"]
        await make.secret(account, "OPENAI_API_KEY")

        after = (await owner.post("/api/pipelines/validate", json=asking)).json()["warnings"]

        assert [w["code"] for w in before] == ["model_not_usable"]
        assert after == []
