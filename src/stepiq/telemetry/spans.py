"""Maps runs to spans: the only module that knows the names of OpenTelemetry's semantic conventions for traces.

Model calls follow the conventions for generative AI, HTTP calls those for HTTP clients. What has no convention begins
with `stepiq.`. Prompts, answers, URLs and messages of errors are content, which is exported only on request. All of it is
read from rows in which secrets are masked.
"""

import json
from collections.abc import Generator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from stepiq.core.control_characters import storable
from stepiq.core.json import Json
from stepiq.core.observability import trace_context
from stepiq.core.observability.trace_context import SpanOf
from stepiq.store.states import (
    FINAL_STEP_STATUSES,
    OperationKind,
    OperationStatus,
    RunStatus,
    StepStatus,
    is_draft_version,
)
from stepiq.telemetry.attributes import Value, attributes
from stepiq.telemetry.records import CONTENT_CHARACTERS, TracedOperation, TracedRun, TracedStep

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PROVIDERS = {"google": "gcp.gemini", "mistral": "mistral_ai"}
"""Names of providers in the conventions, where they differ from ours."""
_FIRST_ERROR_STATUS = 400
_OF_REMOTE_PARENT = 0x301
_OF_LOCAL_PARENT = 0x101
"""Flags of a span: it is sampled, and it is known whether its parent is in another program."""
_CUT = "…"


def spans_of(run: TracedRun, *, content: bool) -> Generator[Span]:
    """The spans of a run, each after its parent."""
    tree = _Tree(run, content)
    yield tree.root()
    around: dict[str, bytes] = {}
    for step in run.steps:
        # The last step of the sequence that contains a branch is the step that the branch belongs to.
        parent = around.get(step.branch.rpartition("/")[0]) if step.branch else None
        parent = tree.root_id if parent is None else parent
        if step.is_reused:
            # The run that executed it has its span.
            around[step.branch] = parent
            continue
        span = tree.step(step, parent)
        around[step.branch] = span.span_id
        yield span
        for operation in step.operations:
            yield tree.operation(step, operation, span.span_id)


class _Tree:
    """The spans of one run."""

    def __init__(self, run: TracedRun, content: bool) -> None:
        self._run = run
        self._content = content
        self._trace_id = trace_context.trace_id(run.id, run.parent)
        self.root_id = trace_context.span_id(SpanOf.RUN, run.id)

    def root(self) -> Span:
        run, parent = self._run, self._run.parent
        span = Span(
            trace_id=self._trace_id,
            span_id=self.root_id,
            name=f"run {run.pipeline_slug}",
            # A run is queued, and executed later than the request that started it.
            kind=Span.SPAN_KIND_CONSUMER,
            start_time_unix_nano=_nanoseconds(run.created_at),
            end_time_unix_nano=_nanoseconds(run.completed_at),
            attributes=attributes(self._of_run()),
            status=_status(run.status == RunStatus.FAILED, run.error),
        )
        if parent is not None and parent.is_sampled:
            span.parent_span_id, span.flags = parent.span_id, _OF_REMOTE_PARENT
        elif parent is not None:
            # Its program has not recorded its span, so the run has a trace of its own.
            span.links.append(_link(parent.trace_id, parent.span_id))
        if run.retry_of is not None:
            retried = trace_context.trace_id(run.retry_of, run.retried_parent)
            span.links.append(_link(retried, trace_context.span_id(SpanOf.RUN, run.retry_of)))
        if run.started_at is not None:
            time = _nanoseconds(run.started_at)
            span.events.append(Span.Event(name="stepiq.run.started", time_unix_nano=time))
        return span

    def _of_run(self) -> Mapping[str, Value]:
        run = self._run
        return {
            "stepiq.run.id": str(run.id),
            "stepiq.run.status": run.status,
            "stepiq.run.trigger": run.trigger_type,
            "stepiq.run.retry_of": None if run.retry_of is None else str(run.retry_of),
            "stepiq.run.reused_steps": sum(step.is_reused for step in run.steps) or None,
            "stepiq.workspace.id": str(run.workspace_id),
            "stepiq.pipeline.slug": run.pipeline_slug,
            # The number of a draft says nothing.
            "stepiq.pipeline.version": None
            if is_draft_version(run.pipeline_version)
            else run.pipeline_version,
            "stepiq.pipeline.is_draft": is_draft_version(run.pipeline_version) or None,
            # Other names than in the spans of calls, so that backends do not count tokens twice.
            "stepiq.run.input_tokens": run.input_tokens or None,
            "stepiq.run.output_tokens": run.output_tokens or None,
            "stepiq.run.cost_usd": run.cost_usd_micros / 1e6 if run.cost_complete else None,
            **self._failure(run.error),
        }

    def step(self, step: TracedStep, parent: bytes) -> Span:
        end = step.completed_at or self._run.completed_at
        is_cut_off = step.status not in FINAL_STEP_STATUSES
        return Span(
            trace_id=self._trace_id,
            span_id=trace_context.span_id(SpanOf.STEP, step.id),
            parent_span_id=parent,
            flags=_OF_LOCAL_PARENT,
            name=f"step {step.step_id}",
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=_nanoseconds(step.started_at or end),
            end_time_unix_nano=_nanoseconds(end),
            attributes=attributes(
                {
                    "stepiq.run.id": str(self._run.id),
                    "stepiq.step.id": step.step_id,
                    "stepiq.step.name": step.name,
                    "stepiq.step.type": step.type,
                    "stepiq.step.status": StepStatus.CANCELLED if is_cut_off else step.status,
                    "stepiq.step.iteration": step.iteration,
                    "stepiq.step.branch": step.branch or None,
                    "stepiq.step.attempts": step.attempts,
                    "stepiq.step.output": _text_of(step.output),
                    **self._failure(step.error),
                }
            ),
            status=_status(step.status == StepStatus.FAILED, step.error),
        )

    def operation(self, step: TracedStep, operation: TracedOperation, parent: bytes) -> Span:
        name, kind, own = self._kind(step, operation)
        end = operation.ended_at or step.completed_at or self._run.completed_at
        span = Span(
            trace_id=self._trace_id,
            span_id=trace_context.span_id(SpanOf.OPERATION, operation.id),
            parent_span_id=parent,
            flags=_OF_LOCAL_PARENT,
            name=name,
            kind=kind,
            start_time_unix_nano=_nanoseconds(operation.started_at or operation.queued_at),
            end_time_unix_nano=_nanoseconds(end),
            attributes=attributes(
                {
                    "stepiq.run.id": str(self._run.id),
                    "stepiq.step.id": step.step_id,
                    "stepiq.operation.kind": operation.kind,
                    "stepiq.operation.status": operation.status,
                    "stepiq.operation.attempt": operation.attempt,
                    "stepiq.operation.number": operation.number,
                    "stepiq.operation.starts": operation.starts if operation.starts > 1 else None,
                    **own,
                    **self._failure(operation.error),
                }
            ),
            status=_status(operation.status == OperationStatus.FAILED, operation.error),
        )
        if _has_error_status(operation):
            span.status.code = Status.STATUS_CODE_ERROR
        if operation.first_piece_at is not None:
            time = _nanoseconds(operation.first_piece_at)
            span.events.append(Span.Event(name="stepiq.first_piece", time_unix_nano=time))
        return span

    def _kind(
        self, step: TracedStep, operation: TracedOperation
    ) -> tuple[str, "Span.SpanKind.ValueType", Mapping[str, Value]]:
        """Name, kind and own attributes of the span of an operation."""
        match operation.kind:
            case OperationKind.MODEL_CALL:
                model = _name_of(operation.model) or "model"
                content = _messages(step, operation) if self._content else {}
                return f"chat {model}", Span.SPAN_KIND_CLIENT, _of_model(operation) | content
            case OperationKind.HTTP_CALL:
                method = str(operation.method or "HTTP")
                own = _of_http(operation, method, content=self._content)
                return method, Span.SPAN_KIND_CLIENT, own
            case _:
                return operation.kind, Span.SPAN_KIND_INTERNAL, {}

    def _failure(self, error: dict[str, Json] | None) -> dict[str, Value]:
        if error is None:
            return {}
        message = _cut(str(error.get("message", ""))) if self._content else None
        return {"error.type": str(error.get("code")), "stepiq.error.message": message}


def provider_name(provider: str) -> str:
    """The name of one of our providers in the conventions for generative AI."""
    return _PROVIDERS.get(provider, provider)


def _of_model(operation: TracedOperation) -> dict[str, Value]:
    name = (operation.model or "").partition("/")[0]
    provider = provider_name(name) if name else None
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        # The name of the same attribute in earlier versions of the conventions.
        "gen_ai.system": provider,
        "gen_ai.request.model": _name_of(operation.model),
        "gen_ai.request.temperature": _number(operation.temperature),
        "gen_ai.request.max_tokens": _whole(operation.max_tokens),
        "gen_ai.response.model": operation.reported_model,
        "gen_ai.response.finish_reasons": None
        if operation.outcome is None
        else [operation.outcome],
        "gen_ai.usage.input_tokens": operation.input_tokens,
        "gen_ai.usage.output_tokens": operation.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": operation.cached_tokens or None,
        "stepiq.usage.is_estimated": operation.tokens_estimated or None,
        "stepiq.cost_usd": None if operation.cost is None else sum(operation.cost.values()) / 1e6,
        "stepiq.paid_by": operation.paid_by,
    }


def _of_http(operation: TracedOperation, method: str, *, content: bool) -> dict[str, Value]:
    url = _split(operation.url)
    own: dict[str, Value] = {
        "http.request.method": method,
        "http.response.status_code": _whole(operation.outcome),
        "http.request.resend_count": operation.attempt - 1 or None,
    }
    if url is not None:
        own |= {
            "url.scheme": url.scheme,
            "server.address": url.hostname,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
        }
        if content:
            # Queries often contain credentials that are not secrets of stepIQ.
            host = url.netloc.rpartition("@")[2]
            own["url.full"] = _cut(f"{url.scheme}://{host}{url.path}")
    if _has_error_status(operation):
        own["error.type"] = operation.outcome
    return own


def _messages(step: TracedStep, operation: TracedOperation) -> dict[str, Value]:
    """What was sent to a model and what it answered, in the JSON format of the conventions."""
    sent = [("user", operation.prompt or step.prompt), *_turns(operation.messages)]
    answer = operation.answer
    if answer is None and operation is step.operations[-1]:
        # The reply to the last call is the output of the step.
        answer = _text_of(step.output)
    system_prompt = operation.system_prompt or step.system_prompt
    reason = operation.outcome or "stop"
    return {
        "gen_ai.system_instructions": None
        if system_prompt is None
        else json.dumps(_parts(system_prompt), ensure_ascii=False),
        "gen_ai.input.messages": json.dumps(
            [{"role": role, "parts": _parts(text)} for role, text in sent if text is not None],
            ensure_ascii=False,
        ),
        "gen_ai.output.messages": None
        if answer is None or operation.status != OperationStatus.COMPLETED
        else json.dumps(
            [{"role": "assistant", "parts": _parts(answer), "finish_reason": reason}],
            ensure_ascii=False,
        ),
    }


def _parts(text: Any) -> list[dict[str, str]]:
    return [{"type": "text", "content": _cut(str(text))}]


def _name_of(model: str | None) -> str | None:
    """The provider's name of a model: `gpt-4o` of `openai/gpt-4o`."""
    return None if model is None else model.partition("/")[2] or model


def _has_error_status(operation: TracedOperation) -> bool:
    is_http = operation.kind == OperationKind.HTTP_CALL
    return is_http and (_whole(operation.outcome) or 0) >= _FIRST_ERROR_STATUS


def _split(url: Any) -> SplitResult | None:
    """The parts of a recorded URL; None if it has no usable host, such as a masked one."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _turns(messages: str | None) -> list[tuple[str, str]]:
    """The earlier turns of a call; none if their JSON was cut off."""
    try:
        turns: list[dict[str, str]] = json.loads(messages or "[]")
    except ValueError:
        return []
    return [(turn["role"], turn["text"]) for turn in turns]


def _text_of(output: str | None) -> str | None:
    """An output from its JSON text: a string as it is, other values as JSON."""
    if output is None:
        return None
    is_whole = len(output) <= CONTENT_CHARACTERS
    if not is_whole or not output.startswith('"'):
        return _cut(output)
    return _cut(str(json.loads(output)))


def _cut(text: str) -> str:
    text = storable(text)
    return text if len(text) <= CONTENT_CHARACTERS else text[:CONTENT_CHARACTERS] + _CUT


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _status(has_failed: bool, error: dict[str, Json] | None) -> Status:
    if not has_failed:
        return Status()
    return Status(code=Status.STATUS_CODE_ERROR, message=str((error or {}).get("code", "")))


def _link(trace_id: bytes, span_id: bytes) -> Span.Link:
    return Span.Link(trace_id=trace_id, span_id=span_id)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000
