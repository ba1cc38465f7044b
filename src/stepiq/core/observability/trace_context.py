"""Ids of traces and spans, and the `traceparent` header of W3C Trace Context.

All ids derive from what is recorded, so that a repeated export has the same ids as the first.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

TRACEPARENT = "traceparent"
"""Name of the header."""

_VERSION = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_SPAN_ID_BYTES = 8


class SpanOf(StrEnum):
    """What a span describes. Ids of rows are unique only within their kind."""

    RUN = "run"
    STEP = "step"
    OPERATION = "operation"


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A span of another program, in which a run was started."""

    trace_id: bytes
    span_id: bytes
    is_sampled: bool
    """Whether that program may have recorded its span."""

    def __str__(self) -> str:
        return f"00-{self.trace_id.hex()}-{self.span_id.hex()}-{int(self.is_sampled):02x}"


def parse(header: str | None) -> TraceParent | None:
    """The content of a `traceparent` header; None if it is missing or invalid."""
    found = _VERSION.fullmatch(header) if header is not None and len(header) < 512 else None
    if found is None or header is None:
        return None
    trace_id, span_id, flags, rest = found.groups()
    # Version 00 has no more fields. Later versions may have.
    is_version_0_with_more = header.startswith("00") and rest is not None
    if is_version_0_with_more or not int(trace_id, 16) or not int(span_id, 16):
        return None
    is_sampled = bool(int(flags, 16) & _SAMPLED)
    return TraceParent(bytes.fromhex(trace_id), bytes.fromhex(span_id), is_sampled)


def trace_id(run_id: UUID, parent: TraceParent | None) -> bytes:
    """The trace of a run: that of a sampled parent, else the id of the run without hyphens."""
    return parent.trace_id if parent is not None and parent.is_sampled else run_id.bytes


def span_id(of: SpanOf, row_id: UUID) -> bytes:
    """The span of a row."""
    return hashlib.blake2b(row_id.bytes, digest_size=_SPAN_ID_BYTES, person=of.encode()).digest()


def header(run_id: UUID, parent: TraceParent | None, operation_id: UUID) -> str:
    """The `traceparent` header for the server that an operation of a run calls."""
    own_span = span_id(SpanOf.OPERATION, operation_id)
    return str(TraceParent(trace_id(run_id, parent), own_span, is_sampled=True))
