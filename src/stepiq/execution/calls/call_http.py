"""Sends an HTTP request."""

from datetime import timedelta

import httpx2

from stepiq.core.http import (
    EgressBlocked,
    FailureKind,
    NetworkFailure,
    RequestInvalid,
    SecretHostRefused,
    Timeouts,
)
from stepiq.core.observability import trace_context
from stepiq.execution.calls.call import Call
from stepiq.execution.calls.requests import CallHttp, HttpReply, OperationFailed
from stepiq.execution.outcomes import Failed, FailureCode
from stepiq.redaction.masking import with_masked_host

_CONNECT = timedelta(seconds=10)
_ADVICE = {
    FailureKind.NAME: "Check the host in `url`.",
    FailureKind.NO_DNS: "Check the host in `url`, and the DNS servers of the machine that runs stepIQ, or try again later.",
    FailureKind.CONNECT: "Check `url`, and that the server is running.",
    FailureKind.TLS: "Renew the certificate of the server, or correct the host in `url`.",
    FailureKind.NO_TLS: "Write `http://` instead of `https://` in `url`, or correct the port.",
    FailureKind.HANDSHAKE: "The server must support TLS 1.2 or 1.3, and must not demand a client certificate.",
    FailureKind.TIMEOUT: "Raise `timeout_seconds`, or try again later.",
    FailureKind.PROTOCOL: "Check that `url` is the address of an HTTP server, or try again later.",
    FailureKind.REDIRECTS: "Set `url` to the final address.",
}


async def call_http(call: Call, request: CallHttp) -> HttpReply:
    """Send the request once, and follow redirects."""
    limit = request.timeout

    async def shown(message: str) -> str:
        return await with_masked_host(message, request.url, call.secrets.masker)

    try:
        reply = await call.dependencies.http.send(
            request.method,
            request.url,
            headers={
                **request.headers,
                "Idempotency-Key": call.key,
                **_trace_context(call, request),
            },
            content=request.content,
            timeouts=Timeouts(connect=min(_CONNECT, limit), read=limit, total=limit),
            max_bytes=request.max_bytes,
            max_redirects=request.max_redirects,
            permit=call.permit,
        )
    except (EgressBlocked, SecretHostRefused) as error:
        failed = Failed(FailureCode(error.code), await shown(error.message), field="url")
        raise OperationFailed(failed) from error
    except RequestInvalid as error:
        raise OperationFailed(Failed(FailureCode.HTTP_ERROR, error.message)) from error
    if isinstance(reply, NetworkFailure):
        message = f"{await shown(reply.message)} {_ADVICE[reply.kind]}"
        raise OperationFailed(Failed(FailureCode.HTTP_ERROR, message, is_retryable=True))
    call.operation.outcome = str(reply.status_code)
    return HttpReply(reply.status_code, headers_of(reply.headers), reply.body, reply.is_cut)


def headers_of(headers: httpx2.Headers) -> dict[str, str]:
    """The headers of a response. Values of the same name are joined, as `headers[name]` does."""
    # Each `headers[name]` reads all headers, so `dict(headers)` takes quadratic time.
    values: dict[str, list[str]] = {}
    for name, value in headers.multi_items():
        values.setdefault(name, []).append(value)
    return {name: ", ".join(each) for name, each in values.items()}


def _trace_context(call: Call, request: CallHttp) -> dict[str, str]:
    """The span of the call, in which the called server can continue the trace, if the server exports traces."""
    is_given = any(name.lower() == trace_context.TRACEPARENT for name in request.headers)
    if is_given or not call.dependencies.exports_traces:
        return {}
    header = trace_context.header(call.run.id, call.run.parent, call.operation.id)
    return {trace_context.TRACEPARENT: header}
