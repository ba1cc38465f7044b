"""`stepiq apply`, `diff` and `pull` against a server."""

import json
from typing import Any

import pytest

from tests.cli.conftest import Said
from tests.cli.remote.conftest import GREETING, Remote, problem

SETTINGS = """\
tags: [demo, nightly]
schedules:
  - name: Nightly
    cron: "0 1 * * *"
    timezone: Europe/Berlin
    input: {who: Ada}
"""


@pytest.fixture
def flows(remote: Remote) -> Remote:
    """A folder with a pipeline and its deploy file."""
    remote.write("greeting.yaml")
    remote.write("greeting.deploy.yaml", SETTINGS)
    return remote


async def applied(remote: Remote, *options: str) -> Said:
    """Apply the folder, which must succeed."""
    said = await remote("apply", "flows", "--yes", *options)
    assert said.code == 0, said.err
    return said


async def pipeline(remote: Remote, slug: str = "greeting") -> dict[str, Any]:
    """A pipeline, archived or not."""
    return (await remote.api.get(f"/api/pipelines/{slug}")).json()


async def schedules(remote: Remote, slug: str = "greeting") -> list[dict[str, Any]]:
    return (await remote.api.get(f"/api/pipelines/{slug}/schedules")).json()["data"]


class TestApply:
    async def test_a_folder_is_created_as_it_is(self, flows: Remote):
        said = await applied(flows)

        made = await pipeline(flows)
        version = (await flows.api.get("/api/pipelines/greeting/versions/1")).json()
        (schedule,) = await schedules(flows)
        assert said.out == (
            "+ greeting  (greeting.yaml)\n"
            "    tags: [] → [demo, nightly]\n"
            '    schedule "Nightly": create, 0 1 * * * Europe/Berlin\n'
            "\n"
            "Plan: 1 to create, 0 unchanged.\n"
            "greeting: created (v1)\n"
            "\n"
            "Done: 1 created.\n"
        )
        assert version["text"] == GREETING
        assert made["tags"] == ["demo", "nightly"]
        assert (schedule["name"], schedule["input_data"]) == ("Nightly", {"who": "Ada"})

    async def test_again_it_changes_nothing(self, flows: Remote):
        await applied(flows)

        said = await applied(flows)

        assert said.out == "Plan: 1 unchanged.\n"
        assert (await pipeline(flows))["version"] == 1

    async def test_a_changed_text_is_a_new_version(self, flows: Remote):
        await applied(flows)
        flows.write("greeting.yaml", GREETING.replace("Hello", "Good morning"))

        said = await applied(flows)

        assert "~ greeting  (greeting.yaml)\n    definition: new version after v1\n" in said.out
        assert "greeting: changed (v2)\n" in said.out
        assert (await pipeline(flows))["version"] == 2

    async def test_changed_settings_make_no_version(self, flows: Remote):
        await applied(flows)
        flows.write(
            "greeting.deploy.yaml",
            "tags: [demo]\npaused: true\nschedules:\n"
            "  - {name: Nightly, cron: '0 2 * * *', timezone: Europe/Berlin, input: {who: Ada}}\n"
            "  - {name: Weekly, cron: '0 3 * * 1', input: {who: Bob}, enabled: false}\n",
        )

        said = await applied(flows)

        found = await pipeline(flows)
        assert said.out.startswith(
            "~ greeting  (greeting.yaml)\n"
            "    tags: [demo, nightly] → [demo]\n"
            "    pause it\n"
            '    schedule "Nightly": cron 0 1 * * * → 0 2 * * *\n'
            '    schedule "Weekly": create, 0 3 * * 1 UTC, disabled\n'
        )
        assert (found["version"], found["status"], found["tags"]) == (1, "paused", ["demo"])
        assert {each["name"]: each["cron_expression"] for each in await schedules(flows)} == {
            "Nightly": "0 2 * * *",
            "Weekly": "0 3 * * 1",
        }
        assert (await applied(flows)).out == "Plan: 1 unchanged.\n"

    async def test_a_pause_ends_and_schedules_are_deleted(self, flows: Remote):
        flows.write("greeting.deploy.yaml", SETTINGS + "paused: true\n")
        await applied(flows)
        flows.write("greeting.deploy.yaml", "paused: false\nschedules: []\n")

        await applied(flows)

        assert (await pipeline(flows))["status"] == "active"
        assert await schedules(flows) == []

    async def test_what_the_file_does_not_have_stays(self, flows: Remote):
        await applied(flows)
        flows.write("greeting.deploy.yaml", "tags: [other]\n")

        await applied(flows)

        assert len(await schedules(flows)) == 1

    async def test_a_dry_run_changes_nothing(self, flows: Remote):
        said = await flows("apply", "flows", "--dry-run")

        assert said.code == 0
        assert said.out.startswith("+ greeting")
        assert (await flows.api.get("/api/pipelines")).json()["data"] == []

    async def test_without_a_terminal_it_needs_yes(self, flows: Remote):
        said = await flows("apply", "flows")

        assert said.code == 2
        assert "Add --yes" in problem(said)["message"]

    async def test_without_changes_it_needs_no_yes(self, flows: Remote):
        await applied(flows)

        said = await flows("apply", "flows")

        assert (said.code, said.out) == (0, "Plan: 1 unchanged.\n")

    async def test_an_archived_pipeline_is_restored(self, flows: Remote):
        await applied(flows)
        await flows.api.delete("/api/pipelines/greeting")

        said = await applied(flows)

        assert "restore it from the archive" in said.out
        assert (await pipeline(flows))["status"] == "active"

    async def test_json_is_the_plan_and_the_result(self, flows: Remote):
        said = await applied(flows, "--json")

        found = json.loads(said.out)
        assert found["applied"] is True
        assert found["source"] == "flows"
        assert [(each["slug"], each["action"], each["version"]) for each in found["changes"]] == [
            ("greeting", "create", 1)
        ]


class TestErrors:
    async def test_nothing_is_changed_if_a_file_is_not_valid(self, flows: Remote):
        flows.write("broken.yaml", GREETING.replace("transform", "tranform"))

        said = await flows("apply", "flows", "--yes")

        assert said.code == 1
        assert "error    flows/broken.yaml:8:11: steps[0].type: " in said.err
        assert problem(said)["code"] == "files_invalid"
        assert problem(said)["message"] == "1 file is not valid. Nothing was changed on the server."
        assert problem(said)["errors"][0]["line"] == 8
        assert (await flows.api.get("/api/pipelines")).json()["data"] == []

    async def test_nor_if_the_server_refuses_one(self, flows: Remote):
        flows.write(
            "asking.yaml", "name: A\nsteps:\n  - {id: a, type: llm, model: nowhere/x, prompt: Hi}\n"
        )

        said = await flows("apply", "flows", "--yes")

        assert said.code == 1
        assert "error    flows/asking.yaml:3:" in said.err
        assert (await flows.api.get("/api/pipelines")).json()["data"] == []

    async def test_a_warning_of_the_server_is_shown(self, flows: Remote):
        flows.write("greeting.yaml", GREETING.replace("{{input.count}}", "{{env.MISSING}}"))

        said = await applied(flows)

        assert "warning  flows/greeting.yaml:9:" in said.err

    async def test_an_empty_folder_is_explained(self, remote: Remote):
        (remote.folder / "flows").mkdir()

        said = await remote("apply", "flows", "--yes")

        assert said.code == 2
        assert "contains no pipelines" in problem(said)["message"]

    @pytest.mark.parametrize(
        ("name", "code"), [("my.flow.yaml", "invalid_slug"), ("x.deploy.yaml", "pipeline_missing")]
    )
    @pytest.mark.parametrize("arguments", [("apply", "flows", "--yes"), ("diff", "flows")])
    async def test_a_folder_with_only_a_wrong_name_is_explained(
        self, remote: Remote, arguments: tuple[str, ...], name: str, code: str
    ):
        remote.write(name, "tags: []\n" if ".deploy" in name else GREETING)

        said = await remote(*arguments)

        assert said.code == 1
        assert [each["code"] for each in problem(said)["errors"]] == [code]

    async def test_a_folder_with_only_tests_is_explained(self, remote: Remote):
        remote.write("greeting.test.yaml")

        said = await remote("apply", "flows", "--yes")

        assert said.code == 2
        assert "contains no pipelines" in problem(said)["message"]

    async def test_a_wrong_name_is_reported_once(self, flows: Remote):
        flows.write("My Flow.yaml")

        said = await flows("apply", "flows", "--yes")

        (error,) = problem(said)["errors"]
        assert (error["file"], error["code"]) == ("flows/My Flow.yaml", "invalid_slug")
        assert "Rename the file to `my-flow`." in error["message"]

    async def test_a_key_that_cannot_write_ends_with_4(self, flows: Remote):
        flows.command.environment["STEPIQ_API_KEY"] = await flows.new_key("pipelines:read")

        said = await flows("apply", "flows", "--yes")

        assert said.code == 4
        assert problem(said)["code"] == "deployment_failed"
        assert problem(said)["errors"][0]["code"] == "scope_missing"
        assert "greeting: failed\n" in said.out


class TestDiff:
    async def test_what_apply_would_refuse_is_refused(self, remote: Remote):
        remote.write("asking.yaml", "name: Asking\nsteps: [{id: a, prompt: x, model: nowhere/a}]\n")

        said = await remote("diff", "flows")

        assert (said.code, said.out) == (1, "")
        assert problem(said)["code"] == "files_invalid"
        assert "Provider `nowhere`" in problem(said)["errors"][0]["message"]

    async def test_texts_and_settings_are_compared(self, flows: Remote):
        await applied(flows)
        flows.write("greeting.yaml", GREETING.replace("Hello", "Good morning"))
        flows.write("greeting.deploy.yaml", SETTINGS.replace("0 1 *", "0 2 *"))
        flows.write("added.yaml", "name: New\nsteps: [{id: a, type: transform, template: x}]\n")

        said = await flows("diff", "flows")

        assert said.code == 0
        assert said.out == (
            "--- added.yaml (not on the server)\n"
            "+++ added.yaml (folder)\n"
            "@@ -0,0 +1,2 @@\n"
            "+name: New\n"
            "+steps: [{id: a, type: transform, template: x}]\n"
            "--- greeting.yaml (server, v1)\n"
            "+++ greeting.yaml (folder)\n"
            "@@ -6,4 +6,4 @@\n"
            " steps:\n"
            "   - id: greet\n"
            "     type: transform\n"
            '-    template: "Hello {{input.who}} x {{input.count}}"\n'
            '+    template: "Good morning {{input.who}} x {{input.count}}"\n'
            "--- greeting.deploy.yaml (server, v1)\n"
            "+++ greeting.deploy.yaml (folder)\n"
            "@@ -3,7 +3,7 @@\n"
            "   - nightly\n"
            " schedules:\n"
            "   - name: Nightly\n"
            '-    cron: "0 1 * * *"\n'
            '+    cron: "0 2 * * *"\n'
            "     timezone: Europe/Berlin\n"
            "     input:\n"
            "       who: Ada\n"
        )

    async def test_the_exit_code_tells_if_asked(self, flows: Remote):
        before = await flows("diff", "flows", "--exit-code")
        await applied(flows)
        after = await flows("diff", "flows", "--exit-code")

        assert (before.code, after.code) == (1, 0)
        assert after.out == ""

    async def test_json_has_the_diff_of_each_pipeline(self, flows: Remote):
        said = await flows("diff", "flows", "--json")

        (change,) = json.loads(said.out)["changes"]
        assert change["diff"].startswith("--- greeting.yaml (not on the server)\n")


class TestPull:
    async def test_a_folder_that_was_pulled_is_unchanged(self, flows: Remote):
        await applied(flows)
        await flows.save(
            "other", "name: Other # kept\nsteps: [{id: a, type: transform, template: x}]"
        )

        said = await flows("pull", "copy")

        copy = flows.folder / "copy"
        assert said.out == (
            "+ copy/greeting.yaml\n"
            "+ copy/greeting.deploy.yaml\n"
            "+ copy/other.yaml\n"
            "2 pipelines, 3 files differ.\n"
        )
        assert (copy / "greeting.yaml").read_text() == GREETING
        assert "name: Nightly" in (copy / "greeting.deploy.yaml").read_text()
        assert (await flows("pull", "copy")).out == "2 pipelines, 0 files differ.\n"
        planned = await flows("apply", "copy", "--dry-run", "--source", "flows")
        assert planned.out == (
            "~ other  (other.yaml)\n"
            "    managed by git from now on; the server's editor will not change it\n"
            "\n"
            "Plan: 1 to change, 1 unchanged.\n"
        )

    async def test_a_deploy_file_that_says_the_same_stays(self, flows: Remote):
        await applied(flows)
        text = "# why\n" + SETTINGS.replace("[demo, nightly]", "[nightly, demo]")
        flows.write("greeting.deploy.yaml", text + "paused: false\n")

        said = await flows("pull", "flows")

        assert said.out == "1 pipeline, 0 files differ.\n"

    async def test_a_changed_file_needs_a_confirmation(self, flows: Remote):
        await applied(flows)
        file = flows.write("greeting.yaml", "name: Mine\n")

        refused = await flows("pull", "flows")
        kept = file.read_text()
        done = await flows("pull", "flows", "--yes")

        assert refused.code == 2
        assert kept == "name: Mine\n"
        assert done.code == 0
        assert file.read_text() == GREETING

    async def test_schedules_with_one_name_are_refused_before_a_file_is_written(
        self, flows: Remote
    ):
        pipeline = await flows.save()
        await flows.save("other", "name: Other\nsteps: [{id: a, type: transform, template: x}]")
        schedule = {"name": "Daily", "cron": "0 9 * * *", "input": {"who": "Ada"}}
        for _ in range(2):
            answer = await flows.api.post(
                f"/api/pipelines/{pipeline['id']}/schedules", json=schedule
            )
            assert answer.status_code == 201

        refused = await flows("pull", "copy")
        chosen = await flows("pull", "copy", "other")

        assert refused.code == 6
        assert problem(refused)["code"] == "schedule_name_repeated"
        assert (
            "`greeting` has several schedules with the name `Daily`" in problem(refused)["message"]
        )
        assert chosen.out == "+ copy/other.yaml\n1 pipeline, 1 file differs.\n"

    async def test_one_pipeline_can_be_chosen(self, flows: Remote):
        await applied(flows)

        said = await flows("pull", "copy", "greeting")
        unknown = await flows("pull", "copy", "greting")

        assert said.code == 0
        assert unknown.code == 5
        assert "no pipeline `greting`" in problem(unknown)["message"]

    async def test_a_pipeline_in_json_becomes_a_json_file(self, flows: Remote):
        text = '{"name": "J", "steps": [{"id": "a", "type": "transform", "template": "x"}]}'
        answer = await flows.api.post(
            "/api/pipelines", json={"slug": "j", "text": text, "format": "json"}
        )
        flows.write("j.yaml", "name: Old\n")

        said = await flows("pull", "flows", "--yes")

        assert answer.status_code == 201
        assert "- flows/j.yaml\n+ flows/j.json\n" in said.out
        assert (flows.folder / "flows" / "j.json").read_text() == text
