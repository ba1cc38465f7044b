import hashlib

from tests.pipelines.conftest import AS_YAML, DEFINITION, YAML


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class TestTextSha256:
    async def test_a_list_has_the_digest_of_each_newest_text(self, owner):
        first = (await owner.post("/api/pipelines", content=YAML, headers=AS_YAML)).json()
        second = (await owner.post("/api/pipelines", content=YAML, headers=AS_YAML)).json()
        changed = YAML + "# One more line.\r\n"

        saved = await owner.put(f"/api/pipelines/{second['id']}", content=changed, headers=AS_YAML)
        listed = await owner.get("/api/pipelines", params={"include_definition": False})

        assert first["text_sha256"] == sha256(YAML)
        assert saved.json()["text_sha256"] == sha256(changed)
        found = [(each["id"], each["text_sha256"]) for each in listed.json()["data"]]
        assert found == [(second["id"], sha256(changed)), (first["id"], sha256(YAML))]
        assert {each["source_format"] for each in listed.json()["data"]} == {"yaml"}

    async def test_the_text_of_json_is_the_body_if_it_is_the_definition_alone(self, owner):
        text = '{"name": "T",\n "steps": [{"id": "a", "type": "transform", "template": "x"}]}\n'
        headers = {"Content-Type": "application/json"}

        created = await owner.post("/api/pipelines", content=text, headers=headers)

        assert created.json()["text_sha256"] == sha256(text)
        assert created.json()["source_format"] == "json"


class TestText:
    async def test_a_text_with_a_slug_is_stored_byte_for_byte(self, owner):
        body = {"slug": "from-a-file", "tags": ["git"], "text": YAML}

        created = await owner.post("/api/pipelines", json=body)
        version = await owner.get(f"/api/pipelines/{created.json()['id']}/versions/1")

        assert created.status_code == 201
        assert created.json()["slug"] == "from-a-file"
        assert created.json()["text_sha256"] == sha256(YAML)
        assert version.json()["text"] == YAML
        assert version.json()["source_format"] == "yaml"

    async def test_its_errors_have_the_lines_of_the_text(self, owner):
        body = {"text": "name: T\nsteps:\n  - id: a\n    type: transform\n    templat: x\n"}

        response = await owner.post("/api/pipelines", json=body)

        assert response.json()["code"] == "invalid_definition"
        assert {(each["path"], each["line"]) for each in response.json()["errors"]} >= {
            ("steps[0].templat", 5)
        }

    async def test_it_can_be_json(self, owner):
        text = '{"name": "T", "steps": [{"id": "a", "type": "transform", "template": "x"}]}'

        created = await owner.post("/api/pipelines", json={"text": text, "format": "json"})

        assert created.json()["text_sha256"] == sha256(text)
        assert created.json()["source_format"] == "json"

    async def test_either_a_text_or_a_definition_is_needed(self, owner):
        both = await owner.post("/api/pipelines", json={"text": YAML, "definition": DEFINITION})
        neither = await owner.post("/api/pipelines", json={"slug": "x"})

        for response in (both, neither):
            assert response.status_code == 422
            assert response.json()["errors"][0]["message"] == (
                "Must have either `definition` or `text`."
            )
