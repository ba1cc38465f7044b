from typing import Any

from stepiq.cli.output.progress import failure, show_result, summary

RUN: dict[str, Any] = {
    "status": "completed",
    "output": "done",
    "error": None,
    "input_tokens": 212,
    "output_tokens": 31,
    "total_tokens": 243,
    "cost_usd_micros": 50,
    "cost_complete": True,
    "failed_steps": 0,
    "started_at": "2026-01-01T00:00:00.000Z",
    "completed_at": "2026-01-01T00:00:01.300Z",
    "steps": [{"model": None}, {"model": "openai/gpt-4o"}, {"model": "openai/gpt-4o"}],
}


class TestShowResult:
    def test_the_output_alone_goes_to_standard_output(self, capsys):
        assert show_result(RUN)

        out, err = capsys.readouterr()
        assert out == "done\n"
        assert err == "completed · 243 tokens (212 in, 31 out) · $0.000050 · 1.3 s\n"

    def test_failures_that_the_run_passed_over_are_counted(self, capsys):
        assert show_result({**RUN, "failed_steps": 4})

        assert capsys.readouterr().err.startswith("completed · 4 failed · 243 tokens")

    def test_data_is_shown_as_json(self, capsys):
        show_result({**RUN, "output": {"a": "ü"}})

        assert capsys.readouterr().out == '{\n  "a": "ü"\n}\n'

    def test_a_failed_run_has_no_output(self, capsys):
        error = {
            "code": "provider_auth",
            "message": "Step `ask`: The key is refused.",
            "step_id": "ask",
        }

        assert not show_result({**RUN, "status": "failed", "output": None, "error": error})

        out, err = capsys.readouterr()
        assert out == ""
        assert (
            err
            == "Error: The run failed (provider_auth). Step `ask`: The key is refused.\nfailed · 243 tokens (212 in, 31 out) · $0.000050 · 1.3 s\n"
        )


class TestFailure:
    def test_a_run_that_was_cancelled_has_no_error(self):
        assert (
            failure({**RUN, "status": "cancelled"}) == "The run ended with the status `cancelled`."
        )

    def test_a_run_may_fail_as_a_whole(self):
        error = {"code": "run_timeout", "message": "Too long.", "step_id": None}

        assert failure({**RUN, "error": error}) == "The run failed (run_timeout). Too long."


class TestSummary:
    def test_a_run_that_never_began_took_no_time(self):
        run = {**RUN, "status": "cancelled", "total_tokens": 0, "started_at": None}

        assert summary(run) == "cancelled"
