"""What each vendor is sent for files, tools and their results, and how its tool calls are read."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from stepiq.providers.base import (
    CallProgress,
    Finished,
    Model,
    ModelRequest,
    ProviderError,
    ReasoningDelta,
)
from stepiq.providers.parts import (
    FilePart,
    Message,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCall,
    ToolResult,
)
from tests.providers.conftest import Configure, Spoken, speaking
from tests.support.anthropic_server import AnthropicServer
from tests.support.fake_provider import RunningFakeProvider
from tests.support.gemini_server import GeminiServer
from tests.support.vendor_server import Seen, event

DATA = base64.b64encode(b"pixels").decode()
IMAGE = FilePart(f"data:image/png;base64,{DATA}", "image/png")
LINKED = FilePart("https://shop.example/a.png", "image/png")
PDF = FilePart(f"data:application/pdf;base64,{DATA}", "application/pdf", "order.pdf")
LINKED_PDF = FilePart("https://shop.example/a.pdf", "application/pdf", "order.pdf")
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
TOOL = Tool("get_order", "Reads an order.", SCHEMA)
CALL = ToolCall("call00001", "get_order", {"id": "7"})
OTHER = ToolCall("call00002", "get_order", {"id": "8"})
CONVERSATION = ModelRequest(
    (
        Message("user", (TextPart("Where are they?"),)),
        Message("assistant", (ReasoningPart("Two."), TextPart("I look."), CALL, OTHER)),
        Message(
            "user",
            (
                ToolResult("call00001", "get_order", "on its way"),
                ToolResult("call00002", "get_order", "not found", is_error=True),
            ),
        ),
    ),
    tools=(TOOL,),
)
FUNCTION = {"name": "get_order", "description": "Reads an order.", "parameters": SCHEMA}


def looking_at(*files: FilePart) -> ModelRequest:
    return ModelRequest((Message("user", (TextPart("What is it?"), *files)),))


async def answer(model: Model, asked: ModelRequest) -> Finished:
    items = [item async for item in model.stream(asked)]
    last = items[-1]
    assert isinstance(last, Finished)
    return last


async def problem(model: Model, asked: ModelRequest) -> str:
    with pytest.raises(Exception, match="cannot get a file") as caught:
        await answer(model, asked)
    return str(caught.value)


class TestChatCompletions:
    @pytest.fixture
    def model(self, openai: Model) -> Model:
        return openai

    async def test_images_are_sent_as_they_are(
        self, model: Model, fake_provider: RunningFakeProvider
    ):
        await answer(model, looking_at(IMAGE, LINKED))

        assert fake_provider.requests[-1].body["messages"] == [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": IMAGE.url}},
                    {"type": "image_url", "image_url": {"url": "https://shop.example/a.png"}},
                ],
            }
        ]

    async def test_openai_gets_the_content_of_other_files(
        self, model: Model, fake_provider: RunningFakeProvider
    ):
        await answer(model, looking_at(PDF))

        sent = fake_provider.requests[-1].body["messages"][0]["content"][1]
        assert sent == {"type": "file", "file": {"filename": "order.pdf", "file_data": PDF.url}}
        assert "Send its content" in await problem(model, looking_at(LINKED_PDF))

    async def test_other_servers_get_images_only(
        self, configured: Configure, fake_provider: RunningFakeProvider
    ):
        model = configured(ollama_base_url=fake_provider.url).resolve("ollama/llama3.2")

        assert "`application/pdf`. Send images" in await problem(model, looking_at(PDF))

    async def test_a_conversation_with_tools(
        self, model: Model, fake_provider: RunningFakeProvider
    ):
        await answer(model, CONVERSATION)

        body = fake_provider.requests[-1].body
        assert body["tools"] == [{"type": "function", "function": FUNCTION}]
        assert body["messages"][1:] == [
            {
                "role": "assistant",
                "content": "I look.",
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {
                            "name": "get_order",
                            "arguments": json.dumps(call.arguments, separators=(",", ":")),
                        },
                    }
                    for call in (CALL, OTHER)
                ],
            },
            {"role": "tool", "tool_call_id": "call00001", "content": "on its way"},
            {"role": "tool", "tool_call_id": "call00002", "content": "Error: not found"},
        ]

    async def test_calls_without_text_have_no_content(
        self, model: Model, fake_provider: RunningFakeProvider
    ):
        await answer(model, ModelRequest((Message("assistant", (CALL,)),)))

        assert fake_provider.requests[-1].body["messages"][0]["content"] is None

    async def test_text_beside_results_follows_them(
        self, model: Model, fake_provider: RunningFakeProvider
    ):
        turn = Message("user", (TextPart("Hurry."), ToolResult("call00001", "get_order", "x")))
        await answer(model, ModelRequest((turn,)))

        assert fake_provider.requests[-1].body["messages"] == [
            {"role": "tool", "tool_call_id": "call00001", "content": "x"},
            {"role": "user", "content": "Hurry."},
        ]

    async def test_mistral_gets_addresses_of_documents(self, configured: Configure):
        async with speaking("mistral", configured) as mistral:
            await answer(mistral.model, replace(looking_at(LINKED_PDF), tools=(TOOL,)))

            assert mistral.server.last.body["messages"][0]["content"][1] == {
                "type": "document_url",
                "document_url": "https://shop.example/a.pdf",
                "document_name": "order.pdf",
            }


class TestEveryVendor:
    async def test_a_conversation_with_tools_is_accepted(self, spoken: Spoken):
        finished = await answer(spoken.model, CONVERSATION)

        sent = json.dumps(spoken.server.last.body)
        assert finished.parts == (TextPart("echo: hello"),)
        for text in ("Reads an order.", "Where are they?", "I look.", "on its way", "not found"):
            assert text in sent

    async def test_an_image_is_sent(self, spoken: Spoken):
        await answer(spoken.model, looking_at(IMAGE))

        assert DATA in json.dumps(spoken.server.last.body)

    async def test_files_count_with_what_is_sent(self, spoken: Spoken):
        progress = CallProgress()
        stream = spoken.model.stream(looking_at(IMAGE), progress)
        await anext(stream)
        await stream.aclose()

        assert progress.usage().input_tokens >= len("What is it?") + len(DATA)


def block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    """The events of one block of Anthropic's answer."""
    kind = "content_block"
    start = {"type": f"{kind}_start", "index": index, kind: block}
    pieces = [{"type": f"{kind}_delta", "index": index, "delta": delta} for delta in deltas]
    stop = {"type": f"{kind}_stop", "index": index}
    return [event(each, each["type"]) for each in (start, *pieces, stop)]


class TestAnthropic:
    async def test_its_blocks_become_parts_that_it_gets_back(self, configured: Configure):
        async with speaking("anthropic", configured) as spoken:
            assert isinstance(spoken.server, AnthropicServer)
            begin, _, *_, ending, end = self.plain(spoken)
            thinking = [
                {"type": "thinking_delta", "thinking": "Hm."},
                {"type": "signature_delta", "signature": "c2lnbmVk"},
            ]
            inputs = [
                {"type": "input_json_delta", "partial_json": text} for text in ('{"id"', ': "7"}')
            ]
            tool = {"type": "tool_use", "id": "toolu_1", "name": "get_order", "input": {}}
            spoken.server.events = [
                begin,
                *block(0, {"type": "thinking", "thinking": "", "signature": ""}, *thinking),
                *block(1, tool, *inputs),
                ending.replace(b"end_turn", b"tool_use"),
                end,
            ]
            asked = ModelRequest((Message.of_text("user", "Where is 7?"),), tools=(TOOL,))

            items = [item async for item in spoken.model.stream(asked)]

            assert items[0] == ReasoningDelta("Hm.")
            finished = items[-1]
            assert isinstance(finished, Finished)
            reasoning, call = finished.parts
            assert isinstance(reasoning, ReasoningPart)
            assert isinstance(call, ToolCall)
            assert (reasoning.text, finished.finish_reason) == ("Hm.", "tool_call")
            assert replace(call, details={}) == ToolCall("toolu_1", "get_order", {"id": "7"})
            spoken.server.events = None
            await answer(spoken.model, self.back(asked, finished))
            turns = spoken.server.last.body["messages"]
            assert turns[1]["content"] == [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
                {**tool, "input": {"id": "7"}},
            ]
            assert turns[2]["content"][0]["is_error"] is True

    def plain(self, spoken: Spoken) -> list[bytes]:
        return list(spoken.server.made_of(Seen("POST", "", {}, {}, {"model": "claude"})))

    def back(self, asked: ModelRequest, finished: Finished) -> ModelRequest:
        result = ToolResult("toolu_1", "get_order", "not found", is_error=True)
        turns = (Message("assistant", finished.parts), Message("user", (result,)))
        return replace(asked, messages=asked.messages + turns)

    async def test_arguments_that_are_not_json_fail_the_call(self, configured: Configure):
        async with speaking("anthropic", configured) as spoken:
            begin, _, *_, ending, end = self.plain(spoken)
            tool = {"type": "tool_use", "id": "toolu_1", "name": "get_order", "input": {}}
            inputs = {"type": "input_json_delta", "partial_json": '{"id"'}
            spoken.server.events = [begin, *block(0, tool, inputs), ending, end]
            asked = ModelRequest((Message.of_text("user", "Where is 7?"),), tools=(TOOL,))

            with pytest.raises(ProviderError, match="an invalid call of the tool `get_order`"):
                await answer(spoken.model, asked)

    async def test_it_fetches_files_itself(self, configured: Configure):
        async with speaking("anthropic", configured) as spoken:
            await answer(spoken.model, looking_at(LINKED, LINKED_PDF, PDF))

            content = spoken.server.last.body["messages"][0]["content"]
            assert [each["type"] for each in content] == ["text", "image", "document", "document"]
            assert content[1]["source"] == {"type": "url", "url": "https://shop.example/a.png"}


class TestGoogle:
    async def test_its_calls_become_parts_that_it_gets_back(self, configured: Configure):
        async with speaking("google", configured) as spoken:
            assert isinstance(spoken.server, GeminiServer)
            signature = base64.b64encode(b"signed").decode()
            part = {"functionCall": {"name": "get_order", "args": {"id": "7"}}}
            chunk = spoken.server._chunk("gemini", [{**part, "thoughtSignature": signature}], 9)
            chunk["candidates"][0]["finishReason"] = "STOP"
            spoken.server.events = [event(chunk)]
            asked = ModelRequest((Message.of_text("user", "Where is 7?"),), tools=(TOOL,))

            finished = await answer(spoken.model, asked)

            (call,) = finished.parts
            assert isinstance(call, ToolCall)
            assert (call.name, call.arguments) == ("get_order", {"id": "7"})
            spoken.server.events = None
            result = ToolResult(call.id, "get_order", "on its way")
            turns = (Message("assistant", (call,)), Message("user", (result,)))
            await answer(spoken.model, replace(asked, messages=asked.messages + turns))
            contents = spoken.server.last.body["contents"]
            assert contents[1]["parts"][0]["thoughtSignature"] == signature
            assert contents[2]["parts"][0]["functionResponse"]["name"] == "get_order"

    @pytest.mark.parametrize("file", [LINKED, LINKED_PDF])
    async def test_addresses_are_refused_because_its_library_would_fetch_them(
        self, configured: Configure, file: FilePart
    ):
        async with speaking("google", configured) as spoken:
            assert "Send its content" in await problem(spoken.model, looking_at(file))
            assert spoken.server.seen == []


@pytest.mark.parametrize("vendor", ["anthropic", "google"])
class TestLibraries:
    async def test_other_types_of_files_are_refused(self, configured: Configure, vendor: str):
        file = FilePart(f"data:text/csv;base64,{DATA}", "text/csv")
        async with speaking(vendor, configured) as spoken:
            assert "`text/csv`. Send an image or a PDF" in await problem(
                spoken.model, looking_at(file)
            )

    @pytest.mark.parametrize("url", ["data:image/png;base64,%", "data:image/png,x"])
    async def test_content_that_is_not_base64_is_refused(
        self, configured: Configure, vendor: str, url: str
    ):
        async with speaking(vendor, configured) as spoken:
            found = await problem(spoken.model, looking_at(FilePart(url, "image/png")))

        assert "base64" in found
