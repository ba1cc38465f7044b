"""Hostile workspaces, which use as many resources of the server as they can while processes are killed."""

import asyncio
import random
from collections import Counter, deque
from contextlib import suppress
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.chaos.cluster import Cluster
from tests.chaos.http_server import Talk

_PAUSE_SECONDS = 0.5
"""Seconds between two actions of a workspace, because the clients share the CPU with the servers."""
_KEPT = 10
"""Maximum number of unfinished runs, and of open streams, of a workspace."""
_CANCELS_EVERY = 3
_REQUEST_SECONDS = 30
ATTACKS = ("run 202", "stream", "guess 4", "cancel")
"""Actions that each hostile workspace performs, with a status, or its first digit, that must occur at least once."""
_FINAL = ("completed", "failed", "cancelled")
_PASSWORD = "correct horse battery"


def _definitions(silent_url: str) -> list[dict[str, Any]]:
    """Branches with endless code in the sandbox, branches that wait for a response forever, and long computations."""
    steps = [
        {
            "type": "code",
            "language": "javascript",
            "timeout_seconds": 20,
            "source": "function main() { while (true); }",
        },
        {"type": "webhook", "url": silent_url, "timeout_seconds": 20},
        {"type": "transform", "template": "{{#each input.items}}{{#each ../input.items}}{{this}}{{/each}}{{/each}}"},
    ]  # fmt: skip
    items = {"type": "array", "default": [str(number) for number in range(30)]}
    return [
        {
            "name": f"hostile {step['type']}",
            "input": {"schema": {"items": items}},
            "steps": [
                {
                    "id": "many",
                    "type": "parallel",
                    "for_each": "input.items",
                    "max_concurrency": 30,
                    "on_branch_error": "continue",
                    "step": {"id": "one", **step},
                }
            ],
        }
        for step in steps
    ]


async def silent(talk: Talk) -> None:
    """Receive a request without responding."""
    await talk.gone()


class Crowd:
    """Several hostile workspaces, each with a separate client address."""

    def __init__(self, cluster: Cluster, silent_url: str) -> None:
        self._cluster = cluster
        self._silent_url = silent_url
        self._http = httpx2.AsyncClient(
            timeout=_REQUEST_SECONDS, limits=httpx2.Limits(max_connections=200)
        )
        self._members: list[_Hostile] = []
        self._attacks: list[asyncio.Task[None]] = []

    async def register(self, number: int) -> None:
        """Create the accounts and their pipelines, before the faults begin."""
        for each in range(number):
            member = _Hostile(self._cluster, self._http, f"198.51.100.{each + 1}")
            await member.register(f"hostile{each}@example.com")
            await member.save(_definitions(self._silent_url))
            self._members.append(member)

    def attack(self) -> None:
        """Attack in the background until `stop`."""
        self._attacks = [asyncio.create_task(self._attack(each)) for each in self._members]

    async def _attack(self, member: "_Hostile") -> None:
        try:
            await member.attack()
        except Exception as error:
            # The checks report attacks that ended early, because they prove nothing afterwards.
            facts = {"workspace": member.email, "error": repr(error)}
            self._cluster.ledger.note("hostile_broke", **facts)

    async def stop(self) -> None:
        """Wait until each workspace has made every attack, end the attacks, and cancel all runs.

        Returns when the runs have ended.
        """
        # On a slow machine, a trial may be over before the first response to a password.
        done = [asyncio.create_task(each.has_attacked.wait()) for each in self._members]
        for task, attack in zip(done, self._attacks, strict=True):
            await asyncio.wait({task, attack}, return_when=asyncio.FIRST_COMPLETED)
            task.cancel()
        for task in self._attacks:
            task.cancel()
        await asyncio.gather(*self._attacks, return_exceptions=True)
        for each in self._members:
            did = {"workspace": each.email, "did": dict(each.did)}
            self._cluster.ledger.note("hostile_stopped", **did)
        await asyncio.gather(*(each.clear() for each in self._members))

    async def close(self) -> None:
        for task in self._attacks:
            task.cancel()
        await asyncio.gather(*self._attacks, return_exceptions=True)
        for each in self._members:
            each.close()
        await self._http.aclose()


class _Hostile:
    def __init__(self, cluster: Cluster, http: httpx2.AsyncClient, address: str) -> None:
        self._cluster = cluster
        self._http = http
        self._headers = {"X-Forwarded-For": address}
        self._rng = random.Random(address)
        self.email = ""
        self.did: Counter[str] = Counter()
        """Number of actions, by action and response."""
        self.has_attacked = asyncio.Event()
        """Set when all `ATTACKS` have been made."""
        self._pipeline_ids: list[str] = []
        self._runs: deque[str] = deque()
        self._accepted: list[str] = []
        self._streams: deque[asyncio.StreamWriter] = deque()

    async def register(self, email: str) -> None:
        self.email = email
        login = {"email": email, "password": _PASSWORD}
        account = await self._create("/api/auth/register", login)
        self._headers["Authorization"] = f"Bearer {account['token']}"
        key = await self._create("/api/user/api-keys", {"name": "hostile"})
        # An access token can expire during a trial, but a key does not.
        del self._headers["Authorization"]
        self._headers["X-API-Key"] = key["key"]

    async def save(self, definitions: list[dict[str, Any]]) -> None:
        for definition in definitions:
            saved = await self._create("/api/pipelines", {"definition": definition})
            self._pipeline_ids.append(saved["id"])

    async def attack(self) -> None:
        """Start runs, cancel them, open streams without reading them, and guess passwords."""
        for number in count():
            pipeline_id = self._pipeline_ids[number % len(self._pipeline_ids)]
            started = await self._do("run", f"/api/pipelines/{pipeline_id}/run", {})
            if started is not None and started.status_code == 202:
                await self._accept(started.json()["id"])
            guess = {"email": self.email, "password": f"guess number {number}"}
            await self._do("guess", "/api/auth/login", guess)
            if len(self._runs) > _KEPT or (self._runs and number % _CANCELS_EVERY == 0):
                await self._do("cancel", f"/api/runs/{self._runs.popleft()}/cancel")
            if all(any(key.startswith(what) for key in self.did) for what in ATTACKS):
                self.has_attacked.set()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _accept(self, run_id: str) -> None:
        self._cluster.ledger.note("hostile_accepted", run_id=run_id, workspace=self.email)
        self._accepted.append(run_id)
        self._runs.append(run_id)
        with suppress(OSError):
            self._streams.append(await self._open_stream(run_id))
            self.did["stream"] += 1
        if len(self._streams) > _KEPT:
            self._streams.popleft().close()

    async def _do(self, what: str, path: str, body: Any = None) -> httpx2.Response | None:
        answer = await self._ask("POST", path, body)
        if answer is not None:
            self.did[f"{what} {answer.status_code}"] += 1
        return answer

    async def _open_stream(self, run_id: str) -> asyncio.StreamWriter:
        url = urlsplit(self._node_url())
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        lines = [f"GET /api/runs/{run_id}/stream HTTP/1.1", f"Host: {url.netloc}"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        return writer

    async def clear(self) -> None:
        """Cancel all unfinished runs, and record the final status of each run."""
        self.close()
        for run_id in self._accepted:
            while (status := await self._status(run_id)) not in _FINAL:
                await self._ask("POST", f"/api/runs/{run_id}/cancel")
                await asyncio.sleep(0.2)
            self._cluster.ledger.note("hostile_ended", run_id=run_id, status=status)

    async def _status(self, run_id: str) -> str | None:
        answer = await self._ask("GET", f"/api/runs/{run_id}")
        return answer.json()["status"] if answer is not None and answer.status_code == 200 else None

    def close(self) -> None:
        while self._streams:
            self._streams.popleft().close()

    async def _create(self, path: str, body: Any) -> Any:
        url = self._cluster.apis[0].url + path
        answer = await self._http.post(url, json=body, headers=self._headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def _ask(self, method: str, path: str, body: Any = None) -> httpx2.Response | None:
        """Send a request. Returns the response, including refusals, or None after a connection failure."""
        with suppress(httpx2.TransportError):
            url = self._node_url() + path
            return await self._http.request(method, url, json=body, headers=self._headers)
        return None

    def _node_url(self) -> str:
        apis = self._cluster.apis
        return self._rng.choice([node for node in apis if node.is_ready] or apis).url
