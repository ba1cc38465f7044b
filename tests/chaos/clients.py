"""Clients of the server, which start, follow and cancel runs, and retry after connection failures."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx2

from tests.chaos.cluster import Cluster
from tests.chaos.ledger import Ledger
from tests.chaos.nodes import Node
from tests.chaos.plan import RunPlan
from tests.support import sse

_FINAL = ("completed", "failed", "cancelled")
_REQUEST_SECONDS = 30
_LONGEST_PAUSE_SECONDS = 8.0
_STREAMS = 40
"""Maximum number of open streams. The limit of a workspace is 50."""
# The server sends a comment every 15 s, so a stream without one is dead.
_SILENCE_SECONDS = 20


@dataclass(frozen=True)
class Answer:
    """A response, or its absence."""

    status: int | None
    body: Any
    retry_after: str | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether the request may have succeeded, or may still be in progress elsewhere."""
        return self.status in (None, 503)


class Clients:
    """All clients, with shared connections."""

    def __init__(self, cluster: Cluster, headers: dict[str, str], seed: int) -> None:
        self._cluster = cluster
        self._ledger: Ledger = cluster.ledger
        # The sequence is not reproducible, because the choice of an API depends on which processes are up.
        self._rng = random.Random(seed)
        self._headers = headers
        self._http = httpx2.AsyncClient(
            headers=headers,
            timeout=_REQUEST_SECONDS,
            limits=httpx2.Limits(max_connections=400, max_keepalive_connections=50),
        )
        self._streams = asyncio.Semaphore(_STREAMS)

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self, plan: RunPlan, pipeline_id: str) -> None:
        """Start one run, and follow and cancel it as planned."""
        if plan.trigger == "key":
            posts = [self._insist(plan, pipeline_id) for _ in range(plan.posts)]
            (run_id, *_) = await asyncio.gather(*posts)
        else:
            run_id = await self._renew(plan, pipeline_id)
        self._ledger.note("accepted", run_id=run_id, pipeline=plan.pipeline)
        doing = [self.follow(run_id)] if plan.follows else []
        if plan.cancels_after is not None:
            doing.append(self._cancel(run_id, plan.cancels_after))
        await asyncio.gather(*doing)

    async def _insist(self, plan: RunPlan, pipeline_id: str) -> str:
        """Repeat the request with the same key until it succeeds."""
        for pause in self._pauses():
            answer = await self._post(plan.tag, plan, pipeline_id, key=plan.tag)
            if answer.status == 202:
                return answer.body["id"]
            await self._wait(pause, answer)
        raise AssertionError("there is no last pause")

    async def _renew(self, plan: RunPlan, pipeline_id: str) -> str:
        """Repeat the request without a key until it succeeds.

        The effect of a request without a response is unknown, so each request has a separate tag.
        """
        for number, pause in enumerate(self._pauses(), 1):
            answer = await self._post(f"{plan.tag}.{number}", plan, pipeline_id, key=None)
            if answer.status == 202:
                return answer.body["run_id" if plan.trigger == "webhook" else "id"]
            await self._wait(pause, answer)
        raise AssertionError("there is no last pause")

    def _pauses(self) -> Iterator[float]:
        """Seconds before each retry: exponential, with jitter, and without end."""
        for number in count():
            yield self._rng.uniform(0.5, 1.5) * min(_LONGEST_PAUSE_SECONDS, 0.1 * 2**number)

    async def _wait(self, pause: float, answer: Answer) -> None:
        """Wait before a retry, at least as long as the server asks for."""
        asked = float(answer.retry_after or 0) * self._rng.uniform(1, 1.5)
        await asyncio.sleep(max(pause, asked))

    async def _post(self, tag: str, plan: RunPlan, pipeline_id: str, key: str | None) -> Answer:
        is_webhook = plan.trigger == "webhook"
        path = f"/api/webhooks/{pipeline_id}" if is_webhook else f"/api/pipelines/{pipeline_id}/run"
        headers = {} if key is None else {"Idempotency-Key": key}
        node, sent_at = self._node(), time.time()
        answer = await self._ask(
            node, "POST", path, json={"input_data": {"tag": tag}}, headers=headers
        )
        body = answer.body if isinstance(answer.body, dict) else {}
        self._ledger.note(
            "post",
            tag=tag,
            pipeline=plan.pipeline,
            trigger=plan.trigger,
            key=key,
            clients=plan.posts,
            node=node.name,
            sent_at=sent_at,
            status=answer.status,
            retry_after=answer.retry_after,
            run_id=body.get("run_id" if is_webhook else "id"),
            code=body.get("code"),
        )
        return answer

    async def follow(self, run_id: str) -> None:
        """Follow a run across disconnects, as a browser does, from the number of the last received event."""
        events: list[list[Any]] = []
        connections = 0
        async with self._streams:
            self._ledger.note("following", run_id=run_id)
            while not (events and events[-1][1] == "run.status" and events[-1][2] in _FINAL):
                last = {"Last-Event-ID": str(events[-1][0])} if events else {}
                text = await self._listen(run_id, last)
                connections += bool(text)
                for event in sse.parse(text[: text.rfind("\n\n") + 2]):
                    if event.seq is not None:
                        events.append([event.seq, event.type, event.data.get("status")])
        self._ledger.note("followed", run_id=run_id, events=events, connections=connections)

    async def _listen(self, run_id: str, headers: dict[str, str]) -> str:
        """Return the text received until the connection ends for any reason."""
        pieces: list[str] = []
        path = f"{self._node().url}/api/runs/{run_id}/stream"
        silence = httpx2.Timeout(_REQUEST_SECONDS, read=_SILENCE_SECONDS)
        with suppress(httpx2.TransportError):
            async with self._http.stream("GET", path, headers=headers, timeout=silence) as answer:
                if answer.status_code == 200:
                    async for piece in answer.aiter_text():
                        pieces.append(piece)
        if not pieces:
            await asyncio.sleep(self._rng.uniform(0.1, 0.4))
        return "".join(pieces)

    async def _cancel(self, run_id: str, after: float) -> None:
        await asyncio.sleep(after)
        for pause in self._pauses():
            node, sent_at = self._node(), time.time()
            answer = await self._ask(node, "POST", f"/api/runs/{run_id}/cancel")
            shown = answer.body.get("status") if answer.status == 200 else None
            self._ledger.note(
                "cancel",
                run_id=run_id,
                node=node.name,
                sent_at=sent_at,
                status=answer.status,
                retry_after=answer.retry_after,
                shown=shown,
            )
            if not answer.is_unknown:
                return
            await self._wait(pause, answer)

    async def get(self, path: str) -> Any:
        """Request a path until it succeeds, and return the body."""
        while True:
            answer = await self._ask(self._node(), "GET", path)
            if answer.status == 200:
                return answer.body
            await asyncio.sleep(0.2)

    async def create(self, path: str, body: Any) -> Any:
        """Send a POST for the harness itself, before the faults begin."""
        answer = await self._http.post(self._node().url + path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def everything(self, path: str) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        cursor = ""
        while True:
            page = await self.get(f"{path}{'&' if '?' in path else '?'}limit=100{cursor}")
            found += page["data"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    def _node(self) -> Node:
        apis = self._cluster.apis
        return self._rng.choice([node for node in apis if node.is_ready] or apis)

    async def _ask(self, node: Node, method: str, path: str, **more: Any) -> Answer:
        try:
            answer = await self._http.request(method, node.url + path, **more)
        except httpx2.TransportError:
            return Answer(None, None)
        try:
            body = answer.json()
        except ValueError:
            # Not a response of stepIQ. The checks report its status.
            body = None
        return Answer(answer.status_code, body, answer.headers.get("retry-after"))
