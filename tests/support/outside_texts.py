"""All code that reads external text: how to call it, the maximum length of a text, and where it runs."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import httpx2
import structlog
from anthropic import _streaming as anthropic_stream
from fastapi import Request
from fastapi.routing import APIRoute

from stepiq.accounts.authentication.authenticator import Authenticator
from stepiq.accounts.credentials.tokens import AccessTokens
from stepiq.accounts.schemas import normalise_email
from stepiq.accounts.secrets.schemas import _name as secret_name
from stepiq.core import json, mail
from stepiq.core.control_characters import escape, escape_json, escape_line, storable
from stepiq.core.http import GuardedClient, Reply, operator_client, urls
from stepiq.core.http.hosts import Host, HostInvalid
from stepiq.core.http.messages import retry_after
from stepiq.core.json import Json
from stepiq.core.observability.log_output import _escape_controls
from stepiq.execution.calls.call_http import headers_of
from stepiq.execution.interpreter.text_stream import DELTA_CHARACTERS
from stepiq.language import patterns
from stepiq.language.definitions.loading import load
from stepiq.language.definitions.targets import VerifyScheme, VerifySpec
from stepiq.language.documents.source import MAX_SOURCE_BYTES, SourceFormat
from stepiq.language.expressions import Expression, times
from stepiq.language.expressions import source as expression_source
from stepiq.language.schedules import cron, time_zones
from stepiq.language.schemas.cost import SchemaProblem
from stepiq.language.schemas.validation import compile_schema
from stepiq.language.templates import Template
from stepiq.notify import mailing, sending
from stepiq.pipelines.definitions import diffs
from stepiq.pipelines.slugs import made_from
from stepiq.providers import bounds
from stepiq.providers.base import ProviderError
from stepiq.providers.failures import mask
from stepiq.providers.openai.answer import ChatAnswer
from stepiq.providers.places import FailurePlace
from stepiq.providers.replies import ProviderReply as Refusal
from stepiq.redaction.masking import Masker
from stepiq.runs.endpoints import _sequence
from stepiq.sandbox import conversation
from stepiq.sandbox.interpreters import javascript
from stepiq.server.connections.protocol import Clients
from stepiq.steps.answers import parse_json
from stepiq.steps.transform.jsonpath import Query
from stepiq.steps.webhook import handler as webhook
from stepiq.store.types import fold
from stepiq.triggers.webhooks import signatures
from stepiq.web import bodies, guard, pages

KEY = "sk-proj-4f7Qm2ZxLkT9vB8cR1nS6wYd3eH5gJ0a"
SECRETS = {"PLAIN": "correct horse battery", "ROW": "a" * 40, "LONG": "ab" * 2_000}
MASKER = Masker(
    SECRETS
    # 97 more, of 9 to 9,900 characters, in pairs that begin alike.
    | {
        f"MORE_{number}": f"key-{number // 2:02}-{'ab'[number % 2]}-"
        + "xyz" * (number**2 * 100 // 279)
        for number in range(97)
    }
)
PLACE = FailurePlace("openai", "OpenAI", "http://127.0.0.1/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL")

REPLY_HEADERS = 100 * 1024
"""Maximum size of a response head, which the HTTP library limits."""
REPLY = webhook.MAX_REPLY_BYTES
_NOT_IN_HEADERS = re.compile(r"[^\x20-\x7e\xa0-\xff]")


@dataclass(frozen=True, slots=True)
class Reader:
    """A function that reads external text."""

    read: Callable[[str], Any]
    longest: int
    """Maximum length in characters."""
    place: Literal["loop", "pieces", "thread", "process"] = "loop"
    """Where a text of that length is read: on the event loop, whole or in pieces, in a thread, or in a process."""
    fixed_seconds: float = 0.02
    """Shorter times are not compared: they are too short to measure, or independent of the length."""
    depends_on_text: bool = True
    """Whether the time depends on more than the length."""


def in_bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def in_header(text: str) -> str:
    """Replace characters that a header cannot have: control characters, and those that are not Latin-1."""
    return _NOT_IN_HEADERS.sub("?", text)


def streamed(text: str) -> None:
    stream = MASKER.stream()
    stream.feed(text)
    stream.flush()


def in_a_pipeline(text: str) -> Any:
    indented = text.replace("\n", "\n      ")
    return load(f"name: a\nsteps:\n  - id: a\n    prompt: |\n      {indented}\n", SourceFormat.YAML)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("it waits")


def request(*headers: tuple[bytes, bytes], query: bytes = b"") -> Request:
    scope = {"type": "http", "method": "GET", "headers": list(headers), "query_string": query}
    return Request({**scope, "path": "/", "route": _route()})


@cache
def _route() -> APIRoute:
    async def endpoint(limit: int = 1, cursor: str = "", status: str = "") -> None: ...

    return APIRoute("/", endpoint)


@cache
def authenticator() -> Authenticator:
    return Authenticator(None, AccessTokens(b"x" * 32, "here"))  # pyright: ignore[reportArgumentType] - no credential here gets that far


@cache
def clients() -> tuple[GuardedClient, httpx2.AsyncClient]:
    return GuardedClient(), operator_client()


@cache
def proxies() -> Clients:
    return Clients(["127.0.0.1", "10.0.0.0/8"])


def content_type(text: str) -> Any:
    header = (b"content-type", in_header(text).encode("latin-1"))
    return bodies._media_type(request(header), bodies.JSON_TYPES)


def token(text: str) -> Any:
    header = base64.urlsafe_b64encode(in_bytes(text)).rstrip(b"=").decode()
    return run(authenticator().authenticate(f"Bearer {header}.e30.x", None))


def query_string(text: str) -> None:
    bodies.refuse_unknown(request(query=in_header(text).encode("latin-1")))


def signature(text: str) -> None:
    spec = VerifySpec(VerifyScheme.STRIPE, "a", "")
    headers = {"stripe-signature": "t=1767225600,v1=" + in_header(text)}
    signatures.verify(spec, "secret", headers, b"{}", datetime(2026, 1, 1, tzinfo=UTC))


def sent_cookies(text: str) -> None:
    for value in (in_header(text), f'a="{in_header(text)}"'):
        assert (
            request((b"cookie", guard._value(b"cookie", value.encode("latin-1")))).cookies
            is not None
        )


def reply_headers(text: str) -> None:
    # As many headers as fit.
    headers = [(f"{number:x}", "") for number in range(len(text) // 6)]
    assert len(headers_of(httpx2.Headers(headers))) == len(headers)


def cookies(text: str) -> None:
    asked = httpx2.Request("GET", "http://example.com/")
    reply = httpx2.Response(200, headers={"set-cookie": in_header(text)}, request=asked)
    for client in (clients()[0].http, clients()[1]):
        client.cookies.extract_cookies(reply)
        assert not list(client.cookies.jar)


def event(text: str) -> None:
    """Read the text as a body, and as the lines of an event."""
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    for body in (text, f"{lines}\n"):
        _read_events(body)


def events(text: str) -> None:
    """Read the text as the contents of many events."""
    _read_events("".join(chunk(text[start : start + 4]) for start in range(0, len(text), 4)))


def _read_events(body: str) -> None:
    asyncio.run(_read(ChatAnswer(_reply(body), PLACE, str, {}).pieces()))
    decoder = anthropic_stream.SSEDecoder()
    asyncio.run(_read(decoder.aiter_bytes(_reply(body).aiter_bytes())))


@cache
def chunk(text: str) -> str:
    call = {"index": 0, "id": "a", "function": {"name": "a", "arguments": text}}
    delta = {"content": text, "reasoning": text, "tool_calls": [call]}
    return f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n"


def _reply(text: str) -> httpx2.Response:
    class Body(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield in_bytes(text)

    asked = httpx2.Request("POST", "http://example.com/")
    reply = httpx2.Response(200, stream=Body(), request=asked)
    bounds.bound(reply, PLACE)
    return reply


async def _read(events: AsyncIterator[Any]) -> None:
    with suppress(ProviderError):
        async for _ in events:
            pass


def location(text: str) -> Any:
    with suppress(httpx2.InvalidURL):
        return httpx2.URL("http://example.com/a").join(in_header(text))


def provider_charset(text: str) -> Any:
    headers = {"content-type": "text/plain; charset=" + in_header(text)}
    reply = httpx2.Response(200, headers=headers, request=httpx2.Request("POST", "http://a/"))
    bounds.bound(reply, PLACE)
    return reply.encoding


def receiver_headers(text: str) -> Any:
    shown = in_header(text)
    pieces = [shown[start : start + 1_600] for start in range(0, len(shown), 1_600)]
    headers = httpx2.Headers([(f"x-{number}", piece) for number, piece in enumerate(pieces)])
    return sending._verdict(Reply(200, headers, b"", False, "http://a/"), MASKER)


def log_line(text: str) -> Any:
    event = {"event": "step_log", "message": text}
    return structlog.processors.JSONRenderer()(None, "", dict(_escape_controls(None, "", event)))


def printed(text: str) -> None:
    talk = conversation.Conversation(None, b"", len)  # pyright: ignore[reportArgumentType] - it only takes lines
    asyncio.run(talk._note(in_bytes(text)))


def thrown(text: str) -> Any:
    return javascript._line(f"Error: {text}"), escape(text)


def mail_text(text: str) -> Any:
    message = mail.MailMessage("a@example.com", text, text)
    return mail._compose(message, ("stepIQ", "b@example.com")).as_bytes()


def host(text: str) -> Any:
    try:
        return Host.parse(text)
    except HostInvalid:
        return None


PATTERN = patterns.Pattern.compile("(a+)+b|[a-z ]{3}\\{")
VALIDATED = compile_schema(
    {
        "properties": {
            "long": {"type": "string", "pattern": "[^x]x"},
            "slow": {"type": "string", "pattern": "[ab]*a[ab]{900}c"},
            "many": {"allOf": [{"type": "integer"}, {"const": 1}, {"maxLength": 1}] * 500},
        },
        "propertyNames": {"pattern": "a$"},
    },
    max_patterns=9,
)


def in_a_schema(text: str) -> Any:
    with suppress(SchemaProblem):
        return compile_schema(
            {"properties": {text: {"const": text, "enum": [text]}}, "title": text}, max_patterns=0
        )


def in_a_pattern(text: str) -> Any:
    with suppress(SchemaProblem):
        schema = compile_schema({"pattern": text, "patternProperties": {text: {}}}, max_patterns=9)
        return schema.issues(text[:1_000]), schema.issues({text[:1_000]: 1})


def validated(text: str) -> Any:
    values: list[Json] = [{"long": text}, {"slow": text}, {"many": text}, {text: 1}]
    return [VALIDATED.issues(value) for value in values]


READERS: dict[str, Reader] = {
    # Requests.
    "`Content-Type` of a request": Reader(content_type, guard.MAX_HEADER_BYTES),
    "`Authorization`": Reader(
        lambda text: run(authenticator().authenticate(f"Bearer {text}", None)),
        guard.MAX_HEADER_BYTES,
    ),
    "header of an access token": Reader(token, 1_400),
    "`X-API-Key`": Reader(
        lambda text: run(authenticator().authenticate(None, text)), guard.MAX_HEADER_BYTES
    ),
    "`X-Forwarded-For`": Reader(
        lambda text: proxies().forwarded([(b"x-forwarded-for", in_bytes(text))]),
        guard.MAX_HEADER_BYTES,
    ),
    "`X-Request-ID`": Reader(
        lambda text: guard._request_id({"headers": [(b"x-request-id", in_bytes(text))]}),
        guard.MAX_HEADER_BYTES,
    ),
    "`Last-Event-ID`": Reader(_sequence, guard.MAX_HEADER_BYTES),
    "`Cookie`": Reader(sent_cookies, guard.MAX_HEADER_BYTES),
    "signature of a webhook": Reader(signature, guard.MAX_HEADER_BYTES),
    "query string": Reader(query_string, guard.MAX_HEADER_BYTES),
    "cursor": Reader(pages.decode_cursor, 64),
    "text of a search": Reader(fold, 200),
    "JSON": Reader(lambda text: json.loads(in_bytes(text)), guard.MAX_BODY_BYTES, "thread"),
    "text in JSON": Reader(
        lambda text: json.loads(b'["' + in_bytes(text) + b'"]'), guard.MAX_BODY_BYTES, "thread"
    ),
    "email address": Reader(normalise_email, 1_000),
    "name of a secret": Reader(secret_name, guard.MAX_BODY_BYTES),
    "host of a secret": Reader(host, 260),
    "name of a pipeline": Reader(made_from, 200),
    "cron expression": Reader(lambda text: cron.problems(text, "UTC"), guard.MAX_BODY_BYTES),
    "time zone": Reader(time_zones.check, guard.MAX_BODY_BYTES),
    # Definitions.
    "definition in YAML": Reader(
        lambda text: load(text, SourceFormat.YAML), MAX_SOURCE_BYTES, "thread"
    ),
    "definition in JSON": Reader(
        lambda text: load(text, SourceFormat.JSON), MAX_SOURCE_BYTES, "thread"
    ),
    "prompt in a definition": Reader(in_a_pipeline, MAX_SOURCE_BYTES // 4, "thread"),
    "template": Reader(Template.compile, MAX_SOURCE_BYTES, "thread"),
    "expression": Reader(Expression.compile, expression_source.MAX_LENGTH, "thread"),
    "JSONPath": Reader(Query.compile, 1_000, "thread"),
    "pattern": Reader(patterns.Pattern.compile, patterns.MAX_PATTERN_LENGTH, "thread"),
    "pattern in a JSONPath": Reader(
        lambda text: patterns.compile_regex(text, dot=r"[^\n\r]"),
        patterns.MAX_PATTERN_LENGTH,
        "thread",
        # Even quadratic time would be less than the default.
        fixed_seconds=0.002,
    ),
    "replacement": Reader(PATTERN.replacement, patterns.MAX_REPLACEMENT_LENGTH, "thread"),
    "differences of versions": Reader(
        lambda text: diffs.unified(text, text[::-1], ("a", "b")),
        MAX_SOURCE_BYTES,
        "thread",
        # It searches for the smallest difference, up to a fixed number of comparisons.
        fixed_seconds=0.3,
    ),
    "text in a schema": Reader(in_a_schema, MAX_SOURCE_BYTES, "thread"),
    "pattern in a schema": Reader(in_a_pattern, MAX_SOURCE_BYTES, "thread", fixed_seconds=0.5),
    # Values in runs.
    "text for a schema": Reader(
        # The time grows with the length until the limit of work.
        validated,
        REPLY,
        "thread",
        fixed_seconds=0.5,
    ),
    "text for a pattern": Reader(PATTERN.all, REPLY, "thread"),
    "duration": Reader(times.read_duration, REPLY),
    "timestamp": Reader(times.read_timestamp, 400),
    "URL": Reader(urls.check_url, REPLY),
    # Responses of models.
    "batch of an answer": Reader(streamed, DELTA_CHARACTERS),
    "event of an answer": Reader(event, bounds.MAX_EVENT_BYTES, "pieces"),
    "events of an answer": Reader(events, bounds.MAX_ANSWER_BYTES, "pieces"),
    "JSON in an answer": Reader(parse_json, bounds.MAX_ANSWER_BYTES, "thread"),
    "fenced JSON in an answer": Reader(
        lambda text: parse_json("```json\n" + text), bounds.MAX_ANSWER_BYTES, "thread"
    ),
    "error of a provider": Reader(lambda text: Refusal.read(400, {}, text), bounds.MAX_ERROR_BYTES),
    "error of a provider in JSON": Reader(
        lambda text: Refusal.read(400, {}, '{"error": {"message": "' + text),
        bounds.MAX_ERROR_BYTES,
    ),
    "quoted error": Reader(lambda text: mask(storable(text), KEY), 2_001),
    "quoted error without a key": Reader(lambda text: mask(storable(text), None), 2_001),
    "charset of a provider": Reader(provider_charset, REPLY_HEADERS),
    # Replies to webhooks.
    "text of a reply": Reader(
        lambda text: webhook._content(in_bytes(text), "text/plain"), REPLY, "thread"
    ),
    "JSON of a reply": Reader(
        lambda text: webhook._content(in_bytes(text), "application/json"), REPLY, "thread"
    ),
    "charset of a reply": Reader(
        lambda text: webhook._text(b"x", f"text/plain; charset={text}"), REPLY_HEADERS
    ),
    "`Retry-After`": Reader(retry_after, REPLY_HEADERS),
    "`Location`": Reader(location, REPLY_HEADERS),
    "`Set-Cookie`": Reader(cookies, REPLY_HEADERS),
    "beginning of a reply": Reader(
        lambda text: sending.excerpt(in_bytes(text), MASKER, is_cut=False), 2_000
    ),
    "headers of a reply": Reader(reply_headers, REPLY_HEADERS, depends_on_text=False),
    "headers of a receiver": Reader(receiver_headers, REPLY_HEADERS, "thread"),
    "answer of a mail server": Reader(mail._one_line, 64 * 1024),
    # Recorded, logged and displayed text.
    "masked text": Reader(MASKER.text, REPLY, "thread"),
    "text of a mail": Reader(mail_text, mailing._MAX_OUTPUT),
    "log line": Reader(log_line, 64 * 1024),
    "output of code": Reader(printed, 64 * 1024, "pieces"),
    "error of code": Reader(thrown, 64 * 1024, "process"),
    "text on a terminal": Reader(
        lambda text: (escape(text), escape_line(text), escape_json(text)), REPLY // 8, "process"
    ),
}
