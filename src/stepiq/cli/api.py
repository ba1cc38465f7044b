"""A small client of the HTTP API, for commands that call a server."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx2

from stepiq.core import http, json
from stepiq.core.errors import StepIQError, Unavailable

_READY_SECONDS = 2


class ApiRefused(StepIQError):
    """The server returned an error. The message has its code and detail."""

    code = "api_refused"

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"The server returned {status} ({code}): {detail}", status=status)
        self.status = status
        self.problem = code
        """The code of the problem, such as `email_taken`."""


class ServerUnreachable(Unavailable):
    """No HTTP server responds at this URL."""

    code = "server_unreachable"


class Api:
    """A client of one server. Requests carry a credential after `use_token`."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._client = http.operator_client()
        self._headers: dict[str, str] = {}

    def use_token(self, token: str) -> None:
        """Send this access token with all further requests."""
        self._headers = {"Authorization": f"Bearer {token}"}

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def is_ready(self) -> bool:
        """Whether the server is ready. False if no server responds."""
        try:
            # A short time limit, because another program may listen there and never answer.
            response = await self._client.get(f"{self.base_url}/ready", timeout=_READY_SECONDS)
            return response.status_code == 200
        except httpx2.TransportError:
            return False

    async def get(self, path: str, **query: str) -> Any:
        """Return the JSON at a path below `/api/`.

        Raises:
            ApiRefused: the server returned a problem.
            ServerUnreachable: no server responds.
        """
        return (await self._send("GET", path, params=query)).json()

    async def get_yaml(self, path: str) -> str:
        """Return the YAML text at a path below `/api/`. Raises as `get`."""
        return (await self._send("GET", path, headers={"Accept": "application/yaml"})).text

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Post a JSON body and return the JSON response. Raises as `get`."""
        return (await self._send("POST", path, json=dict(body))).json()

    async def send_yaml(self, method: str, path: str, text: str) -> Any:
        """Send a YAML body and return the JSON response. Raises as `get`."""
        headers = {"Content-Type": "application/yaml"}
        return (await self._send(method, path, headers=headers, content=text.encode())).json()

    async def stream(self, path: str) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        """Yield the type and data of each server-sent event until the server ends the stream. Raises as `get`."""
        url = f"{self.base_url}/api/{path}"
        async with self._client.stream("GET", url, headers=self._headers) as response:
            if response.status_code != 200:
                await response.aread()
                raise _refusal(response)
            kind = ""
            async for line in response.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    kind = value
                elif field == "data":
                    yield kind, json.as_object(json.read_trusted(value))

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        url = f"{self.base_url}/api/{path}"
        sent = {**self._headers, **(headers or {})}
        try:
            response = await self._client.request(method, url, headers=sent, **options)
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise ServerUnreachable(f"{self.base_url} does not respond: {reason}") from None
        if response.is_success:
            return response
        raise _refusal(response)


def _refusal(response: httpx2.Response) -> ApiRefused:
    try:
        problem = response.json()
        return ApiRefused(response.status_code, problem["code"], problem["detail"])
    except (ValueError, KeyError, TypeError):
        return ApiRefused(response.status_code, "unknown", response.text[:200])
