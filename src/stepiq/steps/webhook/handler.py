"""Webhook: sends an HTTP request to a public address. The response is the step's output."""

import codecs
import encodings
import pkgutil
import re
from datetime import timedelta
from encodings.aliases import aliases
from functools import cache

from stepiq.core import json
from stepiq.core.json import Json, MalformedJson
from stepiq.execution.calls.requests import CallHttp, HttpReply
from stepiq.execution.context import StepContext
from stepiq.execution.outcomes import Completed, Failed, FailureCode, Outcome
from stepiq.language import offload
from stepiq.language.templates import Template, TemplateError
from stepiq.redaction.masking import EXCERPT_CHARACTERS
from stepiq.steps.webhook.spec import WebhookSpec

MAX_REPLY_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
_SLACK = timedelta(seconds=5)
_SHOWN_CHARACTERS = 300
_RETRIED = frozenset({408, 429})
_PIECE_BYTES = 16 * 1024
_CHARSETS = re.compile(
    r"ascii|utf-(8|16|32)(-[a-z]+)?|(iso8859|koi8|mac|tis)-.+|cp\d+|(euc|iso2022)_.+|(big5|gb|shift_jis|hz).*"
)
"""Character sets, by Python's names. Python has other codecs, some of which take minutes to decode."""
_LONGEST_CHARSET = 40


async def run(spec: WebhookSpec, context: StepContext) -> Outcome:
    """Send the request once."""
    request = await _request(context, spec)
    if isinstance(request, Failed):
        return request
    return await _outcome(context, spec, await context.http(request))


async def _request(context: StepContext, spec: WebhookSpec) -> CallHttp | Failed:
    """Render the URL, the headers and the body."""
    name = "url"
    try:
        url = (await offload.render(spec.url, context.sending_scope)).strip()
        headers: dict[str, str] = {}
        for header, template in spec.headers:
            name = f"headers.{header}"
            headers[header] = await offload.render(template, context.sending_scope)
        name = "body"
        content = await _body(context, spec, headers)
    except TemplateError as error:
        return Failed(FailureCode(error.code), error.message, field=name)
    return CallHttp(
        method=spec.method,
        url=url,
        headers=headers,
        content=content,
        # Longer than the step's own timeout, which then ends the call.
        timeout=(context.step.timeout or timedelta(minutes=1)) + _SLACK,
        max_bytes=MAX_REPLY_BYTES,
        max_redirects=MAX_REDIRECTS,
        secret_names=spec.secret_names,
    )


async def _body(context: StepContext, spec: WebhookSpec, headers: dict[str, str]) -> bytes | None:
    if spec.body is None:
        return None
    named = any(name.lower() == "content-type" for name in headers)
    if isinstance(spec.body, Template):
        text = await offload.render(spec.body, context.sending_scope)
        if not named:
            is_json = await offload.read(_is_json, text.encode())
            headers["Content-Type"] = "application/json" if is_json else "text/plain; charset=utf-8"
        return text.encode()
    if not named:
        headers["Content-Type"] = "application/json"
    return json.dumps(await offload.render(spec.body, context.sending_scope)).encode()


async def _outcome(context: StepContext, spec: WebhookSpec, reply: HttpReply) -> Outcome:
    if not _is_expected(reply, spec):
        return await _unexpected(context, spec, reply)
    if reply.is_cut:
        return Failed(
            FailureCode.OUTPUT_TOO_LARGE,
            f"The response is larger than {MAX_REPLY_BYTES:,} bytes. Request less data, for example one page at a time.",
        )
    content_type = reply.headers.get("content-type", "")
    body = await offload.read(_content, reply.body, content_type)
    return Completed({"status": reply.status_code, "headers": dict(reply.headers), "body": body})


def _is_expected(reply: HttpReply, spec: WebhookSpec) -> bool:
    if spec.expect_status is None:
        return 200 <= reply.status_code <= 299
    return reply.status_code in spec.expect_status


async def _unexpected(context: StepContext, spec: WebhookSpec, reply: HttpReply) -> Failed:
    text = _text(reply.body[:EXCERPT_CHARACTERS], reply.headers.get("content-type", ""))
    is_cut = reply.is_cut or len(reply.body) > EXCERPT_CHARACTERS
    wanted = "2xx" if spec.expect_status is None else ", ".join(map(str, spec.expect_status))
    beginning = (await context.secrets.excerpt(text, is_cut=is_cut))[:_SHOWN_CHARACTERS]
    status = reply.status_code
    return Failed(
        FailureCode.HTTP_STATUS,
        f"The server returned status {status} instead of {wanted}. "
        + (f"The response begins: {beginning!r}" if beginning else "The response is empty.")
        + " Check the request, or add the status to `expect_status`.",
        is_retryable=status in _RETRIED or status >= 500,
        retry_after=reply.retry_after,
    )


def _content(body: bytes, content_type: str) -> Json:
    if not body:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return json.loads(body.removeprefix(codecs.BOM_UTF8))
        except MalformedJson:
            return _text(body, content_type)
    return _text(body, content_type)


def _is_json(body: bytes) -> bool:
    try:
        return json.loads(body) is not None
    except MalformedJson:
        return False


def _text(body: bytes, content_type: str) -> str:
    named = content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    charset = _charset(named)
    try:
        text = _decoded(body, charset)
    except UnicodeError:
        # Some decoders raise although errors are to be replaced: those of UTF-16 and UTF-32 without a byte order mark,
        # and of ISO-2022 after a long unknown escape sequence.
        text = _decoded(body, f"{charset}-le" if charset in ("utf-16", "utf-32") else "utf-8")
    # The store cannot hold U+0000.
    return text.replace("\x00", "\ufffd")


def _decoded(body: bytes, charset: str) -> str:
    decoder = codecs.getincrementaldecoder(charset)("replace")
    # In pieces, because some decoders take half a second for a megabyte without releasing the GIL.
    pieces = [
        decoder.decode(body[start : start + _PIECE_BYTES])
        for start in range(0, len(body), _PIECE_BYTES)
    ]
    return "".join([*pieces, decoder.decode(b"", final=True)])


def _charset(named: str) -> str:
    # Python caches every name that is looked up, so only known names are looked up, each in one spelling.
    name = encodings.normalize_encoding(named[:_LONGEST_CHARSET]).lower()
    if aliases.get(name, name) not in _encodings():
        return "utf-8"
    try:
        charset = codecs.lookup(name).name
    except LookupError:
        # The module is not an encoding, or works on Windows only.
        return "utf-8"
    return charset if _CHARSETS.fullmatch(charset) else "utf-8"


@cache
def _encodings() -> frozenset[str]:
    """The names of Python's encodings, without their aliases."""
    return frozenset(module.name for module in pkgutil.iter_modules(encodings.__path__))
