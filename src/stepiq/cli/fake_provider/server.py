"""A local server with OpenAI's Chat Completions API and without a model, which can simulate failures.

`stepiq dev fake-provider` starts it. To use it, set `OPENAI_BASE_URL=http://127.0.0.1:9911/v1` and any key. It echoes
the last user message, or generates a small instance of the request's JSON Schema. `POST /_control/config` with fields
of `Behaviour` changes the responses, `GET /_control/stats` returns counters, `GET /_control/requests` the requests.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from stepiq.cli.fake_provider.errors import CODES, MESSAGES, error_response, wrong_key
from stepiq.cli.fake_provider.values import UnmatchedSchemaError, matching_instance
from stepiq.cli.output.console import say
from stepiq.server.connections.listening import bind
from stepiq.web.validation import issues

DEFAULT_PORT = 9911
_KEPT_REQUESTS = 1000


class Failure(BaseModel):
    """One error response."""

    model_config = ConfigDict(extra="forbid")

    status: int = Field(ge=200, le=599)
    retry_after: str | None = None
    """Value of the `Retry-After` header: seconds or an HTTP date."""
    message: str | None = None
    """Default: OpenAI's message for that status."""
    code: str | None = None


class Behaviour(BaseModel):
    """Settings of the next responses. Fields that are not configured keep their value."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    latency_ms: float = Field(default=0, ge=0)
    """Delay before the first token."""
    token_ms: float = Field(default=0, ge=0)
    """Delay before each further token."""
    tokens: int | None = Field(default=None, ge=0, le=100_000)
    """Number of words in the response. Default: as many as the text has."""
    text: str | None = None
    """Text of the response. Default: `echo: ` and the last user message."""
    replies: list[str] = []
    """Texts for the next calls, one each. They take precedence over all others."""
    answers: dict[str, str] = {}
    """Responses by a text that the last user message contains. The first match is used."""
    api_key: str | None = None
    """The only accepted key. Default: any key, or none."""
    failures: list[Failure | int] = []
    """Failures of the next calls, one each. The status 200 lets that call succeed."""
    drop_after: int | None = Field(default=None, ge=0)
    """Close the connection after this number of tokens."""
    end_after: int | None = Field(default=None, ge=0)
    """End the stream regularly after this number of tokens, but without a finish reason."""
    malformed: bool = False
    """Send a line that is not JSON in the middle of the stream."""
    error_in_stream: str | None = None
    """After the first token, send an error with this message instead of the rest."""
    not_a_provider: bool = False
    """Return a web page, as a wrong URL does."""
    finish_reason: str | None = "stop"
    """`stop`, `length`, `content_filter`, or null for servers that never send one. Responses truncated at the
    request's limit always end with `length`."""
    refusal: str | None = None
    """Refuse with this message, as models with structured output do."""
    json_answers: Literal["valid", "invalid", "prose"] = "valid"
    """Response to a request for JSON: an instance of the schema, JSON that does not match it, or plain text."""
    usage: bool = True
    """Report usage."""
    input_tokens: int | None = None
    """Default: one token for every four characters."""
    output_tokens: int | None = None
    """Default: the number of tokens sent."""
    cached_tokens: int = 0
    model: str | None = None
    """The model named in the response. Default: the requested model."""
    models: list[str] = ["gpt-4o", "gpt-4o-mini"]
    """The models that `GET /v1/models` lists."""


@dataclass
class RequestRecord:
    """One call, and how it ended."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    status: int | None = None
    tokens_sent: int = 0
    finished: bool = False
    """The complete response was sent."""
    closed_by_client: bool = False
    """The client disconnected before the response was complete."""
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    @property
    def json(self) -> dict[str, Any]:
        """The record in the shape of `/_control/requests`, without the `Authorization` header."""
        shown = {name: value for name, value in self.headers.items() if name != "authorization"}
        return {
            "number": self.number, "path": self.path, "headers": shown, "body": self.body, "status": self.status,
            "tokens_sent": self.tokens_sent, "finished": self.finished, "closed_by_client": self.closed_by_client,
        }  # fmt: skip


@dataclass
class Stats:
    """Counters since the start or since the last reset."""

    calls: int = 0
    inflight: int = 0
    max_inflight: int = 0
    finished: int = 0
    closed_by_client: int = 0
    by_idempotency_key: dict[str, int] = field(default_factory=dict[str, int])


class FakeProvider:
    """The state of the server and its ASGI application. It uses one event loop and no locks."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.stats = Stats()
        self.requests: list[RequestRecord] = []
        self._arrived = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/_control/config", self._config, methods=["GET", "POST"]),
                Route("/_control/stats", self._stats, methods=["GET"]),
                Route("/_control/requests", self._requests, methods=["GET"]),
                Route("/{path:path}", self._provider, methods=["GET", "POST"]),
            ]
        )

    def configure(self, /, **changes: Any) -> None:
        """Change some fields of the behaviour."""
        merged = {**self.behaviour.model_dump(), **changes}
        self.behaviour = Behaviour.model_validate(merged)

    def reset(self) -> None:
        """Reset requests, counters and behaviour."""
        self.behaviour, self.stats, self.requests = Behaviour(), Stats(), []

    async def next_request(self, number: int = 1) -> RequestRecord:
        """Wait for the request with this number, counted from 1, and return it."""
        while len(self.requests) < number:
            self._arrived.clear()
            await self._arrived.wait()
        return self.requests[number - 1]

    async def _config(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                changes = await request.json()
                is_reset = changes.pop("reset", False)
            except (ValueError, AttributeError, TypeError):
                return _refused('The body must be a JSON object, such as {"text": "hi"}.')
            try:
                if is_reset:
                    self.reset()
                self.configure(**changes)
            except ValidationError as error:
                return _refused(_problems(error))
        return JSONResponse(self.behaviour.model_dump())

    async def _stats(self, _request: Request) -> Response:
        return JSONResponse(asdict(self.stats))

    async def _requests(self, _request: Request) -> Response:
        return JSONResponse({"data": [record.json for record in self.requests]})

    async def _provider(self, request: Request) -> ASGIApp:
        if self.behaviour.not_a_provider:
            return Response("<!doctype html><title>Welcome</title>", media_type="text/html")
        path = request.url.path
        if request.method == "GET" and path.endswith("/models"):
            return self._refusal(request) or JSONResponse(
                {"object": "list", "data": [_model_entry(name) for name in self.behaviour.models]}
            )
        if request.method == "POST" and path.endswith("/chat/completions"):
            return await self._chat(request)
        return error_response(404, f"Invalid URL ({request.method} {path})")

    def _refusal(self, request: Request) -> Response | None:
        expected = self.behaviour.api_key
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if expected is None or sent == expected:
            return None
        return error_response(401, wrong_key(sent), code="invalid_api_key")

    async def _chat(self, request: Request) -> ASGIApp:
        try:
            body = json.loads(await request.body())
            messages = body["messages"]
            if not messages:
                raise ValueError("no messages")
        except (ValueError, KeyError, TypeError):
            return error_response(400, "We could not parse the JSON body of your request.")
        record = self._record(request, body)
        refused = self._refusal(request) or self._failure()
        if refused is not None:
            return self._refused_call(record, refused)
        try:
            answer = _Answer(self, record)
        except UnmatchedSchemaError as error:
            message = (
                f"The fake provider cannot generate JSON that matches the schema. {error}."
                ' Give the answer: POST {"replies": ["…"]} to /_control/config.'
            )
            say(f"Refused call {record.number}: {message}")
            return self._refused_call(record, error_response(400, message))
        record.status = 200
        return answer

    def _refused_call(self, record: RequestRecord, response: Response) -> Response:
        record.status = response.status_code
        record.finished = True
        record.ended.set()
        return response

    def _record(self, request: Request, body: dict[str, Any]) -> RequestRecord:
        self.stats.calls += 1
        if key := request.headers.get("idempotency-key"):
            counts = self.stats.by_idempotency_key
            counts[key] = counts.get(key, 0) + 1
        headers = dict(request.headers)
        record = RequestRecord(self.stats.calls, request.url.path, headers, body)
        self.requests.append(record)
        del self.requests[:-_KEPT_REQUESTS]
        self._arrived.set()
        return record

    def _failure(self) -> Response | None:
        if not self.behaviour.failures:
            return None
        planned = self.behaviour.failures.pop(0)
        failure = Failure(status=planned) if isinstance(planned, int) else planned
        if failure.status == 200:
            return None
        headers = {"Retry-After": failure.retry_after} if failure.retry_after else {}
        message = failure.message or MESSAGES.get(failure.status, "The request failed.")
        code = failure.code or CODES.get(failure.status)
        return error_response(failure.status, message, code=code, headers=headers)


class _Answer:
    """Sends one response, and detects a disconnect of the client."""

    def __init__(self, provider: FakeProvider, record: RequestRecord) -> None:
        self.provider = provider
        self.record = record
        # A copy, because a later configuration applies only to later calls.
        self.behaviour = provider.behaviour.model_copy()
        replies = provider.behaviour.replies
        text = replies.pop(0) if replies else _answer(record.body, self.behaviour)
        self.pieces = _pieces(text, self.behaviour)
        self.finish_reason = self.behaviour.finish_reason
        limit = record.body.get("max_completion_tokens") or record.body.get("max_tokens")
        if limit and len(self.pieces) > limit:
            del self.pieces[limit:]
            self.finish_reason = "length"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        stats = self.provider.stats
        stats.inflight += 1
        stats.max_inflight = max(stats.max_inflight, stats.inflight)
        answer = self._stream if self.record.body.get("stream") else self._whole
        sending = asyncio.ensure_future(answer(send))
        hearing = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait({sending, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and sending.exception() is None:
                self.record.finished = True
                stats.finished += 1
            elif not sending.done():
                self.record.closed_by_client = True
                stats.closed_by_client += 1
        finally:
            for task in (sending, hearing):
                task.cancel()
                with suppress(asyncio.CancelledError, _Cut):
                    await task
            stats.inflight -= 1
            self.record.ended.set()

    async def _whole(self, send: Send) -> None:
        await _pause(self.behaviour.latency_ms)
        pieces = self.pieces
        self.record.tokens_sent = len(pieces)
        message = {
            "role": "assistant",
            "content": "".join(pieces),
            "refusal": self.behaviour.refusal,
        }
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        reply = self._envelope("chat.completion", [choice])
        if self.behaviour.usage:
            reply["usage"] = self._usage(len(pieces))
        await _send_head(send, "application/json")
        await send({"type": "http.response.body", "body": json.dumps(reply).encode()})

    async def _stream(self, send: Send) -> None:
        async def event(data: str) -> None:
            body = f"data: {data}\n\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})

        async def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
            await event(json.dumps(self._envelope("chat.completion.chunk", [choice])))

        pieces = self.pieces
        await _pause(self.behaviour.latency_ms)
        await _send_head(send, "text/event-stream")
        await chunk({"role": "assistant", "content": ""})
        if self.behaviour.refusal is not None:
            await chunk({"refusal": self.behaviour.refusal})
            pieces = []
        complete = await self._send_pieces(pieces, chunk, event)
        if complete:
            await chunk({}, self.finish_reason)
            await self._send_usage(len(pieces), event)
            await event("[DONE]")
        await send({"type": "http.response.body", "body": b""})

    async def _send_pieces(
        self,
        pieces: list[str],
        chunk: Callable[[dict[str, Any]], Awaitable[None]],
        event: Callable[[str], Awaitable[None]],
    ) -> bool:
        for sent, piece in enumerate(pieces):
            if self.behaviour.drop_after == sent:
                raise _Cut
            if self.behaviour.end_after == sent:
                return False
            if sent:
                await _pause(self.behaviour.token_ms)
            await chunk({"content": piece})
            self.record.tokens_sent = sent + 1
            if self.behaviour.malformed:
                await event('{"choices": [')
            if self.behaviour.error_in_stream is not None:
                error = {"message": self.behaviour.error_in_stream, "type": "server_error"}
                await event(json.dumps({"error": error}))
                return False
        return True

    async def _send_usage(self, tokens: int, event: Callable[[str], Awaitable[None]]) -> None:
        options: dict[str, Any] = self.record.body.get("stream_options") or {}
        if self.behaviour.usage and options.get("include_usage"):
            reply = self._envelope("chat.completion.chunk", [])
            await event(json.dumps({**reply, "usage": self._usage(tokens)}))

    def _envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-fake{self.record.number}",
            "object": kind,
            "created": 1_700_000_000,
            "model": self.behaviour.model or self.record.body.get("model") or "fake",
            "choices": choices,
        }

    def _usage(self, tokens: int) -> dict[str, Any]:
        told = self.behaviour
        chars = sum(len(_text(message)) for message in self.record.body["messages"])
        inputs = math.ceil(chars / 4) if told.input_tokens is None else told.input_tokens
        outputs = tokens if told.output_tokens is None else told.output_tokens
        return {
            "prompt_tokens": inputs,
            "completion_tokens": outputs,
            "total_tokens": inputs + outputs,
            "prompt_tokens_details": {"cached_tokens": told.cached_tokens},
        }


class _Cut(Exception):
    """Aborts a response, so that the server closes the connection."""


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _pause(milliseconds: float) -> None:
    if milliseconds > 0:
        await asyncio.sleep(milliseconds / 1000)


async def _send_head(send: Send, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts: list[dict[str, Any]] = content or []
    return "".join(part.get("text", "") for part in parts)


def _pieces(text: str, behaviour: Behaviour) -> list[str]:
    """The tokens of a response. A token is a word with the space before it."""
    words = text.split(" ") if text else []
    if behaviour.tokens is not None:
        words = [words[at % len(words)] if words else "word" for at in range(behaviour.tokens)]
    return [word if at == 0 else f" {word}" for at, word in enumerate(words)]


def _answer(body: dict[str, Any], behaviour: Behaviour) -> str:
    asked = [_text(message) for message in body["messages"] if message.get("role") == "user"]
    for part, answer in behaviour.answers.items():
        if asked and part in asked[-1]:
            return answer
    if behaviour.text is not None:
        return behaviour.text
    wanted: dict[str, Any] = body.get("response_format") or {}
    if wanted.get("type") in ("json_schema", "json_object") and behaviour.json_answers != "prose":
        described: dict[str, Any] = wanted.get("json_schema") or {}
        schema: Any = described.get("schema") or {"type": "object"}
        value = matching_instance(schema) if behaviour.json_answers == "valid" else ["not", "it"]
        return json.dumps(value)
    return f"echo: {asked[-1] if asked else ''}"


def _refused(message: str) -> Response:
    return JSONResponse({"error": {"message": message}}, 422)


def _problems(error: ValidationError) -> str:
    """What is wrong with a behaviour, with the name of each field."""
    entries = [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()]
    return " ".join(f"{each.path}: {each.message}" for each in issues(entries, Behaviour))


def _model_entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "stepiq"}


def serve(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    announce: Callable[[str], None] = say,
    **behaviour: Any,
) -> None:
    """Serve until interrupted. `announce` prints the URL, and `behaviour` contains fields of `Behaviour`."""
    import uvicorn

    with bind(host, port, "--port") as listener:
        url = f"http://{host}:{listener.getsockname()[1]}/v1"
        announce(f"Listening. Use it with: OPENAI_BASE_URL={url} OPENAI_API_KEY=any")
        app = FakeProvider(Behaviour(**behaviour)).app
        config = uvicorn.Config(app, log_level="critical", access_log=False)
        uvicorn.Server(config).run([listener])
