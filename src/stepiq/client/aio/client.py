"""The client: the connection to a server, and the operations by topic."""

from collections.abc import Mapping
from typing import Any, Self

from stepiq.client.aio.pages import AsyncPages
from stepiq.client.aio.topics import AsyncTopics
from stepiq.client.aio.transport import AsyncTransport
from stepiq.client.connection import DEFAULT_RETRIES, DEFAULT_TIMEOUT, ServerConnection
from stepiq.client.requests import ApiRequest, ApiResponse, QueryValue, json_body_of


class AsyncClient(AsyncTopics):
    """A stepIQ server, for programs with an event loop.

    Use it as a context manager, or call `aclose`. It can be used by several tasks at once.

    Args:
        server: URL of the server. Default: `STEPIQ_SERVER`, else `http://127.0.0.1:8080`.
        api_key: default: `STEPIQ_API_KEY`.
        access_token: the `token` of a session, instead of an API key.
        workspace: id of a workspace, for sessions of members of several. Default: `STEPIQ_WORKSPACE`, else the first one.
        timeout: seconds that the server may take to respond to one attempt.
        max_retries: how often a request is repeated after a temporary failure.

    Raises:
        ConfigurationError: the URL or a credential cannot be used.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        api_key: str | None = None,
        access_token: str | None = None,
        workspace: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_RETRIES,
    ) -> None:
        connection = ServerConnection.of(
            server,
            api_key=api_key,
            access_token=access_token,
            workspace=workspace,
            timeout=timeout,
            max_retries=max_retries,
        )
        self._use(AsyncTransport(connection))

    @classmethod
    def over(cls, transport: AsyncTransport) -> Self:
        """A client that uses existing connections, and no environment variables."""
        client = object.__new__(cls)
        client._use(transport)
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

    @property
    def url(self) -> str:
        """The URL of the server."""
        return self._transport.connection.server

    def with_session(self, access_token: str, *, workspace: str | None = None) -> "AsyncClient":
        """A client that uses the session of a person, over the same connections. Close only one of the two.

        Args:
            access_token: the `token` of the session.
            workspace: default: that of this client.

        Raises:
            ConfigurationError: the token or the workspace cannot be used.
        """
        connection = self._transport.connection.with_token(access_token, workspace)
        return AsyncClient.over(self._transport.connected_as(connection))

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        content_type: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> ApiResponse:
        """Call a route by its path. Prefer the methods of the topics, such as `client.runs.get`.

        Args:
            method: such as `GET`.
            path: such as `/api/runs`, with quoted parameters. It begins with one `/`.
            query: parameters of the query. None is not sent.
            headers: further headers.
            json: the body, which is sent as JSON. None: no body.
            content: the body as bytes, instead of `json`.
            content_type: such as `application/yaml`. Default: that of `headers`, else `application/json` with `json`.
            idempotency_key: makes a POST safe to repeat, if the route accepts a key. Without it, a POST is repeated
                only if the server has not received it or has refused it with 429, and so is a PUT without `If-Match`.
            timeout: seconds for one attempt. Default: that of the client.

        Raises:
            ApiError: the server returned an error.
            ServerUnreachableError: there is no connection, or no response in time.
            ValueError: the path or the idempotency key cannot be used.
        """
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if content_type is not None:
            sent["content-type"] = content_type
        elif json is not None:
            sent.setdefault("content-type", "application/json")
        request = ApiRequest(
            method.upper(),
            path,
            query=query or {},
            headers=sent,
            body=content if json is None else json_body_of(json),
            idempotency_key=idempotency_key,
            timeout=timeout,
        )
        return await self._transport.send(request)

    def pages(
        self, path: str, *, query: Mapping[str, QueryValue] | None = None
    ) -> AsyncPages[dict[str, Any]]:
        """The items of a list by the path of its route. Prefer the methods of the topics, such as `client.runs.list`.

        Args:
            path: such as `/api/runs`, with quoted parameters. It begins with one `/`.
            query: parameters of the query. None is not sent.
        """
        return AsyncPages(
            self._transport, dict[str, Any], ApiRequest("GET", path, query=query or {})
        )
