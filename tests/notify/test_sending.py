import threading

import httpx2
import pytest

from stepiq.core.http import Reply
from stepiq.notify import sending
from stepiq.redaction.masking import Masker


class NotedMasker(Masker):
    """Notes the threads in which it masks."""

    def __init__(self, secrets: int = 1) -> None:
        super().__init__({f"TOKEN_{number}": f"hunter2-{number:07}" for number in range(secrets)})
        self.threads: set[threading.Thread] = set()

    def text(self, text: str) -> str:
        self.threads.add(threading.current_thread())
        return super().text(text)


class TestVerdictOn:
    @pytest.mark.parametrize(("size", "is_on_loop"), [(100, True), (100_000, False)])
    async def test_a_long_answer_is_masked_outside_of_the_loop(self, size, is_on_loop):
        masker = NotedMasker()
        headers = httpx2.Headers({f"x-{number}": "%41" * (size // 30) for number in range(10)})
        answer = Reply(200, headers, b"", is_cut=False, url="http://example.com/")

        verdict = await sending.verdict_on(answer, masker)

        assert verdict.is_delivered
        assert (threading.current_thread() in masker.threads) is is_on_loop

    async def test_a_short_answer_is_masked_outside_of_the_loop_if_there_are_many_secrets(self):
        masker = NotedMasker(secrets=1_000)
        headers = httpx2.Headers({f"x-{number}": "%41" * 10 for number in range(30)})
        answer = Reply(200, headers, b"", is_cut=False, url="http://example.com/")

        await sending.verdict_on(answer, masker)

        assert masker.threads
        assert threading.current_thread() not in masker.threads

    async def test_the_first_headers_that_fit_in_8_kib_are_stored(self):
        headers = httpx2.Headers({f"x-{number}": "a" * 1_000 for number in range(20)} | {"z": "1"})
        answer = Reply(200, headers, b"", is_cut=False, url="http://example.com/")

        verdict = await sending.verdict_on(answer, Masker({}))

        assert verdict.response_headers == {
            **{f"x-{number}": "a" * 1_000 for number in range(8)},
            "z": "1",
        }
