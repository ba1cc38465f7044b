"""Tool calls and thoughts in streamed answers of the Chat Completions protocol."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepiq.providers import bounds, streams
from stepiq.providers.base import (
    CallProgress,
    Delta,
    Finished,
    Model,
    ProviderError,
    ReasoningDelta,
)
from stepiq.providers.openai.answer import ENDINGS, ChatAnswer
from stepiq.providers.openai.tool_calls import MAX_CALLS, CallReader
from stepiq.providers.parts import ReasoningPart, TextPart, ToolCall
from stepiq.providers.places import FailurePlace
from tests.providers.conftest import ask, failure, request
from tests.support.chat_server import CompatibleServer, chunk_event
from tests.support.vendor_server import event

PLACE = FailurePlace("mine", "Mine", "http://127.0.0.1", None, "url", protocol="p", usual_end="")


def call(
    arguments: Any = None, *, index: Any = None, call_id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    """A piece of a tool call, with only the given fields."""
    function = {"name": name, "arguments": arguments}
    fields = {"index": index, "id": call_id}
    return {key: value for key, value in fields.items() if value is not None} | {
        "function": {key: value for key, value in function.items() if value is not None}
    }


def delta(ending: str | None = None, /, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": fields, "finish_reason": ending}
    return event({"model": "llama", "choices": [choice]})


def calls(*pieces: dict[str, Any]) -> list[bytes]:
    """A stream with these pieces, one in each event."""
    return [*(delta(tool_calls=[piece]) for piece in pieces), delta("tool_calls")]


def read(*pieces: dict[str, Any]) -> list[tuple[str, str, str]]:
    reader = CallReader()
    for piece in pieces:
        reader.take(piece)
    return [(each.id, each.name, cast(str, each.arguments)) for each in reader.calls()]


class TestCallReader:
    def test_the_pieces_of_several_calls_arrive_mixed(self):
        found = read(
            call("", index=0, call_id="a", name="add"),
            call("", index=1, call_id="b", name="sub"),
            call('{"x"', index=1),
            call('{"y"', index=0),
            call(": 1}", index=0),
            call(": 2}", index=1),
        )

        assert found == [("a", "add", '{"y": 1}'), ("b", "sub", '{"x": 2}')]

    def test_without_positions_a_name_or_an_id_begins_a_call(self):
        found = read(
            call("{", name="add"),
            call("}"),
            call("{", call_id="b"),
            call("}"),
            call("{}", name="c"),
        )

        assert found == [("call_1", "add", "{}"), ("b", "", "{}"), ("call_3", "c", "{}")]

    def test_whole_calls_with_the_same_position_are_different_calls(self):
        found = read(
            call("{}", index=0, call_id="a", name="add"),
            call("{}", index=0, call_id="b", name="add"),
        )

        assert found == [("a", "add", "{}"), ("b", "add", "{}")]

    def test_an_id_that_is_repeated_belongs_to_the_same_call(self):
        found = read(
            call("{", call_id="a", name="add"),
            call("{", call_id="b", name="sub"),
            call("}", call_id="a", name="add"),
            call("}", call_id="b", name="sub"),
        )

        assert found == [("a", "add", "{}"), ("b", "sub", "{}")]

    def test_an_id_may_arrive_after_the_name(self):
        found = read(call("{", index=0, name="add"), call("}", index=0, call_id="a"))

        assert found == [("a", "add", "{}")]

    def test_arguments_may_be_an_object(self):
        assert read(call({"x": [1]}, call_id="a", name="add")) == [("a", "add", '{"x":[1]}')]

    def test_fields_of_other_types_are_ignored(self):
        pieces: list[Any] = [{"index": "0", "id": 7, "function": None}, {"function": {"name": []}}]

        assert read(*pieces) == [("call_1", "", "")]


class TestAnswers:
    async def test_calls_are_parts_of_the_answer(self, server: CompatibleServer, model: Model):
        server.events = [
            chunk_event("I look it up."),
            *calls(
                call('{"id": "', index=0, call_id="a", name="get"),
                call('7 \\u00e9"}', index=0),
                call("", index=1, call_id="b", name="now"),
            ),
        ]

        finished = await ask(model)

        assert finished.parts == (
            TextPart("I look it up."),
            ToolCall("a", "get", {"id": "7 é"}),
            ToolCall("b", "now", {}),
        )
        assert (finished.text, finished.finish_reason) == ("I look it up.", "tool_call")

    async def test_several_calls_in_one_event(self, server: CompatibleServer, model: Model):
        both = [call("{}", call_id="a", name="x"), call("{}", call_id="b", name="y")]
        server.events = [delta("tool_calls", tool_calls=both)]

        assert (await ask(model)).parts == (ToolCall("a", "x", {}), ToolCall("b", "y", {}))

    @pytest.mark.parametrize(
        "arguments", ["{", "[1]", '"text"', "{} {}", '{"a": NaN}', '{"a": "\\u0000"}', "[" * 5_000]
    )
    async def test_arguments_that_are_not_a_json_object_fail_the_call(
        self, server: CompatibleServer, model: Model, arguments: str
    ):
        server.events = calls(call(arguments, call_id="a", name="get_order"))

        error = await failure(model)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "sent an invalid call of the tool `get_order`. " in error.message

    async def test_a_call_without_a_name_fails(self, server: CompatibleServer, model: Model):
        server.events = calls(call("{}", call_id="a"))

        assert "The name of the tool is missing." in (await failure(model)).message

    async def test_a_call_that_is_cut_off_at_the_limit_says_so(
        self, server: CompatibleServer, model: Model
    ):
        piece = call('{"text": "to', call_id="a", name="write")
        server.events = [delta(tool_calls=[piece]), delta("length")]

        error = await failure(model)

        assert "reached the limit of tokens within its call of the tool `write`" in error.message
        assert (error.retryable, "Set a higher `max_tokens`" in error.message) == (False, True)

    async def test_too_many_calls_fail(self, server: CompatibleServer, model: Model):
        server.events = [delta(tool_calls=[call(index=n) for n in range(MAX_CALLS + 1)])]

        assert f"called more than {MAX_CALLS} tools" in (await failure(model)).message

    @pytest.mark.parametrize("field", ["arguments", "reasoning", "refusal"])
    async def test_what_is_not_text_is_limited_in_size_too(
        self, server: CompatibleServer, model: Model, field: str
    ):
        text = "x" * 100_000
        piece: dict[str, Any] = {field: text}
        if field == "arguments":
            piece = {"tool_calls": [call(text, index=0)]}
        server.events = [delta(**piece)] * 20

        assert (await failure(model)).code == "output_too_large"

    async def test_unreported_tokens_of_calls_are_estimated(
        self, server: CompatibleServer, model: Model
    ):
        server.events = calls(call(json.dumps({"text": "x" * 400}), call_id="a", name="write"))

        usage = (await ask(model)).usage

        assert usage.estimated
        assert usage.output_tokens >= 100


class TestReasoning:
    @pytest.mark.parametrize(
        "thoughts",
        [
            [{"reasoning_content": "Hm, "}, {"reasoning_content": "2."}],
            [{"reasoning": "Hm, "}, {"reasoning": "2."}],
            [{"reasoning": "Hm, 2.", "reasoning_content": "Hm, 2."}],
            [
                {"content": "<think>"},
                {"content": "Hm, "},
                {"content": "2."},
                {"content": "</think>"},
            ],
            [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm, 2."}]}]}],
        ],
        ids=["zai", "ollama", "both", "tags", "mistral"],
    )
    async def test_it_is_kept_apart_from_the_text(
        self, server: CompatibleServer, model: Model, thoughts: list[dict[str, Any]]
    ):
        server.events = [*(delta(**each) for each in thoughts), chunk_event("4", "stop")]

        items = [item async for item in model.stream(request())]

        thought = "".join(item.text for item in items if isinstance(item, ReasoningDelta))
        assert thought == "Hm, 2."
        finished = items[-1]
        assert isinstance(finished, Finished)
        assert finished.parts == (ReasoningPart("Hm, 2."), TextPart("4"))
        assert [item for item in items if isinstance(item, Delta)] == [Delta("4")]

    async def test_a_character_cut_in_two_becomes_whole(
        self, server: CompatibleServer, model: Model
    ):
        server.events = [
            delta(reasoning="a\ud83d"),
            delta(reasoning="\ude00"),
            chunk_event("4", "stop"),
        ]

        items = [item async for item in model.stream(request())]

        assert items[:2] == [ReasoningDelta("a"), ReasoningDelta("\U0001f600")]


class Response:
    """A response whose body arrives in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def whole(*pieces: bytes) -> Finished:
    progress = CallProgress()
    answer = ChatAnswer(cast(Any, Response(*pieces)), PLACE, str, ENDINGS)
    async for piece in streams.pieces(answer):
        if isinstance(piece, str):
            progress.add(piece)
        else:
            progress.count(piece.text)
        # As in a connection.
        if progress.size_bytes > bounds.MAX_ANSWER_BYTES:
            raise bounds.answer_too_large(PLACE)
    return streams.finished(answer.ending(), progress, PLACE, str, says_why=False)


STREAM = b"".join(
    [
        b": ping\r\n\r\n",
        delta(reasoning_content="Hm, \u00e9\U0001f600."),
        chunk_event("<think>"),
        chunk_event("so"),
        chunk_event("</think>"),
        chunk_event("I look it up: \U0001f600").replace(b"\n\n", b"\r\n\r\n"),
        *calls(
            call('{"id": "', index=0, call_id="a", name="get"),
            call("{}", index=1, call_id="b", name="now"),
            call('\u00e97"}', index=0),
        ),
        event("[DONE]"),
    ]
)
WHOLE = (
    ReasoningPart("Hm, \u00e9\U0001f600.so"),
    TextPart("I look it up: \U0001f600"),
    ToolCall("a", "get", {"id": "\u00e97"}),
    ToolCall("b", "now", {}),
)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=40))
@example(cuts=list(range(len(STREAM))))
@settings(deadline=None)
async def test_any_split_of_a_stream_gives_the_same_answer(cuts: list[int]):
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(places)]

    assert (await whole(*pieces)).parts == WHOLE


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
FUNCTIONS = VALUES | st.fixed_dictionaries({}, optional={"name": VALUES, "arguments": VALUES})
CALLS = VALUES | st.lists(
    st.fixed_dictionaries({}, optional={"index": VALUES, "id": VALUES, "function": FUNCTIONS})
)
PARTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking"])}, optional={"text": VALUES, "thinking": VALUES}
)
DELTAS = VALUES | st.fixed_dictionaries(
    {},
    optional={
        "content": VALUES | st.lists(PARTS),
        "reasoning": VALUES,
        "reasoning_content": VALUES,
        "refusal": VALUES,
        "tool_calls": CALLS,
    },
)
CHOICES = VALUES | st.lists(
    st.fixed_dictionaries({}, optional={"delta": DELTAS, "finish_reason": VALUES})
)
CHUNKS = VALUES | st.fixed_dictionaries(
    {}, optional={"choices": CHOICES, "model": VALUES, "usage": VALUES, "error": VALUES}
)


@given(chunks=st.lists(CHUNKS, max_size=5))
@settings(deadline=None)
async def test_events_of_any_shape_give_an_answer_or_a_clear_failure(chunks: list[Any]):
    # Any other exception fails the test.
    with suppress(ProviderError):
        await whole(*(event(json.dumps(each)) for each in chunks))


@given(at=st.integers(0, len(STREAM)), length=st.integers(0, 200), put=st.binary(max_size=50))
@settings(deadline=None)
async def test_damaged_bytes_give_an_answer_or_a_clear_failure(at: int, length: int, put: bytes):
    with suppress(ProviderError):
        await whole(STREAM[:at] + put + STREAM[at + length :])
