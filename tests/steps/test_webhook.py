"""Calls to other systems."""

from collections.abc import AsyncIterator

import pytest

from tests.support.encodings import kept_encodings
from tests.support.engine import Ended, World
from tests.support.receiver import Receiver, Reply, running_receiver

pytestmark = pytest.mark.one_store

JSON = {"Content-Type": "application/json; charset=utf-8"}
LONG_ESCAPE = b"a" * (16 * 1024 - 9) + b"\x1b$$$$$$$$" + b"b"
"""An unknown escape sequence at the end of the first decoded piece."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


async def call(world: World, receiver: Receiver, fields: str = "", data: object = None) -> Ended:
    return await world.run(
        f"""
        name: Call
        input: {{schema: {{type: object}}}}
        steps:
          - id: call
            type: webhook
            url: {receiver.url}/a/{{{{input.path}}}}
            {fields}
        """,
        data or {"path": "b"},
    )


class TestRequest:
    async def test_without_a_body_it_is_a_get(self, world: World, receiver: Receiver):
        await call(world, receiver)

        (request,) = receiver.received
        assert (request.method, request.path, request.body) == ("GET", "/a/b", b"")

    async def test_a_mapping_is_sent_as_json_with_its_templates_rendered(
        self, world: World, receiver: Receiver
    ):
        data = {"path": 'a "quoted" {{env.X}}'}
        await call(
            world,
            receiver,
            "body: {who: '{{input.path}}', list: ['{{input.path}}', 1, true]}",
            data,
        )

        (request,) = receiver.received
        assert request.method == "POST"
        assert request.headers["content-type"] == "application/json"
        assert request.json == {"who": data["path"], "list": [data["path"], 1, True]}

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ('{"a": {{json input.path}}}', "application/json"),
            ("Hi {{input.path}}", "text/plain; charset=utf-8"),
        ],
    )
    async def test_a_text_is_sent_as_what_it_is(self, world: World, receiver: Receiver, body, kind):
        await call(world, receiver, f"body: '{body}'")

        (request,) = receiver.received
        assert request.headers["content-type"] == kind
        assert "b" in request.body.decode()

    async def test_its_own_content_type_is_kept(self, world: World, receiver: Receiver):
        await call(world, receiver, "headers: {content-type: text/csv}\n            body: 'a,b'")

        assert receiver.received[0].headers["content-type"] == "text/csv"

    async def test_the_key_says_which_execution_it_is(self, world: World, receiver: Receiver):
        ended = await call(world, receiver)

        assert receiver.received[0].headers["idempotency-key"] == f"{ended.run.id}:call:1"

    async def test_a_line_break_in_a_header_sends_nothing(self, world: World, receiver: Receiver):
        data = {"path": "b", "value": "a\nB: c"}
        ended = await call(world, receiver, "headers: {X-A: '{{input.value}}'}", data)

        assert ended.run.error["code"] == "http_error"
        assert "`X-A`" in ended.run.error["message"]
        assert receiver.received == []

    async def test_a_run_can_continue_after_a_refused_header(
        self, world: World, receiver: Receiver
    ):
        ended = await world.run(
            f"""
            name: Call
            input: {{schema: {{value: {{type: string}}}}}}
            steps:
              - id: call
                type: webhook
                url: {receiver.url}
                headers: {{X-A: "{{{{input.value}}}}"}}
                on_error: continue
              - {{id: after, type: transform, template: "{{{{steps.call.error.message}}}}"}}
            """,
            {"value": "a\nB: c"},
        )

        assert [(row.step_id, row.status) for row in ended.rows] == [
            ("call", "failed"),
            ("after", "completed"),
        ]
        assert ended.run.status == "completed"
        assert ended.run.output.endswith(
            "Invalid header `X-A` in `headers`: its value has a control character or a line break. Remove it."
        )
        assert receiver.received == []

    async def test_headers_are_sent_in_utf_8(self, world: World, receiver: Receiver):
        await world.secret("TOKEN", "clé-secrète")
        await call(
            world,
            receiver,
            "headers: {X-A: 'Grüße', X-B: '{{input.path}}', X-C: 'Bearer {{env.TOKEN}}'}",
            {"path": "Привет"},
        )

        head = receiver.received[0].raw_headers.decode()
        assert "\r\nX-A: Grüße\r\n" in head
        assert "\r\nX-B: Привет\r\n" in head
        assert "\r\nX-C: Bearer clé-secrète\r\n" in head

    @pytest.mark.parametrize(
        "fields",
        ["headers: {X-A: '{{input.a.b}}'}", "body: '{{input.a.b}}'", "body: ['{{input.a.b}}']"],
    )
    async def test_a_template_that_finds_nothing_sends_nothing(
        self, world: World, receiver: Receiver, fields
    ):
        ended = await call(world, receiver, fields)

        assert ended.run.error["code"] == "template_unresolved"
        assert ended.run.error["message"].startswith(f"Step `call`, `{fields.partition(':')[0]}")
        assert receiver.received == []


class TestReply:
    async def test_json_is_data(self, world: World, receiver: Receiver):
        receiver.reply_with(Reply(201, b'{"id": 7}', JSON | {"X-Left": "3"}))

        ended = await call(world, receiver)

        output = ended.run.output
        assert (output["status"], output["body"], output["headers"]["x-left"]) == (
            201,
            {"id": 7},
            "3",
        )

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("body", "headers", "seen"),
        [
            (b"hello", {}, "hello"),
            (b"", {}, None),
            (b"{no json", JSON, "{no json"),
            (b"\xe4", {"Content-Type": "text/plain; charset=latin-1"}, "ä"),
            (b"a\x00b", {"Content-Type": "text/plain; charset=nonsense"}, "a\ufffdb"),
            (b"\x83\x65", {"Content-Type": "text/plain; charset=Shift_JIS"}, "テ"),
            # It takes Python minutes to read a long one.
            (b"a-b", {"Content-Type": "text/plain; charset=punycode"}, "a-b"),
            (b"[1]", {"Content-Type": "application/problem+json"}, [1]),
            (b"\xef\xbb\xbf[1]", JSON, [1]),
            (b"\xe4", {"Content-Type": "text/plain; Charset=latin-1"}, "ä"),
            ("ä".encode("utf-16"), {"Content-Type": "text/plain; charset=utf-16"}, "ä"),
            # Python's decoders of these raise errors, although errors are to be replaced.
            ("ä".encode("utf-16-le"), {"Content-Type": "text/plain; charset=utf-16"}, "ä"),
            ("ä".encode("utf-32-le"), {"Content-Type": "text/plain; charset=utf-32"}, "ä"),
            (
                LONG_ESCAPE,
                {"Content-Type": "text/plain; charset=iso-2022-jp"},
                LONG_ESCAPE.decode(),
            ),
        ],
    )
    async def test_all_else_is_text(self, world: World, receiver: Receiver, body, headers, seen):
        receiver.reply_with(Reply(200, body, headers))

        assert (await call(world, receiver)).run.output["body"] == seen

    async def test_names_of_encodings_are_not_kept(self, world: World, receiver: Receiver):
        for name in ("nonsense-1", "utf----8"):
            headers = {"Content-Type": f"text/plain; charset={name}"}
            receiver.reply_with(Reply(200, "ä".encode(), headers))

            assert (await call(world, receiver)).run.output["body"] == "ä"

        assert kept_encodings("nonsense", "utf____") == []

    async def test_json_of_too_many_parts_is_text(self, world: World, receiver: Receiver):
        receiver.reply_with(Reply(200, b"[" + b"[]," * 100_000 + b"1]", JSON))
        ended = await world.run(
            f"name: C\nsteps:\n  - {{id: call, type: webhook, url: '{receiver.url}'}}\n"
            "  - {id: t, type: transform, set: {text: 'type(steps.call.output.body) == string'}}"
        )

        assert ended.run.output == {"text": True}

    async def test_what_looks_like_a_template_stays_text(self, world: World, receiver: Receiver):
        receiver.reply_with(Reply(200, b"{{run.id}}"))
        ended = await world.run(
            f"name: C\nsteps:\n  - {{id: call, type: webhook, url: '{receiver.url}'}}\n"
            '  - {id: t, type: transform, template: "got {{steps.call.output.body}}"}'
        )

        assert ended.run.output == "got {{run.id}}"

    async def test_another_status_fails_and_quotes_the_reply(
        self, world: World, receiver: Receiver
    ):
        receiver.reply_with(Reply(404, b"no such thing"))

        ended = await call(world, receiver)

        assert ended.run.error["code"] == "http_status"
        assert "404" in ended.run.error["message"]
        assert "no such thing" in ended.run.error["message"]

    async def test_unless_it_is_expected(self, world: World, receiver: Receiver):
        receiver.reply_with(404)

        ended = await call(world, receiver, "expect_status: [200, 404]")

        assert ended.run.output["status"] == 404

    async def test_one_that_is_too_long_fails(self, world: World, receiver: Receiver):
        receiver.reply_with(Reply(200, b"x" * (1024 * 1024 + 1)))

        assert (await call(world, receiver)).run.error["code"] == "output_too_large"

    async def test_a_secret_in_it_is_masked(self, world: World, receiver: Receiver):
        await world.secret("TOKEN", "super-secret-value")
        receiver.reply_with(Reply(200, b"you sent super-secret-value"))

        ended = await call(world, receiver, 'headers: {Authorization: "Bearer {{env.TOKEN}}"}')

        assert receiver.received[0].headers["authorization"] == "Bearer super-secret-value"
        assert ended.run.output["body"] == "you sent [secret:TOKEN]"


class TestRetries:
    async def test_500_is_tried_again_under_the_same_key(self, world: World, receiver: Receiver):
        receiver.reply_with(500, Reply(429, headers={"Retry-After": "0"}), 200)

        ended = await call(world, receiver, "retry: {max_attempts: 3, backoff_ms: 1}")

        assert ended.run.output["status"] == 200
        assert len({request.headers["idempotency-key"] for request in receiver.received}) == 1
        assert len(receiver.received) == 3

    async def test_404_is_not(self, world: World, receiver: Receiver):
        receiver.reply_with(404)

        await call(world, receiver, "retry: {max_attempts: 3, backoff_ms: 1}")

        assert len(receiver.received) == 1

    async def test_no_answer_is_an_error_that_passes(self, world: World, receiver: Receiver):
        receiver.reply_with(Reply(hangs_up=True), 200)

        ended = await call(world, receiver, "retry: {max_attempts: 2, backoff_ms: 1}")

        assert ended.run.output["status"] == 200

    async def test_without_retry_it_is_tried_once(self, world: World, receiver: Receiver):
        receiver.reply_with(Reply(hangs_up=True))

        ended = await call(world, receiver)

        assert ended.run.error["code"] == "http_error"
        assert len(receiver.received) == 1

    async def test_it_ends_at_its_own_time_limit(self, world: World, receiver: Receiver):
        receiver.reply_with(Reply(delay=30))

        ended = await call(world, receiver, "timeout_seconds: 1")

        assert ended.run.error["code"] == "step_timeout"


class TestEgress:
    @pytest.mark.parametrize(
        "url", ["http://169.254.169.254/", "http://[::1]:1/", "http://10.0.0.1/"]
    )
    async def test_other_networks_are_closed(self, world: World, url: str):
        ended = await world.run(f"name: C\nsteps: [{{id: c, type: webhook, url: '{url}'}}]")

        assert ended.run.error["code"] == "egress_blocked"
        assert (
            "STEPIQ_ALLOWED_PRIVATE_NETWORKS to its range for `stepiq run`, or ask the operator of the server to do so."
            in (ended.run.error["message"])
        )

    async def test_also_behind_a_redirect(self, world: World, receiver: Receiver):
        receiver.reply_with(Reply(302, headers={"Location": "http://169.254.169.254/"}))

        assert (await call(world, receiver)).run.error["code"] == "egress_blocked"

    async def test_what_is_no_url_is_said(self, world: World):
        ended = await world.run(
            "name: C\ninput: {schema: {type: object}}\nsteps: [{id: c, type: webhook, url: '{{input.u}}'}]",
            {"u": "ftp://x"},
        )

        assert ended.run.error["code"] == "http_error"
