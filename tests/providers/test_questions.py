from typing import Any

import pytest

from stepiq.providers.base import Message, ModelRequest
from stepiq.providers.parts import (
    FilePart,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCall,
    ToolResult,
)
from stepiq.providers.questions import most_tokens

LONG = "\U00012000" * 1_000
"""4,000 bytes. Tokenizers do not know these letters, so each can be four tokens."""
EMPTY = ModelRequest(())


class TestMostTokens:
    @pytest.mark.parametrize(
        "part",
        [
            TextPart(LONG),
            ReasoningPart(LONG),
            ReasoningPart("", {"signature": LONG}),
            ToolCall("a", LONG, {}),
            ToolCall("a", "write", {"text": LONG}),
            ToolResult("a", "write", LONG),
            FilePart(LONG, "image/png"),
        ],
        ids=lambda part: type(part).__name__,
    )
    def test_each_part_of_a_message_counts_a_token_for_each_of_its_bytes(self, part: Part):
        request = ModelRequest((Message("user", (part,)),))

        assert most_tokens(request) >= 4_000

    @pytest.mark.parametrize(
        "fields",
        [
            {"system_prompt": LONG},
            {"json_schema": {"description": LONG}},
            {"tools": (Tool(LONG, "", {}),)},
            {"tools": (Tool("write", LONG, {}),)},
            {"tools": (Tool("write", "", {"description": LONG}),)},
        ],
        ids=lambda fields: str(list(fields)),
    )
    def test_all_that_is_sent_with_the_messages_counts_too(self, fields: dict[str, Any]):
        assert most_tokens(ModelRequest((), **fields)) >= 4_000

    def test_what_providers_add_to_each_message_counts(self):
        messages = (Message.of_text("user", "x"),) * 1_000

        assert most_tokens(ModelRequest(messages)) >= most_tokens(EMPTY) + 10_000
