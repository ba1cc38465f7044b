"""Answers of servers that differ from OpenAI's."""

from dataclasses import replace
from typing import Any

import pytest

from stepiq.providers import sources
from stepiq.providers.base import CallProgress, Model, Usage
from stepiq.providers.parts import ReasoningPart
from stepiq.providers.vendors import VENDORS
from tests.providers.conftest import KEY, Configure, ask, failure
from tests.support.chat_server import CompatibleServer, chunk_event
from tests.support.vendor_server import Refusal, event


class TestTexts:
    async def test_thoughts_between_tags_are_not_part_of_the_answer(
        self, server: CompatibleServer, model: Model
    ):
        texts = ["<think>", "Hm. ", "<b>", "</think>", "4", " is <think> it."]
        server.events = [*map(chunk_event, texts), chunk_event(ending="stop")]

        assert (await ask(model)).text == "4 is <think> it."

    @pytest.mark.parametrize(
        ("texts", "answer", "thoughts"),
        [
            (["<think>", "plan\n</think>\n\nHel", "lo"], "Hello", "plan\n"),
            (["<think>\nplan", "</think>", "Hello"], "Hello", "\nplan"),
            (["<think>plan</think>Hello"], "Hello", "plan"),
            ([*"\n <think>a</b></think>\nHello <think>"], "Hello <think>", "a</b>"),
            (["<think></think>", "\n", "\nHello"], "Hello", ""),
            (["<think>a</think>\n<think>", "b</think>Hello"], "Hello", "ab"),
            ([*"<think>a</think>\n\n<think>b</think>\nHello"], "Hello", "ab"),
            (["<think></think>" * 50_000, "Hello"], "Hello", ""),
            (["<think>a</think>\n \n", "    - Hello\n    - you"], "    - Hello\n    - you", "a"),
            (["<think>a</think>", " \n "], "", "a"),
            ([" " * 1_025 + "<think>a</think>"], " " * 1_025 + "<think>a</think>", ""),
            ([" " * 1_025, "<think>a</think>"], " " * 1_025 + "<think>a</think>", ""),
            (["<think>a</think>", "\n" * 1_025, "\nb"], "\n" * 1_026 + "b", "a"),
            (["<think", "ing> is", " hard"], "<thinking> is hard", ""),
            ([" ", "\n", "Hello"], " \nHello", ""),
            (["Use <think>", "a</think>"], "Use <think>a</think>", ""),
            ([" <th"], " <th", ""),
        ],
    )
    async def test_the_tags_of_thoughts_can_be_anywhere_in_the_pieces(
        self, server: CompatibleServer, model: Model, texts, answer, thoughts
    ):
        server.events = [*map(chunk_event, texts), chunk_event(ending="stop")]

        finished = await ask(model)

        found = "".join(part.text for part in finished.parts if isinstance(part, ReasoningPart))
        assert (finished.text, found) == (answer, thoughts)

    async def test_tags_and_removed_white_space_are_counted(
        self, server: CompatibleServer, model: Model
    ):
        texts = ["\n<thi", "nk>plan</think>", "\n\n", "Hello"]
        server.events = [*map(chunk_event, texts), chunk_event(ending="stop")]
        progress = CallProgress()

        await ask(model, progress)

        assert progress.size_bytes == len("".join(texts))

    @pytest.mark.parametrize("vendor", ["openai", "mistral", "zai"])
    async def test_tags_in_the_answers_of_vendors_are_text(
        self,
        server: CompatibleServer,
        configured: Configure,
        monkeypatch: pytest.MonkeyPatch,
        vendor: str,
    ):
        url = f"{server.url}/v1"
        monkeypatch.setattr(sources, "VENDORS", [replace(each, url=url) for each in VENDORS])
        model = configured(**{f"{vendor}_api_key": KEY}).resolve(f"{vendor}/large")
        server.events = [chunk_event("<think>a</think>b"), chunk_event(ending="stop")]

        assert (await ask(model)).text == "<think>a</think>b"

    async def test_the_server_at_a_configured_address_of_a_vendor_may_send_tags(
        self, server: CompatibleServer, configured: Configure
    ):
        model = configured(openai_api_key=KEY, openai_base_url=server.url).resolve("openai/large")
        server.events = [chunk_event("<think>a</think>b"), chunk_event(ending="stop")]

        assert (await ask(model)).text == "b"

    async def test_an_answer_that_ends_within_its_thoughts_is_a_failure(
        self, server: CompatibleServer, model: Model
    ):
        server.events = [chunk_event("<think>Hm.</thi"), chunk_event(ending="stop")]

        error = await failure(model)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "ended its answer within its thoughts" in error.message

    async def test_thoughts_that_used_up_the_tokens_are_an_answer_that_was_cut_off(
        self, server: CompatibleServer, model: Model
    ):
        server.events = [chunk_event("<think>Hm.</thi"), chunk_event(ending="length")]

        finished = await ask(model)

        assert (finished.text, finished.finish_reason) == ("", "length")
        assert finished.parts == (ReasoningPart("Hm.</thi"),)

    async def test_what_has_no_content_is_skipped(self, server: CompatibleServer, model: Model):
        server.events = [
            event({"choices": []}),
            event({"choices": None, "model": None}),
            event({"choices": [None]}),
            event({"choices": [{"delta": None}]}),
            event({"choices": [{"delta": {"content": {"text": "no"}}}]}),
            b": ping\n\n",
            chunk_event("yes", "stop"),
        ]

        finished = await ask(model)

        assert (finished.text, finished.model, finished.finish_reason) == ("yes", "llama", "stop")

    async def test_an_unknown_reason_is_not_passed_on(self, server: CompatibleServer, model: Model):
        server.events = [chunk_event("yes", "eos_token")]

        assert (await ask(model)).finish_reason is None

    async def test_the_last_event_needs_no_empty_line(self, server: CompatibleServer, model: Model):
        server.events = [chunk_event("yes"), chunk_event(" sir", "stop").rstrip(b"\n")]

        assert (await ask(model)).text == "yes sir"

    async def test_a_last_event_that_was_cut_off(self, server: CompatibleServer, model: Model):
        server.events = [chunk_event("yes", "stop"), chunk_event(" sir")[:-9]]

        assert "closed the connection in the middle" in (await failure(model)).message

    async def test_a_server_that_leaves_the_connection_open_is_not_waited_for(
        self, server: CompatibleServer, model: Model
    ):
        server.events = [chunk_event("yes", "stop"), event("[DONE]"), chunk_event("never sent")]
        server.hangs_at = 2

        assert (await ask(model)).text == "yes"

    async def test_what_follows_the_end_is_ignored(self, server: CompatibleServer, model: Model):
        server.events = [
            chunk_event("yes", "stop"),
            event("[DONE]"),
            chunk_event("no"),
            b"data: {\n\n",
        ]

        assert (await ask(model)).text == "yes"

    @pytest.mark.parametrize(
        "data", ["[]", "7", "[" * 100_000, '{"choices": 1' + "0" * 5_000 + "}"]
    )
    async def test_an_event_that_is_not_an_object(
        self, server: CompatibleServer, model: Model, data: str
    ):
        server.events = [chunk_event("yes"), event(data)]

        error = await failure(model)

        assert (error.code, error.retryable) == ("provider_error", True)
        assert "sent an invalid response. Its message: " in error.message

    async def test_a_stream_without_events(self, server: CompatibleServer, model: Model):
        server.events = [b": ping\n\n"]

        assert 'Its message: "It contains no events."' in (await failure(model)).message

    async def test_an_answer_that_does_not_stream(self, server: CompatibleServer, model: Model):
        server.refusals = [Refusal(200, {"choices": [{"message": {"content": "yes"}}]})]

        message = (await failure(model)).message

        assert 'Its message: "It is `application/json`, not `text/event-stream`."' in message


class TestUsage:
    @pytest.mark.parametrize(
        ("reported", "output"),
        [
            # Included in the answer's tokens, as by OpenAI.
            ({"total_tokens": 30, "completion_tokens_details": {"reasoning_tokens": 15}}, 20),
            # Reported separately.
            ({"total_tokens": 45, "completion_tokens_details": {"reasoning_tokens": 15}}, 35),
            ({"total_tokens": 45, "reasoning_tokens": 15}, 35),
            ({"total_tokens": "45", "reasoning_tokens": 15.0}, 35),
            # Without the tokens of the prompt, it is unknown which ones the total includes.
            ({"prompt_tokens": None, "total_tokens": 45, "reasoning_tokens": 15}, 20),
            # Totals that include something else, or are wrong.
            ({"total_tokens": 45}, 20),
            ({"total_tokens": 99, "completion_tokens_details": {"reasoning_tokens": 15}}, 35),
            ({"total_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 15}}, 20),
            ({"total_tokens": "no", "completion_tokens_details": {"reasoning_tokens": "no"}}, 20),
        ],
    )
    async def test_thoughts_are_output_wherever_they_are_counted(
        self, server: CompatibleServer, model: Model, reported: dict[str, Any], output: int
    ):
        usage = {"prompt_tokens": 10, "completion_tokens": 20, **reported}
        server.events = [chunk_event("yes", "stop", usage=usage)]

        assert (await ask(model)).usage == Usage(usage["prompt_tokens"] or 0, 0, output)

    async def test_a_negative_number_is_impossible_whatever_the_total_is(
        self, server: CompatibleServer, model: Model
    ):
        usage = {"prompt_tokens": 10, "completion_tokens": -5, "total_tokens": 45}
        usage["reasoning_tokens"] = 15
        server.events = [chunk_event("yes", "stop", usage=usage)]

        error = await failure(model)

        assert "reported an impossible number of output tokens" in error.message


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "expected", "retryable"),
        [
            ("rate_limit_exceeded", "provider_rate_limited", True),
            ("insufficient_quota", "provider_rate_limited", False),
            ("invalid_api_key", "provider_auth", False),
            ("model_not_found", "model_unknown", False),
            ("context_length_exceeded", "provider_error", False),
            ("something_else", "provider_error", True),
        ],
    )
    async def test_an_error_within_the_answer_is_explained_by_its_code(
        self, server: CompatibleServer, model: Model, code: str, expected: str, retryable: bool
    ):
        error = {"error": {"message": "The model says no.", "code": code}}
        server.events = [chunk_event("yes"), event(error)]

        raised = await failure(model)

        assert (raised.code, raised.retryable) == (expected, retryable)

    async def test_without_money_a_retry_does_not_help(
        self, server: CompatibleServer, model: Model
    ):
        server.refusals = [Refusal(402, {"error": {"message": "Please pay."}})]

        error = await failure(model)

        assert (error.code, error.status, error.retryable) == ("provider_rate_limited", 402, False)
        assert 'has used up its quota (status 402). Its message: "Please pay."' in error.message


class TestConnections:
    async def test_a_complete_answer_leaves_its_connection_to_the_next_call(
        self, server: CompatibleServer, model: Model
    ):
        for _ in range(3):
            await ask(model)

        assert server.connections == 1
