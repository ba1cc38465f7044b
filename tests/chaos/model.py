"""A scripted model that records every call with its `Idempotency-Key`.

It implements OpenAI's Chat Completions, streamed. Every answer is unique, so an output identifies its call.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.chaos.http_server import Talk, serving
from tests.chaos.ledger import Ledger
from tests.chaos.pipelines import LONG, MARK, REFUSED
from tests.chaos.plan import for_text


class Model:
    """Answers calls. The seed determines which of a step's first calls fail."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self._ledger = ledger
        self._seed = seed
        self._failed: Counter[str] = Counter()
        self._calls = 0

    async def __call__(self, talk: Talk) -> None:
        question = json.loads(talk.asked.body)
        found = MARK.search(json.dumps(question["messages"]))
        assert found is not None
        tag, step = found.groups()
        self._calls += 1
        call: dict[str, Any] = {
            "key": talk.asked.headers.get("idempotency-key"),
            "tag": tag,
            "step": step,
            "number": self._calls,
            "at": talk.asked.at,
        }
        text, outcome = f"{step} of {tag}, call {self._calls}", "gone"
        try:
            outcome = await self._answer(talk, tag, step, text)
        except ConnectionError:
            pass
        finally:
            # Also if the harness ends during the call.
            self._ledger.note("call", **call, text=text, outcome=outcome, ended_at=time.time())

    async def _answer(self, talk: Talk, tag: str, step: str, text: str) -> str:
        chances = for_text(self._seed, tag, step)
        failures = chances.choices(["", "5", "5c", "c", "4"], [70, 8, 4, 10, 8])[0]
        if step == REFUSED:
            await talk.answer(*_error(400))
            return "refused"
        name = f"{tag}/{step}"
        kind = failures[self._failed[name]] if self._failed[name] < len(failures) else ""
        pause = chances.uniform(0, 0.25) if step != LONG else chances.uniform(0.2, 0.6)
        telling = asyncio.ensure_future(self._tell(talk, text, pause, kind))
        leaving = asyncio.ensure_future(talk.gone())
        await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        for task in (telling, leaving):
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await task
        if telling.cancelled():
            return "gone"
        # Counted only here, because a failure that the client did not receive must not count.
        self._failed[name] += bool(kind)
        return telling.result()

    async def _tell(self, talk: Talk, text: str, pause: float, kind: str) -> str:
        await asyncio.sleep(pause)
        if kind in ("5", "4"):
            await talk.answer(*_error(503 if kind == "5" else 429))
            return "failed"
        await talk.begin("text/event-stream")
        words = text.split(" ")
        for index, word in enumerate(words):
            if kind == "c" and index == 2:
                return "cut"
            await talk.send(_chunk({"content": word if not index else f" {word}"}))
            await asyncio.sleep(pause / 2)
        await talk.send(_chunk({}, "stop") + _event(_envelope([], usage=len(words))))
        await talk.send(b"data: [DONE]\n\n")
        return "answered"


def _error(status: int) -> tuple[int, bytes, str]:
    error = {"error": {"message": f"Scripted {status}.", "type": "scripted", "code": None}}
    return status, json.dumps(error).encode(), "application/json"


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    return _event(_envelope([{"index": 0, "delta": delta, "finish_reason": finish_reason}]))


def _envelope(choices: list[Any], usage: int | None = None) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "id": "chatcmpl-chaos",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini",
        "choices": choices,
    }
    if usage is not None:
        reply["usage"] = {
            "prompt_tokens": 8,
            "completion_tokens": usage,
            "total_tokens": 8 + usage,
        }
    return reply


def _event(data: Any) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


@asynccontextmanager
async def running_model(ledger: Ledger, seed: int) -> AsyncIterator[str]:
    """Run a model on a free port, and yield the value for `OPENAI_BASE_URL`."""
    async with serving(Model(ledger, seed)) as url:
        yield f"{url}/v1"
