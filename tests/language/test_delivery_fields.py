import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stepiq.core.errors import Issue
from stepiq.core.json import Json
from stepiq.language.definitions.delivery_fields import MAX_TARGETS
from stepiq.language.definitions.loading import compile_document, load, load_document
from stepiq.language.definitions.targets import (
    MAX_RECIPIENTS,
    ApiTarget,
    ChatService,
    EmailTarget,
    WebhookTarget,
)
from stepiq.language.documents.source import SourceFormat
from stepiq.language.fields.http import MAX_HEADERS

SMALL: dict[str, Json] = {
    "name": "Small",
    "steps": [{"id": "a", "prompt": "Hello"}, {"id": "b", "prompt": "x", "output_format": "json"}],
}
HOOK: dict[str, Json] = {
    "type": "webhook",
    "url": "https://example.com/hook",
    "signing_secret_name": "KEY",
}


def deliver(*targets) -> dict:
    return {**SMALL, "output": {"deliver": list(targets)}}


def hook(**fields) -> dict:
    return deliver({**HOOK, **fields})


def errors(document) -> list[tuple[str, str]]:
    return [(issue.path, issue.code) for issue in load_document(document).errors]


def only(document) -> Issue:
    (issue,) = load_document(document).errors
    return issue


FULL = """\
name: Report
steps:
  - id: report
    prompt: Write it.
output:
  from: report
  deliver:
    - type: webhook
      url: https://{{env.HOST}}/hooks/{{run.id}}
      method: PUT
      signing_secret_name: SIGNING
      headers:
        Authorization: Bearer {{env.TOKEN}}
        X-Status: "{{steps.report.status}}"
    - {type: email, to: [a@example.com, b@example.org], subject: "Report {{steps.report.output}}"}
    - {type: api}
notifications:
  on_success:
    - {type: email, to: a@example.com}
  on_failure:
    - {type: webhook, url: http://alerts.example/, signing_secret_name: ALERTS}
"""


class TestAccepted:
    def test_all_targets_are_compiled(self):
        definition = load(FULL, SourceFormat.YAML).definition

        assert definition is not None
        webhook, email, api = definition.deliver
        assert isinstance(webhook, WebhookTarget)
        assert webhook.url.source == "https://{{env.HOST}}/hooks/{{run.id}}"
        assert webhook.method == "PUT"
        assert webhook.signing_secret_name == "SIGNING"
        assert {name: value.source for name, value in webhook.headers.items()} == {
            "Authorization": "Bearer {{env.TOKEN}}",
            "X-Status": "{{steps.report.status}}",
        }
        assert webhook.secret_names == {"HOST", "TOKEN"}
        assert isinstance(email, EmailTarget)
        assert email.to == ("a@example.com", "b@example.org")
        assert email.subject is not None
        assert api == ApiTarget()
        assert definition.on_success == (EmailTarget(("a@example.com",), None),)
        (alert,) = definition.on_failure
        assert isinstance(alert, WebhookTarget)
        assert alert.method == "POST"
        assert alert.headers == {}

    def test_every_secret_is_known_by_name(self):
        definition = load(FULL, SourceFormat.YAML).definition

        assert definition is not None
        assert definition.secret_names == {"HOST", "TOKEN"}
        assert definition.signing_secret_names == {"SIGNING", "ALERTS"}

    def test_a_definition_tells_what_its_targets_need(self):
        webhook = compile_document(hook())
        alert = compile_document({**SMALL, "notifications": {"on_failure": [HOOK]}})
        api = compile_document(deliver({"type": "api"}))
        plain = compile_document(SMALL)

        assert [d.has_webhook_target for d in (webhook, alert, api, plain)] == [
            True,
            True,
            False,
            False,
        ]
        assert [d.answers_caller for d in (webhook, alert, api, plain)] == [
            False,
            False,
            True,
            False,
        ]
        assert plain.signing_secret_names == frozenset()

    def test_null_and_empty_count_as_absent(self):
        for fields in (
            {"output": {"deliver": None}},
            {"output": {"deliver": []}},
            {"notifications": None},
            {"notifications": {}},
            {"notifications": {"on_success": None, "on_failure": []}},
        ):
            definition = compile_document({**SMALL, **fields})
            assert (definition.deliver, definition.on_success, definition.on_failure) == (
                (),
                (),
                (),
            )
        assert errors(hook(method=None, headers=None)) == []
        assert errors(deliver({"type": "email", "to": "a@example.com", "subject": None})) == []

    @pytest.mark.parametrize(
        "url",
        [
            "http://example.com",
            "HTTPS://example.com:8443/a?b=c#d",
            "https://[2001:db8::1]/",
            "{{env.URL}}",
            "{{#if input.x}}http://a{{else}}http://b{{/if}}",
            "https{{input.rest}}",
            "https://{{input.host}}/x",
        ],
    )
    def test_an_address_may_be_a_template(self, url):
        assert errors(hook(url=url)) == []


class TestChat:
    @pytest.mark.parametrize("service", ChatService)
    @pytest.mark.parametrize("url", ["{{env.CHAT_URL}}", "https://example.com/hook"])
    def test_it_needs_only_a_url(self, service, url):
        target = {"type": str(service), "url": url}
        definition = compile_document(
            {**deliver(target), "notifications": {"on_success": [target], "on_failure": [target]}}
        )

        for found in (*definition.deliver, *definition.on_success, *definition.on_failure):
            assert isinstance(found, WebhookTarget)
            assert (found.chat, found.url.source, found.method) == (service, url, "POST")
        assert definition.has_webhook_target
        assert definition.secret_names == ({"CHAT_URL"} if "env" in url else frozenset())
        assert definition.signing_secret_names == frozenset()

    def test_the_url_is_required_with_an_example_that_is_a_secret(self):
        issue = only(deliver({"type": "slack"}))

        assert (issue.path, issue.code) == ("output.deliver[0].url", "required")
        assert 'url: "{{env.SLACK_WEBHOOK_URL}}"' in issue.message

    @pytest.mark.parametrize("field", ["signing_secret_name", "headers", "method"])
    def test_it_has_no_fields_of_a_webhook(self, field):
        issue = only(deliver({"type": "teams", "url": "https://example.com/", field: "x"}))

        assert (issue.path, issue.code) == (f"output.deliver[0].{field}", "unknown_field")

    def test_the_url_is_checked(self):
        assert errors(deliver({"type": "slack", "url": "ftp://example.com"})) == [
            ("output.deliver[0].url", "invalid_format")
        ]


class TestWebhook:
    def test_it_needs_a_signing_secret(self):
        issue = only(deliver({"type": "webhook", "url": "https://example.com"}))

        assert (issue.path, issue.code) == ("output.deliver[0].signing_secret_name", "required")
        assert "`signing_secret_name` is required" in issue.message

    @pytest.mark.parametrize(
        ("fields", "path", "code"),
        [
            ({"url": None}, "url", "required"),
            ({"url": 3}, "url", "wrong_type"),
            ({"url": ""}, "url", "too_short"),
            ({"url": "{{"}, "url", "template_syntax"),
            ({"url": "ftp://example.com"}, "url", "invalid_format"),
            ({"url": "example.com"}, "url", "invalid_format"),
            ({"url": "http"}, "url", "invalid_format"),
            ({"url": "x{{input.y}}"}, "url", "invalid_format"),
            ({"url": "javascript:{{input.y}}"}, "url", "invalid_format"),
            ({"url": "https://"}, "url", "invalid_format"),
            ({"url": "https://a b/"}, "url", "invalid_format"),
            ({"url": "https://a:99999/"}, "url", "invalid_format"),
            ({"url": "https://a:0/"}, "url", "invalid_format"),
            ({"url": "https://[::1/"}, "url", "invalid_format"),
            ({"url": "https://a/\nb"}, "url", "invalid_format"),
            ({"url": "https://a/" + "b" * 2_048}, "url", "too_long"),
            ({"url": "https://a/{{steps.c.output}}"}, "url", "unknown_step"),
            ({"method": "GET"}, "method", "not_allowed"),
            ({"method": "post"}, "method", "not_allowed"),
            ({"signing_secret_name": "a-b"}, "signing_secret_name", "invalid_format"),
            ({"signing_secret_name": "1a"}, "signing_secret_name", "invalid_format"),
            ({"signing_secret_name": "{{env.KEY}}"}, "signing_secret_name", "invalid_format"),
            ({"signing_secret_name": "a" * 101}, "signing_secret_name", "too_long"),
            ({"signing_secret_name": ["KEY"]}, "signing_secret_name", "wrong_type"),
            ({"headers": []}, "headers", "wrong_type"),
            ({"headers": {f"X-{n}": "1" for n in range(MAX_HEADERS + 1)}}, "headers", "too_long"),
            ({"headers": {"X A": "1"}}, "headers.X A", "invalid_format"),
            ({"headers": {"": "1"}}, "headers.", "invalid_format"),
            ({"headers": {"X-Ü": "1"}}, "headers.X-Ü", "invalid_format"),
            ({"headers": {"X-A:": "1"}}, "headers.X-A:", "invalid_format"),
            ({"headers": {"X-A\r\nB": "1"}}, "headers.X-A\r\nB", "invalid_format"),
            ({"headers": {"x-a": "1", "X-A": "2"}}, "headers.X-A", "duplicate"),
            ({"headers": {"X-A": "1\n"}}, "headers.X-A", "invalid_format"),
            ({"headers": {"X-A": "a\r\nB: c"}}, "headers.X-A", "invalid_format"),
            ({"headers": {"X-A": 1}}, "headers.X-A", "wrong_type"),
            ({"headers": {"X-A": "{{vars.q}}"}}, "headers.X-A", "unknown_variable"),
            ({"body": "x"}, "body", "unknown_field"),
        ],
    )
    def test_a_wrong_value_is_refused_at_its_path(self, fields, path, code):
        assert errors(hook(**fields)) == [(f"output.deliver[0].{path}", code)]

    @pytest.mark.parametrize(
        "name",
        ["X-StepIQ-Signature", "webhook-id", "Host", "content-length", "Content-Type",
         "Transfer-Encoding", "connection", "Proxy-Authorization"],
    )  # fmt: skip
    def test_headers_of_ours_cannot_be_set(self, name):
        issue = only(hook(headers={name: "x"}))

        assert issue.code == "not_allowed"
        assert "The server sets the header" in issue.message

    def test_an_unknown_field_gets_the_nearest_known_one(self):
        assert "Did you mean `headers`?" in only(hook(header={})).message


class TestEmail:
    @pytest.mark.parametrize(
        ("fields", "path", "code"),
        [
            ({"to": None}, "to", "required"),
            ({"to": []}, "to", "too_short"),
            ({"to": 3}, "to", "wrong_type"),
            (
                {"to": [f"a{n}@example.com" for n in range(MAX_RECIPIENTS + 1)]},
                "to",
                "too_long",
            ),
            ({"to": "a"}, "to", "invalid_format"),
            ({"to": "a@"}, "to", "invalid_format"),
            ({"to": "a@b..c"}, "to", "invalid_format"),
            ({"to": "a@b."}, "to", "invalid_format"),
            ({"to": "a@b\n"}, "to", "invalid_format"),
            ({"to": "a@b,c@d"}, "to", "invalid_format"),
            ({"to": "A <a@example.com>"}, "to", "invalid_format"),
            ({"to": "a@" + "b" * 253}, "to", "invalid_format"),
            ({"to": ["a@example.com", "b"]}, "to[1]", "invalid_format"),
            ({"to": [None]}, "to[0]", "invalid_format"),
            ({"to": ["{{input.address}}"]}, "to[0]", "invalid_format"),
            ({"subject": "a\nb"}, "subject", "invalid_format"),
            ({"subject": "{{nope}}"}, "subject", "unknown_name"),
            ({"body": "x"}, "body", "unknown_field"),
        ],
    )
    def test_a_wrong_value_is_refused_at_its_path(self, fields, path, code):
        email = {"type": "email", "to": "a@example.com", **fields}

        assert errors(deliver(email)) == [(f"output.deliver[0].{path}", code)]


class TestLists:
    def test_ten_targets_are_enough(self):
        assert errors(deliver(*[HOOK] * MAX_TARGETS)) == []
        assert errors(deliver(*[HOOK] * (MAX_TARGETS + 1))) == [("output.deliver", "too_long")]

    @pytest.mark.parametrize(
        ("target", "path", "code"),
        [
            ("api", "[0]", "wrong_type"),
            ({}, "[0].type", "required"),
            ({"type": 3}, "[0].type", "wrong_type"),
            ({"type": "webhok"}, "[0].type", "not_allowed"),
            ({"type": "api", "wait": 3}, "[0].wait", "unknown_field"),
        ],
    )
    def test_every_target_is_a_mapping_with_a_type(self, target, path, code):
        assert errors(deliver(target)) == [(f"output.deliver{path}", code)]

    def test_targets_are_a_list(self):
        assert errors({**SMALL, "output": {"deliver": HOOK}}) == [("output.deliver", "wrong_type")]

    def test_a_notification_has_nobody_who_waits(self):
        document = {**SMALL, "notifications": {"on_success": [{"type": "api"}]}}

        issue = only(document)
        assert (issue.path, issue.code) == ("notifications.on_success[0].type", "not_allowed")
        assert issue.message.endswith("Use `email`, `slack`, `teams` or `webhook`.")

    def test_notifications_have_two_lists(self):
        issue = only({**SMALL, "notifications": {"on_sucess": []}})

        assert (issue.path, issue.code) == ("notifications.on_sucess", "unknown_field")
        assert "Did you mean `on_success`?" in issue.message
        assert errors({**SMALL, "notifications": []}) == [("notifications", "wrong_type")]

    def test_all_steps_may_be_read(self):
        url = "https://example.com/{{steps.a.output}}/{{steps.b.output.x}}/{{steps.b.status}}"

        assert errors(hook(url=url)) == []

    def test_errors_have_their_place_in_the_text(self):
        text = FULL.replace("{{steps.report.status}}", "{{steps.reprt.status}}")

        (issue,) = load(text, SourceFormat.YAML).errors
        assert (issue.line, issue.column) == (14, 22)
        assert issue.path == "output.deliver[0].headers.X-Status"


WORDS = st.sampled_from(
    ["type", "webhook", "email", "api", "url", "https://a", "to", "a@b", "subject", "headers",
     "signing_secret_name", "KEY", "{{", "{{input.a}}", "x\ny", "Host", "method", "PUT"]
)  # fmt: skip
TARGETS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=15,
)


class TestAnything:
    @example([{"type": ["api"]}])
    @given(TARGETS | st.lists(st.fixed_dictionaries({"type": WORDS, "url": WORDS, "to": WORDS})))
    def test_any_data_loads_or_has_errors(self, targets):
        for document in (
            {**SMALL, "output": {"deliver": targets}},
            {**SMALL, "notifications": targets},
            {**SMALL, "notifications": {"on_failure": targets}},
        ):
            loaded = load_document(document)

            assert (loaded.definition is None) == bool(loaded.errors)
            for issue in loaded.errors:
                assert issue.message.endswith((".", "?"))
