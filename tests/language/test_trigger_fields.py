import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core.errors import Issue
from stepiq.language.definitions.loading import compile_document, load_document
from stepiq.language.definitions.targets import ScheduleSpec, VerifyScheme, VerifySpec

SMALL = {"name": "Small", "steps": [{"id": "a", "prompt": "Hello"}]}


def errors(**fields) -> list[tuple[str, str]]:
    return [(issue.path, issue.code) for issue in load_document({**SMALL, **fields}).errors]


def only(**fields) -> Issue:
    (issue,) = load_document({**SMALL, **fields}).errors
    return issue


class TestSchedule:
    @pytest.mark.parametrize(
        ("written", "spec"),
        [
            (None, None),
            ({"enabled": False}, None),
            ({"cron": "0 9 * * 1-5"}, ScheduleSpec(True, "0 9 * * 1-5", "UTC")),
            (
                {"enabled": False, "cron": "*/5 * * * *", "timezone": "Europe/Berlin"},
                ScheduleSpec(False, "*/5 * * * *", "Europe/Berlin"),
            ),
            ({"enabled": None, "cron": "0 9 * * *"}, ScheduleSpec(True, "0 9 * * *", "UTC")),
            ({"cron_expression": "0 9 * * *"}, ScheduleSpec(True, "0 9 * * *", "UTC")),
        ],
    )
    def test_it_is_compiled(self, written, spec):
        assert compile_document({**SMALL, "schedule": written}).schedule == spec

    @pytest.mark.parametrize(
        ("written", "path", "code"),
        [
            ({}, ".cron", "required"),
            ({"enabled": True}, ".cron", "required"),
            ({"enabled": "yes", "cron": "0 9 * * *"}, ".enabled", "wrong_type"),
            ({"cron": 5}, ".cron", "wrong_type"),
            ({"cron": "* " * 200}, ".cron", "too_long"),
            ({"cron": ""}, ".cron", "cron_invalid"),
            ({"cron_expression": "@daily"}, ".cron_expression", "cron_invalid"),
            (
                {"cron": "0 9 * * *", "cron_expression": "0 9 * * *"},
                ".cron_expression",
                "conflict",
            ),
            ({"cron": "0 9 * *"}, ".cron", "cron_invalid"),
            ({"cron": "0 9 * * *", "timezone": "EST"}, ".timezone", "timezone_unknown"),
            ({"cron": "0 0 9 * * *"}, ".cron", "cron_invalid"),
            ({"cron": "@daily"}, ".cron", "cron_invalid"),
            ({"cron": "61 9 * * *"}, ".cron", "cron_invalid"),
            ({"cron": "0 0 30 2 *"}, ".cron", "cron_invalid"),
            ({"cron": "0 9 * * *", "timezone": "Mars/Base"}, ".timezone", "timezone_unknown"),
            ({"cron": "0 9 * * *", "timezone": 3}, ".timezone", "wrong_type"),
            ({"cron": "0 9 * * *", "timezone": "x" * 65}, ".timezone", "too_long"),
            ({"cron": "0 9 * * *", "when": 1}, ".when", "unknown_field"),
            ("0 9 * * *", "", "wrong_type"),
        ],
    )
    def test_a_wrong_value_is_refused_at_its_path(self, written, path, code):
        assert errors(schedule=written) == [(f"schedule{path}", code)]

    @pytest.mark.parametrize(
        ("written", "codes"),
        [
            ({"cron": "61 * * * *", "timezone": "CEST"}, ["cron_invalid", "timezone_unknown"]),
            ({"cron": "61 * * * *", "timezone": 3}, ["cron_invalid", "wrong_type"]),
            ({"cron": 5, "timezone": "CEST"}, ["wrong_type", "timezone_unknown"]),
            ({"timezone": "CEST"}, ["required", "timezone_unknown"]),
        ],
    )
    def test_a_wrong_expression_and_a_wrong_zone_are_refused_together(self, written, codes):
        found = errors(schedule=written)

        assert sorted(found) == [
            ("schedule.cron", codes[0]),
            ("schedule.timezone", codes[1]),
        ]

    def test_an_unknown_field_gets_the_nearest_known_one(self):
        assert (
            "Did you mean `timezone`?" in only(schedule={"cron": "0 9 * * *", "timezon": 1}).message
        )


class TestWebhook:
    @pytest.mark.parametrize(
        ("written", "spec"),
        [
            (None, None),
            ({}, None),
            ({"verify": None}, None),
            (
                {"verify": {"scheme": "github", "secret_name": "KEY"}},
                VerifySpec(VerifyScheme.GITHUB, "KEY", "X-Signature"),
            ),
            (
                {"verify": {"scheme": "hmac-sha256", "secret_name": "KEY", "header": "X-Hub"}},
                VerifySpec(VerifyScheme.HMAC_SHA256, "KEY", "X-Hub"),
            ),
        ],
    )
    def test_it_is_compiled(self, written, spec):
        definition = compile_document({**SMALL, "webhook": written})

        assert definition.webhook_verify == spec
        assert definition.signing_secret_names == ({"KEY"} if spec else set())

    @pytest.mark.parametrize("scheme", list(VerifyScheme))
    def test_every_scheme_is_taken(self, scheme):
        assert errors(webhook={"verify": {"scheme": str(scheme), "secret_name": "KEY"}}) == []

    @pytest.mark.parametrize(
        ("verify", "path", "code"),
        [
            ({"secret_name": "KEY"}, ".scheme", "required"),
            ({"scheme": "github"}, ".secret_name", "required"),
            ({"scheme": "gitlab", "secret_name": "KEY"}, ".scheme", "not_allowed"),
            ({"scheme": "github", "secret_name": "a-b"}, ".secret_name", "invalid_format"),
            ({"scheme": "github", "secret_name": "KEY", "header": "X-A"}, ".header", "conflict"),
            (
                {"scheme": "hmac-sha256", "secret_name": "KEY", "header": "X A"},
                ".header",
                "invalid_format",
            ),
            ({"scheme": "github", "secret_name": "KEY", "secret": "s"}, ".secret", "unknown_field"),
            ("github", "", "wrong_type"),
        ],
    )
    def test_a_wrong_value_is_refused_at_its_path(self, verify, path, code):
        assert errors(webhook={"verify": verify}) == [(f"webhook.verify{path}", code)]

    def test_nothing_else_stands_in_webhook(self):
        assert errors(webhook={"verfy": {}}) == [("webhook.verfy", "unknown_field")]
        assert errors(webhook=[]) == [("webhook", "wrong_type")]


WORDS = st.sampled_from(
    ["enabled", "cron", "timezone", "0 9 * * *", "UTC", "verify", "scheme", "github", "secret_name",
     "KEY", "header", "hmac-sha256"]
)  # fmt: skip
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=10,
)


class TestAnything:
    @given(DATA)
    def test_any_data_loads_or_has_errors(self, data):
        for field in ("schedule", "webhook"):
            loaded = load_document({**SMALL, field: data})

            assert (loaded.definition is None) == bool(loaded.errors)
