"""`stepiq test`."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Cli, Command, write
from tests.docs.pages import blocks, read

PIPELINE = """\
name: Reply
input: {schema: {question: {type: string, required: true}}}
steps:
  - id: sort
    prompt: "Sort {{input.question}} with {{env.KEY}}"
    output_schema: {type: object, properties: {score: {type: integer}}, required: [score]}
  - {id: pause, type: wait, seconds: 86400}
  - id: tell
    type: webhook
    url: https://example.com/{{input.question}}
    on_error: continue
  - {id: count, type: code, language: python, source: "def main(i):\\n    return i['score'] + 1", input: {score: steps.sort.output.score}}
  - {id: ask, type: human_review, message: Good?, input: steps.count.output, editable: true, on_reject: {goto: sort, max_loops: 1}}
  - {id: end, type: transform, set: {result: steps.ask.output.output}}
"""
ITEMS = """\
name: Items
input: {schema: {items: {type: array}}}
steps:
  - id: all
    type: parallel
    for_each: input.items
    steps:
      - {id: say, prompt: "{{#each item}}{{this}}{{this}}{{/each}}"}
      - id: both
        type: parallel
        steps:
          - {id: none, type: transform, template: x}
          - {id: more, prompt: "{{steps.say.output}}"}
      - {id: end, type: transform, set: {say: steps.say.output, more: steps.more.output}}
"""
GIVEN = "given: {sort: {output: {score: 1}}, tell: {output: {status: 200, headers: {}, body: null}}, ask: {decision: approve}}"
EXAMPLES = sorted(Path("examples").absolute().glob("*.test.yaml"))


def write_tests(folder: Path, *tests: str) -> Path:
    write(folder, PIPELINE)
    lines = ["tests:", *(f"  - {{input: {{question: x}}, {test}}}" for test in tests)]
    path = folder / "pipeline.test.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


async def outcomes(command: Command, folder: Path, *tests: str) -> list[list[str]]:
    """What is wrong with each test."""
    write_tests(folder, *(f"name: t{n}, {test}" for n, test in enumerate(tests)))
    said = await command("test", "pipeline.yaml", "--json")
    answer = json.loads(said.out)
    assert said.code == (1 if answer["failed"] else 0)
    return [test["problems"] for test in answer["tests"]]


@pytest.mark.slow
class TestRunning:
    async def test_the_examples_hold(self, command: Command):
        said = await command("test", *map(str, EXAMPLES))

        assert said.code == 0, said
        assert said.out.endswith("tests, all passed\n")
        assert said.out.count("  ok   ") >= 15

    async def test_the_guides_example_prints_what_it_says(self, command: Command, folder: Path):
        text = read("docs/testing.md")
        pipeline, tests, *_ = blocks(text, "yaml")
        (folder / "reply.yaml").write_text(pipeline)
        (folder / "reply.test.yaml").write_text(tests)

        said = await command("test", "reply.yaml")

        times = re.compile(r"\([\d.]+ m?s\)")
        (printed,) = (block for block in blocks(text, "") if "passed" in block)
        assert times.sub("", said.out) == times.sub("", printed)

    async def test_what_reaches_outside_is_given_and_all_else_is_done(
        self, command: Command, folder: Path
    ):
        found = await outcomes(
            command,
            folder,
            f"{GIVEN}, expect: {{output: {{result: 2}}, check: ['steps.sort.prompt == \"Sort x with [secret:KEY]\"']}}",
            "given: {sort: {output: {score: 1}}, tell: {error: http_error}, ask: {decision: approve, output: 9}},"
            " expect: {output: {result: 9}, steps: {tell: failed, pause: completed}}",
            "given: {sort: {outputs: [{score: 1}, {score: 5}]}, tell: {error: http_error}, count: {outputs: [3, 4]},"
            " ask: {decision: reject}}, expect: {error: loop_limit}",
            "given: {sort: {output: {score: 1}}, tell: {error: http_error}, ask: {decision: timeout}},"
            " expect: {error: review_timeout, steps: {end: not_run}}",
        )

        assert found == [[], [], [], []]

    async def test_outputs_go_to_the_items_in_their_order(self, command: Command, folder: Path):
        write(folder, ITEMS)
        (folder / "pipeline.test.yaml").write_text(
            "tests:\n  - name: t\n"
            f"    input: {{items: [[{', '.join(['word'] * 600)}], [b], [c]]}}\n"
            "    given: {say: {outputs: [A, B, C]}, more: {outputs: ['1', '2']}}\n"
            "    expect: {output: [{say: A, more: '1'}, {say: B, more: '2'}, {say: C, more: '2'}]}"
        )

        said = await command("test", "pipeline.yaml")

        assert said.code == 0, said

    async def test_a_review_that_nobody_answers_has_no_reviewer(
        self, command: Command, folder: Path
    ):
        write(
            folder,
            "name: R\nsteps: [{id: r, type: human_review, message: m, input: '1', on_timeout: approve}]",
        )
        (folder / "pipeline.test.yaml").write_text(
            "tests: [{name: t, given: {r: {decision: timeout}},"
            " expect: {check: [run.output.reviewer == null, run.output.decision == 'approve']}}]"
        )

        said = await command("test", "pipeline.yaml")

        assert said.code == 0, said

    async def test_what_differs_is_told(self, command: Command, folder: Path):
        found = await outcomes(
            command,
            folder,
            f"{GIVEN}, expect: {{output: {{result: 3, more: 1}}, steps: {{end: skipped}}, check: [run.output.result > 7]}}",
            f"{GIVEN}, expect: {{error: http_error}}",
            "given: {sort: {error: provider_error}}",
            f"{GIVEN}, expect: {{output: [1]}}",
            "given: {sort: {output: {score: 1}}, ask: {decision: approve}}",
            f"{GIVEN}, expect: {{check: [run.output.nothing > 7]}}",
        )

        assert found[0] == [
            "output.result: expected 3, got 2",
            "output.more: expected 1, but it is missing",
            "steps.end: expected skipped, got completed",
            "check `run.output.result > 7` is false: run.output.result = 2",
        ]
        assert found[1] == ["expected the run to fail with http_error, but it completed"]
        assert found[2] == [
            "expected the run to complete, but it failed with provider_error. Step `sort`: The test makes this step fail."
        ]
        assert found[3] == ['output: expected [1], got {"result":2}']
        assert found[4] == ["step `tell` would send a request: add its result under `given.tell`"]
        assert "run.output.nothing" in found[5][0]

    async def test_people_read_a_line_for_each(self, command: Command, folder: Path):
        write_tests(folder, f"name: good, {GIVEN}", f"name: bad, {GIVEN}, expect: {{output: 1}}")

        said = await command("test", "pipeline.test.yaml")

        lines = said.out.splitlines()
        assert said.code == 1
        assert lines[0] == "pipeline.test.yaml"
        assert lines[1].startswith("  ok   good  (")
        assert lines[2].startswith("  FAIL bad  (")
        assert lines[3:] == ['         output: expected 1, got {"result":2}', "2 tests, 1 failed"]

    async def test_only_those_that_are_asked_for_run(self, command: Command, folder: Path):
        write_tests(folder, f"name: good, {GIVEN}", f"name: bad, {GIVEN}, expect: {{output: 1}}")

        said = await command("test", "pipeline.yaml", "--only", "goo")

        assert (said.code, said.out.splitlines()[-1]) == (0, "1 test, all passed")

    async def test_a_folder_stands_for_its_files_of_tests(self, command: Command, folder: Path):
        write_tests(folder, f"name: good, {GIVEN}")
        write(folder, PIPELINE, "untested.yaml")

        said = await command("test", ".")

        assert (said.code, said.out.splitlines()[0]) == (0, "pipeline.test.yaml")
        assert said.out.splitlines()[-1] == "1 test, all passed"


def report(path: Path) -> ElementTree.Element:
    return ElementTree.parse(path).getroot()  # noqa: S314 — a file of ours


@pytest.mark.slow
class TestJunit:
    async def test_it_has_a_case_for_each_test(self, command: Command, folder: Path):
        write_tests(
            folder,
            f"name: good, {GIVEN}",
            f'name: "bad <&> \\u0007", {GIVEN}, expect: {{output: 1, steps: {{end: skipped}}}}',
        )

        said = await command("test", "pipeline.yaml", "--junit", "reports/tests.xml")

        root = report(folder / "reports" / "tests.xml")
        (suite,) = root
        good, bad = suite
        assert said.code == 1
        assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "2", "1", "0")  # fmt: skip
        assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("pipeline.test.yaml", "2", "1")  # fmt: skip
        assert (good.get("name"), len(good)) == ("good", 0)
        assert bad.get("name") == "bad <&> \N{REPLACEMENT CHARACTER}"
        (failure,) = bad
        assert failure.get("message") == 'output: expected 1, got {"result":2}'
        assert failure.text is not None
        assert failure.text.splitlines()[1] == "steps.end: expected skipped, got completed"
        assert float(str(bad.get("time"))) > 0

    async def test_it_says_which_file_has_errors(self, command: Command, folder: Path):
        write_tests(folder, "name: x, expects: {}")

        said = await command("test", "pipeline.yaml", "--junit", "tests.xml")

        root = report(folder / "tests.xml")
        ((case,),) = root
        assert said.code == 1
        assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("1", "0", "1")
        assert case[0].tag == "error"
        assert "Did you mean `expect`?" in str(case[0].text)

    def test_a_file_that_cannot_be_written_is_a_usage_error(self, cli: Cli, folder: Path):
        write_tests(folder, "name: x, expects: {}")

        said = cli("test", "pipeline.yaml", "--junit", ".")

        assert said.code == 2
        assert ". cannot be written:" in said.err


class TestReading:
    @pytest.mark.parametrize(
        ("test", "line"),
        [
            ("name: ''", "tests[0].name: Must not be empty."),
            ("nam: x", "tests[0].name: `name` is required."),
            ("name: x, expects: {}", "tests[0].expects: Unknown field `expects`. Did you mean `expect`?"),
            ("name: x, inputs: {}", "tests[0].inputs: Unknown field `inputs`. Did you mean `input`?"),
            ("name: x, expect: {statuses: {}}", "tests[0].expect.statuses: Unknown field `statuses`. "),
            ("name: x, given: {sort: {outputt: 1}}", "tests[0].given.sort.outputt: Unknown field `outputt`. Did you mean `output`?"),
            ("name: x, given: {srot: {output: 1}}", "tests[0].given.srot: The pipeline has no step `srot`. Did you mean `sort`?"),
            ("name: x, given: {pause: {output: 1}}", "Step `pause` is of type wait, which has no external effect and is executed in tests."),
            ("name: x, given: {sort: {}}", "Set exactly one of `output`, `outputs` and `error` for step `sort`."),
            ("name: x, given: {tell: {output: 1, error: http_error}}", "Set exactly one of"),
            ("name: x, given: {tell: {error: nonsense}}", "tests[0].given.tell.error: Must be `"),
            ("name: x, given: {sort: {output: {score: high}}}", "Step `sort` cannot have this output. `score` must be an integer; it is a string."),
            ("name: x, given: {ask: {output: 1}}", "Set `decision` for a review: `approve`, `reject`, or `timeout`"),
            ("name: x, given: {tell: {error: null}}", "Set exactly one of"),
            ("name: x, given: {tell: {output: hello}}", "Step `tell` cannot have this output. The value must be an object; it is a string."),
            ("name: x, given: {ask: {decision: timeout, comment: no}}", "A review that times out has neither `comment` nor `output`."),
            ("name: x, expect: {error: http_statuss}", "Did you mean `http_status`?"),
            ("name: x, expect: {check: [output == 1]}", "`output` is unknown. Use `input`, `steps` or `run`"),
            ("name: x, given: [1]", "tests[0].given: Must be an object, such as {"),
            ("name: x, expect: {output: 1, error: http_error}", "A failed run has no output."),
            ("name: x, expect: {steps: {ent: completed}}", "Did you mean `end`?"),
            ("name: x, expect: {steps: {end: done}}", "tests[0].expect.steps.end: Must be `completed`, `failed`, `skipped` or `not_run`.\n"),
            ("name: x, given: {ask: {decision: yes}}", "tests[0].given.ask.decision: Must be `approve`, `reject` or `timeout`.\n"),
            ("name: x, expect: {check: ['1 +']}", "tests[0].expect.check[0]: "),
            ("name: x, expect: {check: ['vars.a == 1']}", "Checks have no name `vars`. Use `input`, `steps` or `run`"),
            ("name: x, expect: {check: ['steps.ent.output']}", "Did you mean `end`?"),
            ("name: x, expect: {check: ['steps.end.outpt.a']}", "Steps have no `outpt`. Did you mean `output`?"),
            ("name: x, expect: {check: ['run.steps']}", "Runs have no `steps`. Use one of `error`, `output`, `status`."),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told_with_its_place(
        self, cli: Cli, folder: Path, test: str, line: str
    ):
        write_tests(folder, test)

        said = cli("test", "pipeline.yaml")

        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("error    pipeline.test.yaml:2:")
        assert line in said.err

    def test_a_text_step_gives_a_text_and_a_review_that_is_not_editable_is_not_edited(
        self, cli: Cli, folder: Path
    ):
        write(
            folder,
            "name: T\nsteps: [{id: a, prompt: x}, {id: j, prompt: x, output_format: json}, {id: r, type: human_review, message: m}]",
        )
        (folder / "pipeline.test.yaml").write_text(
            "tests: [{name: x, given: {a: {output: 1}, j: {output: '{}'}, r: {decision: approve, output: 1}}}]"
        )

        said = cli("test", "pipeline.yaml")

        assert (
            "Step `a` cannot have this output. The value must be a string; it is a number."
            in said.err
        )
        assert (
            "Step `j` cannot have this output. The value is a string that contains JSON."
            in said.err
        )
        assert "This review is not `editable`, so nobody can change the data." in said.err

    def test_an_invalid_pipeline_is_told_like_by_validate(self, cli: Cli, folder: Path):
        write_tests(folder, "name: x")
        write(folder, "name: T\nsteps: [{id: a, type: transform}]")

        said = cli("test", "pipeline.yaml", "--json")

        assert said.code == 1
        assert list(json.loads(said.out)["errors"]) == ["pipeline.yaml"]

    def test_a_file_that_is_no_yaml_is_told(self, cli: Cli, folder: Path):
        write(folder, PIPELINE)
        (folder / "pipeline.test.yaml").write_text("tests: [")

        assert cli("test", "pipeline.yaml").err.startswith("error    pipeline.test.yaml:1:8:")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["missing.yaml"], "File missing.yaml does not exist."),
            (["empty"], "The folder empty contains no files of tests"),
            (
                ["other.yaml"],
                "other.yaml has no tests: other.test.yaml is missing. `stepiq docs testing` describes its content.",
            ),
            (["lost.test.yaml"], "lost.test.yaml has no pipeline:"),
            (["pipeline.yaml", "--only", "zzz"], "No test has the text `zzz` in its name."),
        ],
    )
    def test_what_is_not_there_is_named(
        self, cli: Cli, folder: Path, arguments: list[str], told: str
    ):
        write_tests(folder, "name: x")
        (folder / "empty").mkdir()
        for name in ("other.yaml", "lost.test.yaml"):
            (folder / name).write_text(PIPELINE)

        said = cli("test", *arguments)

        assert said.code == 2
        assert told in said.err
