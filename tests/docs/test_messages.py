"""docs/reference/messages.md lists what people can get to read."""

import re

import pytest

from stepiq.server.docs.errors import advice_by_section
from tests.docs.pages import read, section


def _codes() -> set[str]:
    page = read("docs/reference/messages.md")
    return set(re.findall(r"\| `([a-z0-9_]+)` \| `[\w.]+` \|$", page, re.MULTILINE))


class TestCodes:
    # `make docs` compares these sections of advice.toml with the classes of errors, the issues and the failures.
    @pytest.mark.parametrize("section", ["api", "operator", "failures", "issues"])
    def test_each_has_a_message(self, section):
        # The messages of two codes are in variables, and `never_present` has the messages of `no_such_field`.
        known = _codes() | {"check_failed", "unreadable_file", "never_present"}
        assert set(advice_by_section()[section]) - known == set()


class TestRows:
    @pytest.mark.parametrize(
        ("heading", "code", "module"),
        [
            ("API", "`run_not_found`", "runs.errors"),
            ("API", "`review_closed`", "runs.reviews.errors"),
            ("Definitions", "`expression_error`", "language.expressions.operators"),
            ("Runs", "`step_timeout`", "execution.interpreter.attempts"),
            ("Runs", "`review_timeout`", "steps.human_review.handler"),
            ("Commands", "", "cli.inputs"),
            ("Settings and start", "`settings_invalid`", "core.setting_errors"),
            ("Mails", "", "accounts.recovery"),
            ("Mails", "", "accounts.notices"),
            ("Mails", "", "accounts.workspaces.invitations"),
            ("API", "", "accounts.workspaces.invitations"),
            ("Mails", "", "cli.accounts"),
            ("Commands", "", "cli.accounts"),
        ],
    )
    def test_each_is_below_its_heading_with_its_code_and_module(self, heading, code, module):
        assert f"| {code} | `{module}` |\n" in section(
            read("docs/reference/messages.md"), f"## {heading}"
        )

    def test_events_of_the_log_have_their_level_and_fields(self):
        row = "| `run_ended` | info | `status`, `error` |"

        assert row in section(read("docs/reference/messages.md"), "## Log")

    def test_mails_are_below_no_other_heading(self):
        page = read("docs/reference/messages.md")
        subject = "| Your invitation to stepIQ |"

        assert page.count(subject) == 1
        assert subject in section(page, "## Mails")

    def test_what_a_command_prints_before_it_sends_a_mail_is_below_commands(self):
        assert "| Sending a test message" in section(
            read("docs/reference/messages.md"), "## Commands"
        )

    @pytest.mark.parametrize(
        "text",
        [
            "SELECT count",
            "SELECT waiting.priority",
            "CAST(",
            "COPY {}",
            "<label",
            "| {} |",
            "stepiq value of",
            "of account {user_id}",
            "clock_getres clock_gettime",
            "branch choice if switch",
            "| eq a b |",
            r"bool \| int",
            r"Json \| Template",
            "max-age=",
            "`list.stale`",
        ],
    )
    def test_queries_markup_lists_of_words_and_parts_of_keys_are_not_messages(self, text):
        assert text not in read("docs/reference/messages.md")
