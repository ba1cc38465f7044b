"""Text from outside does not control the terminal."""

import io
import json
import sys
from pathlib import Path

import pytest

from stepiq.cli.output.console import (
    complain,
    print_json,
    print_output,
    print_text,
    report_fault,
    say,
)
from stepiq.cli.output.progress import LiveProgress, PlainProgress, ProgressLine
from stepiq.cli.output.terminal import Terminal
from tests.cli.conftest import Cli
from tests.support.hostile import FORGED, HOSTILE, controls_in, forged_lines

_NAME = HOSTILE.replace("/", "")
_TEXT = json.dumps(f"x{HOSTILE}y")
"""A string in YAML and JSON. YAML does not allow the characters themselves."""

_GREETING = f"""\
name: {_TEXT}
input: {{schema: {{who: {{type: string, enum: [{_TEXT}]}}}}}}
steps: [{{id: greet, type: transform, template: hello}}]
"""
_INVALID = f"""\
name: T
{_TEXT}: 1
steps:
  - {{id: {_TEXT}, type: {_TEXT}}}
  - {{id: ask, prompt: {_TEXT}, model: {_TEXT}, output_schema: {{type: {_TEXT}}}}}
  - {{id: code, type: transform, template: "{{{{#{_TEXT[1:-1]}}}}}"}}
"""
_TESTS = f"tests: [{{name: {_TEXT}, expect: {{output: {_TEXT}}}}}]"
_COMMANDS = [
    ["validate", "invalid.yaml", "greeting.yaml"],
    ["validate", "invalid.yaml", "--json"],
    ["validate", "raw.yaml"],
    ["validate", _NAME],
    ["validate", f"{_NAME}.yaml"],
    ["run", "invalid.yaml"],
    ["run", "invalid.yaml", "--json"],
    ["run", "greeting.yaml", "-i", f"who={HOSTILE}"],
    ["run", "greeting.yaml", "-i", f"{HOSTILE}=1"],
    ["run", "greeting.yaml", "-i", HOSTILE],
    ["run", "greeting.yaml", "-i", f"who:={HOSTILE}"],
    ["run", "greeting.yaml", "--input-file", "raw.yaml"],
    ["run", "greeting.yaml", "--input-file", _NAME],
    ["run", "greeting.yaml", "--model", HOSTILE],
    ["run", "greeting.yaml", "--secret", HOSTILE],
    ["run", "greeting.yaml", "--review", HOSTILE],
    ["run", "greeting.yaml"],
    ["run", "greeting.yaml", "--json"],
    ["test", "greeting.yaml"],
    ["test", "greeting.yaml", "--json"],
    ["test", "greeting.yaml", "--only", HOSTILE],
    ["test", "invalid.yaml"],
    ["test", _NAME],
    ["init", _NAME],
    ["init", f"{_NAME}.yaml"],
    ["backup", f"{_NAME}/file"],
    ["restore", _NAME],
    ["restore", "raw.yaml"],
    ["models"],
    ["models", "--all"],
    ["models", "--json"],
    ["doctor"],
    ["doctor", "--json"],
    ["migrate"],
    ["users", "create", HOSTILE],
    ["users", "create", "a@example.com", "--name", HOSTILE, "--plan", HOSTILE],
    ["users", "set-plan", "a@example.com", HOSTILE],
    ["users", "disable", HOSTILE],
    ["users", "invite", HOSTILE],
    ["users", HOSTILE],
    ["serve", "--port", HOSTILE],
    ["dev", "fake-provider", HOSTILE],
    [HOSTILE],
    [f"--{HOSTILE}"],
    ["models", f"--{HOSTILE}"],
]


@pytest.fixture
def hostile(folder: Path) -> Path:
    """A folder with hostile files."""
    (folder / "greeting.yaml").write_text(_GREETING)
    (folder / "greeting.test.yaml").write_text(_TESTS)
    (folder / "invalid.yaml").write_text(_INVALID)
    (folder / "raw.yaml").write_text(f"name: {HOSTILE}")
    (folder / f"{_NAME}.yaml").write_text(_GREETING)
    (folder / "stepiq.toml").write_text(
        f'[endpoints.lab]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = [{_TEXT}]\n'
    )
    return folder


@pytest.mark.usefixtures("hostile")
class TestCommands:
    @pytest.mark.slow
    @pytest.mark.parametrize("arguments", _COMMANDS, ids=lambda each: ascii(" ".join(each))[:60])
    def test_no_control_character_is_printed(self, cli: Cli, arguments: list[str]):
        said = cli(*arguments)

        assert said.code != 70
        assert said.out + said.err
        assert not controls_in(said.out + said.err)


@pytest.fixture
def forging(folder: Path) -> Path:
    """A folder with files whose names and texts would add lines."""
    text = json.dumps(FORGED)
    field = f"input: {{schema: {{who: {{type: string, enum: [{text}]}}}}}}"
    step = "steps: [{id: greet, type: transform, template: hello}]"
    (folder / "greeting.yaml").write_text(f"name: {text}\n{field}\n{step}\n")
    (folder / "greeting.test.yaml").write_text(
        f"tests: [{{name: {text}, expect: {{output: {text}}}}}]"
    )
    (folder / "invalid.yaml").write_text(
        f"name: T\n{text}: 1\nsteps: [{{id: {text}, type: {text}}}, {{id: a, prompt: a, model: {text}}}]\n"
    )
    (folder / "missing.yaml").write_text(
        "name: T\nsteps: [{id: a, prompt: a, model: openai/gpt-5-mini}]\n"
    )
    (folder / f"{FORGED}.yaml").write_text(f"name: T\n{step}\n")
    return folder


@pytest.mark.usefixtures("forging")
class TestForgedLines:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["validate", "greeting.yaml", "invalid.yaml"],
            ["validate", f"{FORGED}.yaml", "greeting.yaml"],
            ["validate", "invalid.yaml", "--json"],
            ["validate", FORGED],
            ["run", "invalid.yaml"],
            ["run", "greeting.yaml", "-i", f"who={FORGED}"],
            ["run", "greeting.yaml", "-i", f"{FORGED}=1"],
            ["run", "greeting.yaml", "-i", "who=other"],
            ["run", "greeting.yaml", "--model", FORGED],
            ["run", "greeting.yaml", "--secret", FORGED],
            ["run", "missing.yaml"],
            ["test", "greeting.yaml"],
            ["test", "greeting.yaml", "--only", FORGED],
            ["test", f"{FORGED}.yaml"],
            ["init", f"{FORGED}.yaml"],
            ["backup", f"{FORGED}/file"],
            ["restore", FORGED],
            ["restore", f"{FORGED}.yaml"],
            ["docs", FORGED],
            ["users", "create", FORGED],
            ["members", "list", "--workspace", FORGED],
            [FORGED],
        ],
        ids=lambda each: ascii(" ".join(each))[:60],
    )
    def test_none_is_added(self, cli: Cli, arguments: list[str]):
        said = cli(*arguments)

        assert said.code != 70
        assert said.out + said.err
        assert not forged_lines(said.out + said.err)


def _show_run(progress: ProgressLine) -> None:
    """Show a hostile run, with every text in pieces of one character."""
    step = {"step_id": HOSTILE, "model": HOSTILE, "attempt": 1}
    progress.event("step.status", {**step, "status": "running"})
    for character in HOSTILE:
        progress.event("step.delta", {**step, "text": character})
        progress.event("step.delta", {**step, "branch": "0", "text": character})
    progress.event("step.log", {**step, "level": "warning", "message": HOSTILE})
    error = {"code": "provider_error", "message": HOSTILE}
    tokens = {"input_tokens": 1, "output_tokens": 1, "cost_usd_micros": 1, "duration_ms": 1}
    progress.event("step.status", {**step, **tokens, "status": "failed", "error": error})
    progress.close()


class TestProgress:
    def test_pipes_get_no_control_character(self, capsys: pytest.CaptureFixture[str]):
        _show_run(PlainProgress())

        shown = capsys.readouterr().err
        assert r"\x1b]52;c;ZXZpbA==\x07" in shown
        assert not controls_in(shown)

    def test_terminals_get_only_those_of_the_display(self):
        stream = io.StringIO()

        _show_run(
            LiveProgress(Terminal(file=stream, force_terminal=True, width=999, color_system=None))
        )

        shown = stream.getvalue()
        assert r"\x1b]52;c;ZXZpbA==\x07" in shown
        # Rich hides and shows the cursor, moves it, and deletes lines.
        assert controls_in(shown) <= {"\x1b", "\r"}
        assert not {"\x1b]", "\x1b[2J", "\x1b[31m", "\x1b\\"} & {
            shown[place : place + size] for place in range(len(shown)) for size in (2, 4, 5)
        }

    def test_names_cannot_add_lines(self, capsys: pytest.CaptureFixture[str]):
        stream = io.StringIO()
        displays = (
            PlainProgress(),
            LiveProgress(Terminal(file=stream, force_terminal=True, width=999, color_system=None)),
        )
        step = {"step_id": FORGED, "model": FORGED, "attempt": 1, "branch": FORGED}
        error = {"code": FORGED, "message": FORGED}
        tokens = {"input_tokens": 1, "output_tokens": 1, "cost_usd_micros": 1, "duration_ms": 1}

        for display in displays:
            display.event("step.status", {**step, "status": "running"})
            display.event("step.delta", {**step, "text": "a"})
            display.event("step.log", {**step, "level": FORGED, "message": FORGED})
            display.event("step.status", {**step, **tokens, "status": FORGED, "error": error})
            display.close()

        plain = capsys.readouterr().err
        assert r"x\n✓ pay" in plain
        assert r"x\n✓ pay" in stream.getvalue()
        assert not forged_lines(plain + stream.getvalue())

    def test_a_message_cannot_add_lines(self, capsys: pytest.CaptureFixture[str]):
        forged = {"step_id": "a", "level": "warning", "message": "x\n✓ pay  completed"}

        PlainProgress().event("step.log", forged)

        assert capsys.readouterr().err == "  warning: a: x\\n✓ pay  completed\n"


class TestConsole:
    def test_an_output_is_exact_for_programs(self, capsys: pytest.CaptureFixture[str]):
        print_output(HOSTILE)

        assert capsys.readouterr().out == f"{HOSTILE}\n"

    def test_an_output_has_no_control_character_on_a_terminal(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

        print_output(f"\x1b[2J{HOSTILE}")

        shown = capsys.readouterr().out
        assert shown.startswith(r"\x1b[2J")
        assert not controls_in(shown)

    def test_json_is_equal(self, capsys: pytest.CaptureFixture[str]):
        print_json({HOSTILE: HOSTILE})

        shown = capsys.readouterr().out
        assert not controls_in(shown)
        assert json.loads(shown) == {HOSTILE: HOSTILE}

    def test_messages_have_no_control_character(self, capsys: pytest.CaptureFixture[str]):
        say(HOSTILE, color="red")
        complain(HOSTILE)

        assert not controls_in(capsys.readouterr().err)

    def test_lines_of_messages_are_not_separate(self, capsys: pytest.CaptureFixture[str]):
        say(FORGED)
        print_text(f"a\t{FORGED}", color="red")
        complain(FORGED)
        print_json(FORGED)

        out, err = capsys.readouterr()
        assert out.startswith("a\tx\\n✓ pay")
        assert not forged_lines(out + err)

    def test_details_of_a_fault_have_no_control_character(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ):
        def refuse(*_: object, **__: object) -> None:
            raise OSError

        monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)

        report_fault(ValueError(HOSTILE))

        shown = capsys.readouterr().err
        assert r"ValueError: \x1b]52;" in shown
        assert not controls_in(shown)
