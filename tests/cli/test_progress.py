import io
from typing import Any

import pytest

from stepiq.cli.output.progress import (
    Labels,
    LiveProgress,
    PlainProgress,
    ProgressLine,
    duration,
    make_progress,
    money,
    tokens,
)
from stepiq.cli.output.terminal import Terminal
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.loading import load
from stepiq.language.documents.source import SourceFormat

STARTED = {"step_id": "ask", "status": "running", "attempt": 1, "model": "openai/gpt-4o"}
ENDED = {
    "step_id": "ask",
    "status": "completed",
    "model": "openai/gpt-4o",
    "input_tokens": 1204,
    "output_tokens": 3,
    "cost_usd_micros": 50,
    "duration_ms": 1234,
}
FAILED = {
    "step_id": "ask",
    "status": "failed",
    "duration_ms": 5,
    "error": {"code": "provider_error", "message": "It is away."},
}
LOGGED = {"step_id": "ask", "level": "warning", "message": "Attempt 1 failed."}


def in_branch(data: dict[str, Any], branch: str) -> dict[str, Any]:
    return {"step_id": "ask", **data, "branch": branch}


def definition() -> Definition:
    text = (
        "{name: T, steps: [{id: ask, prompt: x}, {id: each, type: parallel, for_each: '[1]',"
        " on_branch_error: continue, step: {id: inner, prompt: x}}]}"
    )
    found = load(text, SourceFormat.YAML).definition
    assert found is not None
    return found


def show(progress: ProgressLine, *events: tuple[str, dict[str, Any]]) -> None:
    for kind, data in events:
        progress.event(kind, data)
    progress.close()


class TestPlainProgress:
    def test_a_step_has_a_line_at_its_start_its_text_and_a_line_at_its_end(self, capsys):
        show(
            PlainProgress(),
            ("run.status", {"status": "running"}),
            ("step.status", STARTED),
            ("step.delta", {"step_id": "ask", "text": "one "}),
            ("step.delta", {"step_id": "ask", "text": "two"}),
            ("step.status", ENDED),
        )

        assert capsys.readouterr().err == (
            "> ask calls openai/gpt-4o\none two\n✓ ask  1,204 tokens in, 3 out · $0.000050 · 1.2 s\n"
        )

    @pytest.mark.parametrize("branch", ["", "0"])
    def test_the_text_of_another_call_begins_on_a_new_line(self, capsys, branch: str):
        of_step = {"step_id": "ask", "branch": branch}
        show(
            PlainProgress(),
            ("step.delta", {**of_step, "text": "cut o"}),
            ("step.delta", {**of_step, "call": 2, "text": "wh"}),
            ("step.delta", {**of_step, "call": 2, "text": "ole"}),
        )

        assert [line.rpartition("| ")[2] for line in capsys.readouterr().err.splitlines()] == [
            "cut o",
            "whole",
        ]

    def test_further_attempts_and_their_reasons_are_told(self, capsys):
        show(
            PlainProgress(),
            ("step.log", LOGGED),
            ("step.status", {**STARTED, "attempt": 2}),
            ("step.delta", {"step_id": "ask", "text": "cut o"}),
        )

        assert capsys.readouterr().err == (
            "  warning: ask: Attempt 1 failed.\n> ask calls openai/gpt-4o (attempt 2)\ncut o\n"
        )

    def test_models_of_branches_have_whole_lines_of_their_own(self, capsys):
        show(
            PlainProgress(),
            *(("step.status", in_branch(STARTED, branch)) for branch in ("0", "1")),
            ("step.delta", in_branch({"text": "one "}, "0")),
            ("step.delta", in_branch({"text": "eins\nz"}, "1")),
            ("step.delta", in_branch({"text": "two\nthree"}, "0")),
            ("step.status", in_branch(ENDED, "0")),
            ("step.delta", in_branch({"text": "wei"}, "1")),
        )

        assert capsys.readouterr().err.splitlines() == [
            "> ask [0] calls openai/gpt-4o",
            "> ask [1] calls openai/gpt-4o",
            "ask [1] | eins",
            "ask [0] | one two",
            "ask [0] | three",
            "✓ ask [0]  1,204 tokens in, 3 out · $0.000050 · 1.2 s",
            "ask [1] | zwei",
        ]

    def test_a_failure_that_the_run_survives_says_which_item_and_why(self, capsys):
        survived = in_branch({**FAILED, "step_id": "inner"}, "3")

        show(
            PlainProgress(Labels(definition())),
            ("step.status", survived),
            ("step.status", FAILED),
        )

        assert capsys.readouterr().err == (
            "✗ inner (item 3)  5 ms · provider_error\n  It is away.\n✗ ask  5 ms · provider_error\n"
        )

    def test_without_a_definition_a_failure_says_why_because_the_run_may_survive_it(self, capsys):
        show(PlainProgress(), ("step.status", in_branch(FAILED, "3")))

        assert capsys.readouterr().err == "✗ ask [3]  5 ms · provider_error\n  It is away.\n"

    def test_other_endings_are_named(self, capsys):
        show(PlainProgress(), ("step.status", {"step_id": "ask", "status": "skipped"}))

        assert capsys.readouterr().err == "- ask  skipped\n"

    def test_a_step_that_passed_over_failures_says_how_many(self, capsys):
        each = {"step_id": "each", "status": "completed", "duration_ms": 7}
        show(
            PlainProgress(),
            ("step.status", in_branch(FAILED, "0")),
            ("step.status", in_branch(ENDED, "1")),
            ("step.status", in_branch(FAILED, "2")),
            ("step.status", each),
            ("step.status", {**each, "step_id": "after"}),
        )
        written = capsys.readouterr().err.splitlines()
        assert "! each  2 failed · 7 ms" in written
        assert "✓ after  7 ms" in written


class TestLiveProgress:
    def test_what_is_done_stays(self):
        console = Terminal(file=io.StringIO(), force_terminal=True, width=80, color_system=None)

        show(
            LiveProgress(console),
            ("run.status", {"status": "running"}),
            ("step.delta", {"step_id": "ask", "text": "before it began "}),
            ("step.status", STARTED),
            ("step.delta", {"step_id": "ask", "text": "one\ntwo"}),
            ("step.log", LOGGED),
            ("step.status", ENDED),
            ("step.status", FAILED),
        )

        assert isinstance(console.file, io.StringIO)
        shown = console.file.getvalue()
        assert "ask calls openai/gpt-4o" in shown
        assert "✓ ask  1,204 tokens in, 3 out" in shown
        assert "warning: ask: Attempt 1 failed." in shown
        assert "one\ntwo" in shown.replace("\r", "")
        assert "✗ ask  5 ms · provider_error" in shown

    def test_a_failure_that_the_run_survives_says_which_item_and_why(self):
        file = io.StringIO()
        console = Terminal(file=file, force_terminal=True, width=80, color_system=None)
        survived = in_branch({**FAILED, "step_id": "inner"}, "3")

        show(
            LiveProgress(console, Labels(definition())),
            ("step.status", survived),
            ("step.status", FAILED),
        )

        assert file.getvalue() == (
            "✗ inner (item 3)  5 ms · provider_error\n  It is away.\n✗ ask  5 ms · provider_error\n"
        )

    def test_the_text_of_another_call_replaces_that_of_the_one_before(self):
        file = io.StringIO()
        console = Terminal(file=file, force_terminal=True, width=80, color_system=None)
        of_second = {"step_id": "ask", "call": 2}

        show(
            LiveProgress(console),
            ("step.status", STARTED),
            ("step.delta", {"step_id": "ask", "text": "cut o"}),
            ("step.delta", {**of_second, "text": "wh"}),
            ("step.delta", {**of_second, "text": "ole"}),
            ("step.status", ENDED),
        )

        assert file.getvalue().replace("\r", "").rstrip().endswith("1.2 s\nwhole")

    def test_all_branches_at_work_are_shown_each_with_its_own_text(self):
        console = Terminal(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
        progress = LiveProgress(console)
        for number in range(10):
            progress.event("step.status", in_branch(STARTED, str(number)))
        progress.event("step.delta", in_branch({"text": "one"}, "0"))
        progress.event("step.delta", in_branch({"text": "eins"}, "1"))
        progress.event("step.delta", in_branch({"text": " two"}, "0"))

        assert isinstance(console.file, io.StringIO)
        assert progress._live is not None
        progress._live.refresh()
        picture = console.file.getvalue()
        progress.event("step.status", in_branch(ENDED, "0"))
        left = console.file.getvalue().removeprefix(picture)
        progress.close()
        assert "one two" in picture
        assert "eins" in picture
        assert "… and 2 more" in picture
        assert "✓ ask [0]  1,204 tokens in" in left
        assert "ask [1] calls openai/gpt-4o" in left

    def test_it_may_be_closed_in_the_middle(self):
        console = Terminal(file=io.StringIO(), force_terminal=True, width=80)
        progress = LiveProgress(console)

        show(progress, ("step.status", STARTED))
        progress.close()

        assert not console._live_stack


class TestMakeProgress:
    def test_pipes_get_plain_lines(self):
        assert isinstance(make_progress(), PlainProgress)

    def test_terminals_get_a_live_picture(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")

        assert isinstance(make_progress(), LiveProgress)


class TestFormats:
    def test_tokens(self):
        assert [tokens(n) for n in (0, 1, 1204)] == ["0 tokens", "1 token", "1,204 tokens"]

    def test_money(self):
        assert [money(m) for m in (None, 0, 50, 1_250_000)] == [
            "cost unknown",
            "$0",
            "$0.000050",
            "$1.250000",
        ]
        assert money(50, is_complete=False) == "$0.000050 plus calls of unknown price"

    def test_duration(self):
        assert [duration(m) for m in (0.4, 999, 1234, 185_000)] == [
            "0 ms",
            "999 ms",
            "1.2 s",
            "3 min 5 s",
        ]
