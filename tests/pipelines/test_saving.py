import asyncio
import json
import re
import threading

import pytest

from stepiq.language.definitions import loading
from stepiq.pipelines import slugs
from stepiq.pipelines.definitions import request as drafts
from tests.pipelines.conftest import AS_YAML, DEFINITION, YAML

pytestmark = pytest.mark.one_store

HOOK = {"type": "webhook", "url": "https://example.com", "signing_secret_name": "KEY"}


def steps(count):
    return [{"id": f"s{n}", "type": "transform", "template": "x"} for n in range(count)]


class TestCreate:
    async def test_yaml_comes_back_byte_for_byte(self, owner):
        created = await owner.post("/api/pipelines", content=YAML, headers=AS_YAML)

        assert created.status_code == 201
        assert created.headers["ETag"] == '"v1"'
        read = await owner.get(
            f"/api/pipelines/{created.json()['id']}", headers={"Accept": "application/yaml"}
        )
        assert read.content == YAML.encode()
        assert read.headers["Content-Type"].startswith("application/yaml")
        assert read.headers["ETag"] == '"v1"'

    async def test_line_ends_and_a_byte_order_mark_come_back_too(self, owner):
        text = "\ufeff" + YAML.replace("\n", "\r\n")
        created = await owner.post("/api/pipelines", content=text.encode(), headers=AS_YAML)

        read = await owner.get(
            f"/api/pipelines/{created.json()['id']}", headers={"Accept": "text/yaml"}
        )

        assert read.content == text.encode()

    async def test_the_answer_has_the_shape_of_a_pipeline(self, owner):
        response = await owner.post("/api/pipelines", content=YAML, headers=AS_YAML)

        made = response.json()
        assert made["name"] == "Greeting"
        assert made["description"] == "Says hello"
        assert made["slug"] == "greeting"
        assert made["version"] == 1
        assert made["status"] == "active"
        assert made["tags"] == []
        assert made["last_run"] is None
        assert made["warnings"] == []
        assert made["definition"]["steps"][0]["id"] == "greet"
        assert made["created_at"].endswith("Z")

    async def test_a_bare_json_definition_is_taken(self, owner):
        response = await owner.post("/api/pipelines", json=DEFINITION)

        assert response.status_code == 201
        assert response.json()["definition"] == DEFINITION

    async def test_what_stands_around_a_definition_wins_over_what_is_in_it(self, create):
        made = await create(
            name=" Mine ", description="D", tags=["a", "b", "a", " a "], slug="my-own-slug"
        )

        assert made["name"] == "Mine"
        assert made["description"] == "D"
        assert made["tags"] == ["a", "b"]
        assert made["slug"] == "my-own-slug"

    async def test_slugs_made_from_the_same_name_get_a_number(self, create):
        slugs = [(await create())["slug"] for _ in range(3)]

        assert slugs == ["greeting", "greeting-2", "greeting-3"]

    async def test_when_the_numbers_are_used_up_a_slug_is_still_found(self, create):
        slugs = {(await create())["slug"] for _ in range(22)}

        assert len(slugs) == 22

    async def test_a_name_without_letters_gets_a_slug_too(self, create):
        assert (await create(name="日本語"))["slug"] == "pipeline"

    async def test_a_slug_that_is_taken_is_a_conflict(self, owner, create):
        await create(slug="mine")

        response = await owner.post(
            "/api/pipelines", json={"definition": DEFINITION, "slug": "mine"}
        )

        assert response.status_code == 409
        assert response.json()["code"] == "slug_taken"

    async def test_two_at_once_get_different_slugs(self, create):
        made = await asyncio.gather(*(create() for _ in range(5)))

        assert len({pipeline["slug"] for pipeline in made}) == 5

    async def test_a_free_slug_that_somebody_takes_just_then_is_replaced(self, create, monkeypatch):
        async def none_taken(*_):
            return set()

        first = await create()
        monkeypatch.setattr(slugs, "taken", none_taken)

        second = await create()

        assert first["slug"] == "greeting"
        assert re.fullmatch(r"greeting-x[0-9a-f]{8}", second["slug"])

    async def test_every_error_of_a_yaml_definition_is_told_with_its_place(self, owner):
        text = "name: X\nsteps:\n  - id: a\n    type: transform\n    tempalte: x\n  - id: A!\n"

        response = await owner.post("/api/pipelines", content=text, headers=AS_YAML)

        problem = response.json()
        assert response.status_code == 422
        assert problem["code"] == "invalid_definition"
        assert len(problem["errors"]) >= 2
        assert all(error["line"] and error["column"] for error in problem["errors"])
        assert any(error["path"].startswith("steps[0]") for error in problem["errors"])

    async def test_errors_of_bare_json_have_a_place_too(self, owner):
        text = '{\n  "name": "X",\n  "steps": [\n    {"id": "a", "type": "nonsense"}\n  ]\n}'

        response = await owner.post(
            "/api/pipelines", content=text, headers={"Content-Type": "application/json"}
        )

        (error, *_) = response.json()["errors"]
        assert response.status_code == 422
        assert (error["path"], error["line"]) == ("steps[0].type", 4)

    async def test_errors_of_a_wrapped_definition_are_placed_inside_it(self, owner):
        body = {"definition": {"name": "X", "steps": [{"id": "a", "type": "nonsense"}]}}

        response = await owner.post("/api/pipelines", json=body)

        assert response.json()["errors"][0]["path"] == "definition.steps[0].type"

    async def test_an_unknown_model_is_an_error_with_its_place_and_a_suggestion(self, owner):
        text = "name: X\nsteps:\n  - id: a\n    prompt: Hi\n    model: gpt-4oo\n"

        response = await owner.post("/api/pipelines", content=text, headers=AS_YAML)

        (error,) = response.json()["errors"]
        assert response.status_code == 422
        assert (error["path"], error["line"]) == ("steps[0].model", 5)
        assert "gpt-4o" in error["message"]

    async def test_unknown_models_are_told_together_with_other_errors(self, owner):
        text = "name: X\nsteps:\n  - id: a\n    prompt: Hi\n    model: gpt-4oo\n    x: 1\n"

        response = await owner.post("/api/pipelines", content=text, headers=AS_YAML)

        paths = {error["path"] for error in response.json()["errors"]}
        assert {"steps[0].model", "steps[0].x"} <= paths

    async def test_unknown_models_of_branches_and_fallbacks_are_told_too(self, owner):
        text = (
            "name: X\nsteps:\n  - id: p\n    type: parallel\n    steps:\n      - id: a\n        prompt: Hi\n"
            "        model: gpt-4oo\n        fallback_models: [claude-99]\n"
        )

        response = await owner.post("/api/pipelines", content=text, headers=AS_YAML)

        told = [(error["path"], error["line"]) for error in response.json()["errors"]]
        assert told == [("steps[0].steps[0].model", 8), ("steps[0].steps[0].fallback_models[0]", 9)]

    async def test_an_unknown_model_behind_many_others_is_told(self, owner):
        lines = [
            f"  - {{id: s{n}, prompt: x, model: openai/a{n}, fallback_models: [openai/b{n}, openai/c{n}]}}"
            for n in range(40)
        ]
        text = "\n".join(
            ["name: X", "steps:", *lines, "  - {id: z, prompt: x, model: nosuch/thing}"]
        )

        response = await owner.post("/api/pipelines", content=text, headers=AS_YAML)

        assert [error["path"] for error in response.json()["errors"]] == ["steps[40].model"]

    async def test_more_errors_than_anybody_reads_are_not_all_told(self, owner):
        lines = [
            f"  - {{id: s{n}, type: llm, prompt: x, model: m{n}, fallback_models: [n{n}]}}"
            for n in range(80)
        ]

        response = await owner.post(
            "/api/pipelines", content="\n".join(["name: X", "steps:", *lines]), headers=AS_YAML
        )

        told = response.json()["errors"]
        assert len(told) == 101
        assert told[-1]["code"] == "too_many_errors"

    async def test_what_is_wrong_with_models_stands_in_the_order_of_the_text(self, owner):
        text = "name: X\nsteps:\n  - {id: a, prompt: hi, model: gpt-4oo}\n  - {id: b, type: trnsform}\n  - {id: c, prompt: x, model: o}"

        response = await owner.post("/api/pipelines", content=text, headers=AS_YAML)

        assert [error["line"] for error in response.json()["errors"]] == [3, 4, 5]

    async def test_that_there_are_more_errors_is_told_once_models_or_not(self, owner):
        fields = "".join(f"x{n}: 1\n" for n in range(150))
        text = f"name: X\n{fields}steps: [{{id: a, prompt: hi, model: gpt-4oo}}]"

        response = await owner.post("/api/pipelines", content=text, headers=AS_YAML)

        codes = [error["code"] for error in response.json()["errors"]]
        assert (len(codes), codes.index("too_many_errors")) == (101, 100)

    @pytest.mark.parametrize(
        ("prompt", "thread"),
        [("x", "MainThread"), ("x" * 5_000, "offload")],
        ids=["small", "large"],
    )
    async def test_a_large_definition_is_read_beside_the_event_loop(
        self, owner, monkeypatch, prompt, thread
    ):
        seen = []

        def load(*arguments):
            seen.append(threading.current_thread().name)
            return loading.load(*arguments)

        monkeypatch.setattr(drafts, "load", load)

        response = await owner.post(
            "/api/pipelines/validate",
            content=f"name: X\nsteps: [{{id: a, prompt: {prompt}}}]",
            headers=AS_YAML,
        )

        assert response.status_code == 200
        assert seen == [thread]

    async def test_a_large_body_that_is_no_json_is_refused_like_a_small_one(self, owner):
        body = '{"name": "X",' + " " * 5_000

        response = await owner.post(
            "/api/pipelines", content=body, headers={"Content-Type": "application/json"}
        )

        assert (response.status_code, response.json()["code"]) == (400, "malformed_json")

    async def test_a_model_that_cannot_be_used_yet_is_a_warning(self, create):
        step = {"id": "a", "prompt": "Hi", "model": "gpt-4o"}

        made = await create(definition={"name": "X", "steps": [step]})

        (warning,) = made["warnings"]
        assert warning["path"] == "definition.steps[0].model"
        assert "OPENAI_API_KEY" in warning["message"]

    @pytest.mark.parametrize("text", ["a: [", "name: 'x", "\tname: x"])
    async def test_text_that_is_not_yaml_is_malformed(self, owner, text):
        response = await owner.post("/api/pipelines", content=text, headers=AS_YAML)

        assert response.status_code == 400
        assert response.json()["code"] == "malformed_definition"
        assert response.json()["errors"][0]["line"]

    async def test_bytes_that_are_not_utf8_are_malformed(self, owner):
        response = await owner.post("/api/pipelines", content=b"name: \xff", headers=AS_YAML)

        assert response.status_code == 400
        assert "byte 7" in response.json()["detail"]

    @pytest.mark.parametrize(
        ("content", "content_type", "status", "code"),
        [
            ("{", "application/json", 400, "malformed_json"),
            ('{"a": 1, "a": 2}', "application/json", 400, "malformed_json"),
            ("[]", "application/json", 422, "invalid_definition"),
            ("3", "application/json", 422, "invalid_definition"),
            ("{}", "application/json", 422, "invalid_body"),
            ('{"definition": "name: x"}', "application/json", 422, "invalid_body"),
            ('{"definition": {}, "nmae": "x"}', "application/json", 422, "invalid_body"),
            ('{"definition": {}, "slug": "No!"}', "application/json", 422, "invalid_body"),
            ('{"definition": {}, "tags": ["\\""]}', "application/json", 422, "invalid_body"),
            ('{"definition": {}, "tags": "x"}', "application/json", 422, "invalid_body"),
            ('{"definition": {}, "name": 3}', "application/json", 422, "invalid_body"),
            ("", "application/json", 400, "body_missing"),
            ("name: x", "text/plain", 415, "unsupported_media_type"),
        ],
    )
    async def test_bodies_of_the_wrong_kind_are_refused(
        self, owner, content, content_type, status, code
    ):
        response = await owner.post(
            "/api/pipelines", content=content, headers={"Content-Type": content_type}
        )

        assert (response.status_code, response.json()["code"]) == (status, code)

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"tag": ["a"]}, "Unknown field. Did you mean `tags`? Allowed: `name`, "),
            ({"slug": "No!"}, "Must have 1 to 80 lower-case letters, digits and hyphens, and"),
            ({"tags": ['"']}, "Must not contain double quotes, backslashes or control"),
            ({"tags": ["a"] * 21}, "Must have at most 20 tags."),
        ],
    )
    async def test_a_field_that_is_not_allowed_says_what_is(self, owner, body, message):
        response = await owner.post("/api/pipelines", json={"definition": {}, **body})

        (issue,) = response.json()["errors"]
        assert response.status_code == 422
        assert issue["message"].startswith(message)

    async def test_yaml_that_is_sent_as_json_is_told_how_to_be_sent(self, owner):
        response = await owner.post(
            "/api/pipelines",
            content="name: T\nsteps: []",
            headers={"Content-Type": "application/json"},
        )

        assert (response.status_code, response.json()["code"]) == (400, "malformed_json")
        assert response.json()["detail"].endswith(
            "To send YAML, use Content-Type: application/yaml."
        )

    async def test_a_definition_sent_as_text_is_refused_with_the_way_to_send_it(self, owner):
        response = await owner.post("/api/pipelines", json={"definition": "name: x"})

        (error,) = response.json()["errors"]
        assert error["path"] == "definition"
        assert "application/yaml" in error["message"]

    async def test_too_many_tags_are_refused(self, owner):
        tags = [str(number) for number in range(21)]

        response = await owner.post("/api/pipelines", json={"definition": DEFINITION, "tags": tags})

        assert response.status_code == 422
        assert "at most 20" in response.json()["detail"]

    async def test_more_pipelines_than_the_plan_allows_are_refused_also_all_at_once(
        self, login, make
    ):
        client = await login(await make.user(plan="free"))

        answers = await asyncio.gather(
            *(client.post("/api/pipelines", json=DEFINITION) for _ in range(6))
        )

        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [403] * 3
        refused = next(answer.json() for answer in answers if answer.status_code == 403)
        assert refused["code"] == "plan_pipelines_exceeded"
        assert "3 active pipelines" in refused["detail"]
        assert "workspaces limits" in refused["detail"]

    async def test_more_steps_than_the_plan_allows_are_refused(self, login, make):
        client = await login(await make.user(plan="free"))

        allowed = await client.post("/api/pipelines", json={"name": "X", "steps": steps(5)})
        refused = await client.post("/api/pipelines", json={"name": "X", "steps": steps(6)})

        assert allowed.status_code == 201
        assert refused.status_code == 403
        assert refused.json()["code"] == "plan_steps_exceeded"
        assert "allows 5 steps" in refused.json()["detail"]
        assert "workspaces limits" in refused.json()["detail"]

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"output": {"deliver": [HOOK]}}, "plan_webhooks_disabled"),
            ({"notifications": {"on_success": [HOOK]}}, "plan_webhooks_disabled"),
            ({"notifications": {"on_failure": [HOOK]}}, "plan_webhooks_disabled"),
            ({"schedule": {"cron": "0 9 * * *"}}, "plan_cron_disabled"),
        ],
    )
    async def test_what_the_plan_has_not_is_refused_in_a_definition(
        self, login, make, fields, code
    ):
        free = await login(await make.user(plan="free"))
        starter = await login(await make.user(plan="starter"))

        refused = await free.post("/api/pipelines", json={**DEFINITION, **fields})
        allowed = await starter.post("/api/pipelines", json={**DEFINITION, **fields})

        assert (refused.status_code, refused.json()["code"]) == (403, code)
        assert allowed.status_code == 201

    @pytest.mark.parametrize(
        "fields",
        [
            {"output": {"deliver": [{"type": "email", "to": "a@example.com"}, {"type": "api"}]}},
            {"schedule": {"cron": "0 9 * * *", "enabled": False}},
        ],
    )
    async def test_mail_and_a_schedule_that_is_off_need_no_plan(self, login, make, fields):
        free = await login(await make.user(plan="free"))

        allowed = await free.post("/api/pipelines", json={**DEFINITION, **fields})

        assert allowed.status_code == 201


class TestValidate:
    async def test_a_good_definition_is_valid_and_saved_nowhere(self, owner):
        response = await owner.post("/api/pipelines/validate", content=YAML, headers=AS_YAML)

        assert response.status_code == 200
        assert response.json() == {"valid": True, "errors": [], "warnings": []}
        assert (await owner.get("/api/pipelines")).json()["data"] == []

    async def test_a_bad_one_is_told_everything(self, owner):
        response = await owner.post("/api/pipelines/validate", json={"steps": [{}], "x": 1})

        found = response.json()
        assert response.status_code == 200
        assert found["valid"] is False
        assert {"name", "x"} <= {error["path"] for error in found["errors"]}

    async def test_yaml_that_cannot_be_read_is_not_valid_and_says_where(self, owner):
        response = await owner.post(
            "/api/pipelines/validate", content="name: x\nsteps: [", headers=AS_YAML
        )

        found = response.json()
        assert response.status_code == 200
        assert found["valid"] is False
        assert found["errors"][0]["line"] >= 2

    async def test_json_that_cannot_be_read_is_malformed(self, owner):
        response = await owner.post(
            "/api/pipelines/validate",
            content="{",
            headers={"Content-Type": "application/json"},
        )

        assert response.status_code == 400

    async def test_warnings_leave_it_valid(self, owner):
        definition = {"name": "X", "steps": [{"id": "a", "prompt": "Hi", "model": "gpt-4o"}]}

        response = await owner.post("/api/pipelines/validate", json=definition)

        assert response.json()["valid"] is True
        assert response.json()["warnings"][0]["code"] == "model_not_usable"


class TestHostileBodies:
    async def test_a_document_with_every_kind_of_trouble_never_breaks_the_server(self, owner):
        deep = "[" * 100_000
        bodies = [
            deep,
            json.dumps({"name": "X", "steps": [], "variables": {"a": {"b": [[[[1]]]]}}}),
            '{"name": "\\ud800", "steps": []}',
            '{"name": "x\\u0000", "steps": []}',
            '{"name": "x", "steps": [' + "9" * 1_000 + "]}",
            '{"name": "x", "version": 1e999, "steps": []}',
        ]
        for body in bodies:
            for content_type in ("application/json", "application/yaml"):
                response = await owner.post(
                    "/api/pipelines", content=body, headers={"Content-Type": content_type}
                )
                assert 400 <= response.status_code < 500, (body[:50], content_type)
                assert response.json()["code"]
