"""The `traceparent` header, and the ids of traces and spans."""

from uuid import UUID

import pytest

from stepiq.core.ids import uuid7
from stepiq.core.observability import trace_context
from stepiq.core.observability.trace_context import SpanOf

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


class TestParse:
    def test_a_valid_header_is_read(self):
        found = trace_context.parse(f"00-{TRACE}-{SPAN}-01")

        assert found is not None
        assert (found.trace_id.hex(), found.span_id.hex(), found.is_sampled) == (TRACE, SPAN, True)
        assert str(found) == f"00-{TRACE}-{SPAN}-01"

    @pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("02", False), ("03", True)])
    def test_the_lowest_flag_says_whether_it_is_sampled(self, flags: str, is_sampled: bool):
        found = trace_context.parse(f"00-{TRACE}-{SPAN}-{flags}")

        assert found is not None
        assert found.is_sampled is is_sampled

    def test_a_later_version_may_have_more_fields(self):
        found = trace_context.parse(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings")

        assert found is not None
        assert str(found) == f"00-{TRACE}-{SPAN}-01"

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            f"00-{TRACE}-{SPAN}",
            f"00-{TRACE}-{SPAN}-01-more",
            f"ff-{TRACE}-{SPAN}-01",
            f"00-{TRACE.upper()}-{SPAN}-01",
            f"00-{'0' * 32}-{SPAN}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE[:-1]}-{SPAN}-01",
            f" 00-{TRACE}-{SPAN}-01",
            f"00-{TRACE}-{SPAN}-01\n",
            f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}",
        ],
    )
    def test_an_invalid_header_is_ignored(self, header: str | None):
        assert trace_context.parse(header) is None


class TestIds:
    def test_a_run_without_a_parent_has_a_trace_with_its_id(self):
        run_id = UUID("01938e5e-0000-7000-8000-000000000001")

        assert trace_context.trace_id(run_id, None).hex() == run_id.hex

    def test_a_run_is_part_of_the_trace_of_a_sampled_parent_only(self):
        run_id = uuid7()
        sampled = trace_context.parse(f"00-{TRACE}-{SPAN}-01")
        unsampled = trace_context.parse(f"00-{TRACE}-{SPAN}-00")

        assert trace_context.trace_id(run_id, sampled).hex() == TRACE
        assert trace_context.trace_id(run_id, unsampled) == run_id.bytes

    def test_spans_of_the_same_row_have_the_same_id_in_every_process(self):
        row_id = UUID("01938e5e-0000-7000-8000-000000000001")

        assert trace_context.span_id(SpanOf.STEP, row_id).hex() == "9a0a8a91da56d88a"
        assert len({trace_context.span_id(kind, row_id) for kind in SpanOf}) == 3

    def test_the_header_for_other_servers_names_the_span_of_the_call(self):
        run_id, operation_id = uuid7(), uuid7()

        found = trace_context.parse(trace_context.header(run_id, None, operation_id))

        assert found is not None
        assert found.trace_id == run_id.bytes
        assert found.span_id == trace_context.span_id(SpanOf.OPERATION, operation_id)
        assert found.is_sampled
