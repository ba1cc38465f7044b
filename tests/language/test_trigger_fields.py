import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.language.loading import compile_document, load_document
from stepiq.language.targets import VerifyScheme, VerifySpec

SMALL = {"name": "Small", "steps": [{"id": "a", "prompt": "Hello"}]}


def errors(**fields) -> list[tuple[str, str]]:
    return [(issue.path, issue.code) for issue in load_document({**SMALL, **fields}).errors]


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
        for field in ("webhook",):
            loaded = load_document({**SMALL, field: data})

            assert (loaded.definition is None) == bool(loaded.errors)
