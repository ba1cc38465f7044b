"""`stepiq trigger`, `runs`, `reviews`, `secrets` and `pipelines` against a server."""

import asyncio
import json
import signal
from uuid import UUID

import pytest

from tests.cli.remote.conftest import GREETING, Remote, problem
from tests.support.forked_programs import programs

REVIEWED = """\
name: Reviewed
steps:
  - id: check
    type: human_review
    message: "Is this fine?"
    input: input
    editable: true
"""
ASKING = """\
name: Asking
steps:
  - {id: check, type: human_review, message: "Is this fine?", input: input}
  - {id: ask, type: llm, model: openai/gpt-4o-mini, prompt: "Say hello to {{input.who}}"}
"""
FAILING = """\
name: Failing
steps:
  - {id: first, type: transform, template: "one"}
  - id: second
    type: code
    language: python
    source: |
      def main(input):
          raise ValueError("broken")
"""
UNKNOWN_RUN = "01890000-0000-7000-8000-000000000000"


class TestTrigger:
    async def test_it_prints_the_id_of_the_run(self, remote: Remote):
        await remote.save()

        said = await remote("trigger", "greeting", "-i", "who=Ada")

        assert said.code == 0
        assert UUID(said.out.strip())
        command = f"{programs() / 'stepiq'} runs logs -f {said.out.strip()}"
        assert said.err == f"The run has started. To see it: {command}\n"

    async def test_followed_it_prints_steps_and_output(self, remote: Remote):
        await remote.save()

        said = await remote("trigger", "greeting", "-i", "who=Ada", "-i", "count=3", "--follow")

        assert said.code == 0
        assert said.out == "Hello Ada x 3\n"
        assert "✓ greet" in said.err
        assert "completed" in said.err

    async def test_followed_it_prints_the_text_of_models(self, remote: Remote):
        await remote.save("asking", ASKING)

        # The review delays the call until the command has opened the stream. Text from before is not repeated.
        process = await remote.command.start("trigger", "asking", "-i", "who=Ada", "--follow")
        assert process.stderr is not None
        await asyncio.wait_for(process.stderr.readuntil(b"waits for a review"), 60)
        (run,) = (await remote.api.get("/api/runs?status=waiting")).json()["data"]
        await remote("reviews", "approve", run["id"], "check")
        out, shown = await asyncio.wait_for(process.communicate(), 60)

        assert process.returncode == 0
        assert b"> ask calls openai/gpt-4o-mini" in shown
        assert out.strip() == b"echo: Say hello to Ada"
        assert out.strip() in shown

    async def test_at_a_review_it_says_where_to_decide_and_a_timeout_ends_it(self, remote: Remote):
        await remote.save("reviewed", REVIEWED)

        process = await remote.command.start("trigger", "reviewed", "--follow")
        assert process.stderr is not None
        said = await asyncio.wait_for(process.stderr.readuntil(b" check\n"), 60)
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 60)
        (run,) = (await remote.api.get("/api/runs?status=waiting")).json()["data"]
        ended = await remote("runs", "logs", run["id"], "--timeout", "0.1")

        place = f"Decide it on {remote.url}/runs/{run['id']} or with: ".encode()
        assert b"check waits for a review by a person. " + place in said
        assert said.endswith(f"stepiq reviews approve {run['id']} check\n".encode())
        assert ended.code == 3
        assert problem(ended)["code"] == "follow_timeout"

    async def test_a_failed_run_ends_with_code_1_and_its_error(self, remote: Remote):
        await remote.save("failing", FAILING)

        said = await remote("trigger", "failing", "--follow")

        assert said.code == 1
        assert problem(said)["code"] == "code_error"

    async def test_json_is_the_run(self, remote: Remote):
        await remote.save()

        said = await remote("trigger", "greeting", "-i", "who=Ada", "--follow", "--json")

        assert json.loads(said.out)["output"] == "Hello Ada x 1"
        assert said.err == ""

    async def test_an_idempotency_key_starts_one_run(self, remote: Remote):
        await remote.save()
        arguments = ("trigger", "greeting", "-i", "who=Ada", "--idempotency-key", "order-17")

        first, second = [await remote(*arguments) for _ in range(2)]

        assert UUID(first.out.strip())
        assert first.out == second.out

    @pytest.mark.parametrize("key", ["order 17", "Größe", "", "x" * 256])
    async def test_an_idempotency_key_that_servers_refuse_is_a_usage_error(
        self, remote: Remote, key: str
    ):
        refused = await remote("trigger", "greeting", "--idempotency-key", key)

        assert refused.code == 2
        assert "--idempotency-key must have 1 to 255 visible ASCII characters." in refused.err

    @pytest.mark.parametrize("how", ["trigger", "logs", "retry"])
    async def test_ctrl_c_ends_only_the_command(self, remote: Remote, how: str):
        await remote.save("reviewed", REVIEWED)
        arguments = ("trigger", "reviewed", "--follow")
        if how == "logs":
            run = await remote.start("reviewed")
            arguments = ("runs", "logs", "-f", run["id"])
        elif how == "retry":
            run = await remote.start("reviewed")
            await remote.api.post(f"/api/runs/{run['id']}/cancel")
            arguments = ("runs", "retry", run["id"], "--follow")
        process = await remote.command.start(*arguments)
        assert process.stderr is not None
        shown = await asyncio.wait_for(process.stderr.readuntil(b"waits for a review"), 60)

        process.send_signal(signal.SIGINT)
        _, rest = await asyncio.wait_for(process.communicate(), 60)

        (waiting,) = (await remote.api.get("/api/runs?status=waiting")).json()["data"]
        assert process.returncode == 130, shown + rest
        last = rest.decode().splitlines()[-1]
        assert last.startswith("The run continues on the server. To see it: ")
        assert last.endswith(f"stepiq runs logs -f {waiting['id']}")

    async def test_an_invalid_input_names_its_fields(self, remote: Remote):
        await remote.save()

        said = await remote("trigger", "greeting", "-i", "count:=3")

        assert said.code == 1
        assert problem(said)["code"] == "input_invalid"
        assert problem(said)["errors"][0]["path"] == "who"

    async def test_an_unknown_field_is_refused_before_the_run(self, remote: Remote):
        await remote.save()

        said = await remote("trigger", "greeting", "-i", "whom=Ada")

        assert said.code == 2
        assert "no input field `whom`" in problem(said)["message"]

    async def test_an_unknown_pipeline_is_not_found(self, remote: Remote):
        said = await remote("trigger", "greting")

        assert said.code == 5
        assert problem(said)["code"] == "pipeline_not_found"
        assert "greting" in problem(said)["message"]
        assert "Did you mean" not in problem(said)["message"]

    @pytest.mark.parametrize(
        "arguments", [("trigger", "greting"), ("secrets", "list", "--pipeline", "greting")]
    )
    async def test_the_most_similar_slug_is_suggested(
        self, remote: Remote, arguments: tuple[str, ...]
    ):
        await remote.save()
        await remote.save("other")

        said = await remote(*arguments)

        assert problem(said)["message"] == (
            "The workspace has no pipeline with the slug `greting`. To list pipelines with their slugs, use"
            " `stepiq pipelines list`. Did you mean `greeting`?"
        )

    async def test_a_key_that_cannot_list_pipelines_gets_no_suggestion(self, remote: Remote):
        await remote.save()
        remote.command.environment["STEPIQ_API_KEY"] = await remote.new_key("pipelines:execute")

        said = await remote("trigger", "greting")

        assert problem(said)["code"] == "pipeline_not_found"
        assert "Did you mean" not in problem(said)["message"]


class TestRuns:
    async def test_a_list_ends_at_its_limit(self, remote: Remote):
        await remote.save()
        made = [(await remote.run())["id"] for _ in range(3)]

        said = await remote("runs", "list", "--limit", "2", "--json")

        assert [run["id"] for run in json.loads(said.out)["data"]] == made[:0:-1]

    async def test_the_list_has_the_newest_first(self, remote: Remote):
        await remote.save()
        first, second = await remote.run(), await remote.run()

        said = await remote("runs", "list", "--pipeline", "greeting")

        lines = [line.split("\t") for line in said.out.splitlines()]
        assert [line[0] for line in lines] == [second["id"], first["id"]]
        assert lines[0][1:3] == ["Greeting", "completed"]

    async def test_filters_are_combined(self, remote: Remote):
        await remote.save("failing", FAILING)
        await remote.save()
        await remote.run()
        failed = await remote.run("failing")

        said = await remote("runs", "list", "--status", "failed", "--status", "cancelled")

        assert [line.split("\t")[0] for line in said.out.splitlines()] == [failed["id"]]

    async def test_an_unknown_status_is_refused(self, remote: Remote):
        said = await remote("runs", "list", "--status", "broken")

        assert said.code == 2
        assert "Use pending, running" in problem(said)["message"]

    async def test_a_run_is_shown_with_its_steps(self, remote: Remote):
        await remote.save()
        run = await remote.run()

        said = await remote("runs", "show", run["id"])

        assert "Greeting v1" in said.out
        assert "greet\tcompleted" in said.out
        assert said.out.endswith("\nHello Ada x 1\n")

    async def test_it_says_why_the_steps_failed_that_the_run_survived(self, remote: Remote):
        text = FAILING.replace("type: code", "type: code\n    on_error: continue")
        await remote.save("failing", text)
        run = await remote.run("failing")

        shown = await remote("runs", "show", run["id"])
        logged = await remote("runs", "logs", run["id"])

        why = "Line 2 of the code: ValueError: broken"
        assert f"second: Step `second`: {why}\n" in shown.out
        assert why in logged.out

    async def test_its_log_goes_to_standard_output(self, remote: Remote):
        await remote.save()
        run = await remote.run()

        said = await remote("runs", "logs", run["id"])

        assert said.out.startswith("✓ greet")
        assert said.err == ""

    async def test_a_followed_log_ends_with_the_output(self, remote: Remote):
        await remote.save()
        run = await remote.run()

        said = await remote("runs", "logs", "-f", run["id"])

        assert said.code == 0
        assert said.out.endswith("Hello Ada x 1\n")

    async def test_a_waiting_run_can_be_cancelled_once(self, remote: Remote):
        await remote.save("reviewed", REVIEWED)
        run = await remote.run_until_review()

        first = await remote("runs", "cancel", run["id"])
        second = await remote("runs", "cancel", run["id"])

        assert first.out == f"{run['id']}: cancelled\n"
        assert second.code == 6
        assert problem(second)["code"] == "run_already_finished"

    async def test_a_run_can_be_retried_and_followed(self, remote: Remote):
        await remote.save()
        run = await remote.run()

        said = await remote("runs", "retry", run["id"], "--input", "who=Bob", "--follow")

        assert said.code == 0
        assert said.out == "Hello Bob x 1\n"

    async def test_a_retry_with_an_input_field_keeps_the_others(self, remote: Remote):
        await remote.save()
        run = await remote.run(who="Ada", count=3)

        said = await remote("runs", "retry", run["id"], "--input", "who=Bob", "--follow")

        assert said.out == "Hello Bob x 3\n"

    async def test_a_retry_reads_a_value_as_the_version_declares_it(self, remote: Remote):
        await remote.save()
        run = await remote.run(who="Ada")
        text = GREETING.replace("{type: integer, default: 1}", "{type: string}")
        (await remote.api.put("/api/pipelines/greeting", json={"text": text})).raise_for_status()

        same = await remote("runs", "retry", run["id"], "-i", "count=3", "--follow")
        latest = await remote("runs", "retry", run["id"], "-i", "count=3", "--latest", "--json")

        assert same.out == "Hello Ada x 3\n"
        assert json.loads(latest.out)["input_data"] == {"who": "Ada", "count": "3"}

    async def test_a_retry_with_an_input_file_uses_only_the_file(self, remote: Remote):
        await remote.save()
        run = await remote.run(who="Ada", count=3)
        # The recorded input is not needed.
        remote.command.environment["STEPIQ_API_KEY"] = await remote.new_key("pipelines:execute")

        said = await remote(
            "runs",
            "retry",
            run["id"],
            "--input-file",
            "-",
            "-i",
            "count:=2",
            "--json",
            stdin='{"who": "Bob"}',
        )

        again = await remote.api.get(f"/api/runs/{json.loads(said.out)['id']}")
        assert again.json()["input_data"] == {"who": "Bob", "count": 2}

    async def test_an_unknown_step_is_told_with_the_option(self, remote: Remote):
        await remote.save()
        run = await remote.run()

        said = await remote("runs", "retry", run["id"], "--from", "nostep")

        assert said.code == 1
        assert "Set `--from` to" in problem(said)["message"]

    async def test_an_unknown_run_is_not_found(self, remote: Remote):
        said = await remote("runs", "show", UNKNOWN_RUN)

        assert said.code == 5
        assert problem(said)["code"] == "run_not_found"
        assert problem(said)["status"] == 404
        assert problem(said)["request_id"]

    async def test_a_text_that_is_no_id_is_refused_without_a_request(self, remote: Remote):
        said = await remote("runs", "show", "latest")

        assert said.code == 2
        assert problem(said)["status"] is None


class TestReviews:
    async def test_the_only_review_of_a_run_needs_no_step(self, remote: Remote):
        await remote.save("reviewed", REVIEWED)
        run = await remote.run_until_review()

        listed = await remote("reviews", "list")
        shown = await remote("reviews", "show", run["id"])
        decided = await remote("reviews", "approve", run["id"], "--comment", "Good.")
        again = await remote("reviews", "reject", run["id"], "check")

        assert listed.out.startswith(f"{run['id']}\tcheck\tReviewed\t")
        assert "Is this fine?" in shown.out
        assert '"who": "Ada"' in shown.out
        assert decided.out.startswith("check: approved.")
        assert again.code == 6
        assert problem(again)["code"] == "review_closed"

    async def test_an_approval_can_change_the_data(self, remote: Remote):
        await remote.save("reviewed", REVIEWED)
        run = await remote.run_until_review()

        said = await remote("reviews", "approve", run["id"], "check", "--output", '"Better"')
        ended = await remote("runs", "logs", "-f", run["id"], "--json")

        assert said.code == 0
        assert json.loads(ended.out)["output"]["output"] == "Better"

    async def test_data_that_is_not_json_is_refused(self, remote: Remote):
        said = await remote("reviews", "approve", UNKNOWN_RUN, "check", "--output", "Better")

        assert said.code == 2
        assert "--output must be JSON" in problem(said)["message"]

    async def test_a_run_without_a_review_is_named(self, remote: Remote):
        said = await remote("reviews", "approve", UNKNOWN_RUN)

        assert said.code == 5
        assert problem(said)["code"] == "no_open_review"


class TestSecrets:
    async def test_one_is_stored_from_standard_input(self, remote: Remote):
        first = await remote("secrets", "set", "CRM_TOKEN", stdin="a-secret-value\n")
        second = await remote("secrets", "set", "CRM_TOKEN", "--host", "a.com", stdin="another")
        listed = await remote("secrets", "list")
        deleted = await remote("secrets", "delete", "CRM_TOKEN")

        assert first.out == "CRM_TOKEN: stored\n"
        assert "The secret is not limited to hosts" in first.err
        assert "such as `--host api.example.com`." in first.err
        assert second.out == "CRM_TOKEN: replaced\n"
        assert listed.out.startswith("CRM_TOKEN\ta.com\t")
        assert deleted.out == "CRM_TOKEN: deleted\n"

    async def test_a_pipeline_can_have_its_own(self, remote: Remote):
        await remote.save()

        await remote("secrets", "set", "TOKEN", "--pipeline", "greeting", stdin="a-secret-value")
        own = await remote("secrets", "list", "--pipeline", "greeting")
        shared = await remote("secrets", "list")

        assert own.out.startswith("TOKEN\t")
        assert shared.out == ""

    async def test_an_empty_value_is_refused(self, remote: Remote):
        said = await remote("secrets", "set", "TOKEN", stdin="\n")

        assert said.code == 2
        assert "value is empty" in problem(said)["message"]

    async def test_a_value_is_never_an_argument(self, remote: Remote):
        said = await remote("secrets", "set", "TOKEN", "a-value", stdin="x")

        assert said.code == 2
        assert problem(said)["code"] == "usage"

    async def test_an_unknown_one_is_not_found(self, remote: Remote):
        said = await remote("secrets", "delete", "TOKEN")

        assert said.code == 5


class TestPipelines:
    async def test_the_list_has_slug_and_version(self, remote: Remote):
        await remote.save()

        said = await remote("pipelines", "list")

        assert said.out.startswith("greeting\tGreeting\tv1\tactive\t")

    @pytest.mark.parametrize("status", ["paused", "archived"])
    async def test_it_can_be_filtered(self, remote: Remote, status: str):
        await remote.save()

        said = await remote("pipelines", "list", "--status", status)

        assert said.code == 0
        assert said.out == ""
        assert said.err == "No pipelines match.\n"
