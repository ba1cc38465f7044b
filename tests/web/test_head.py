"""HEAD: the status and the headers of GET, without a body."""

import asyncio
import re
import string

import httpx2
import pytest
from pydantic import SecretStr

from stepiq.core import ids
from stepiq.core.observability import metrics
from stepiq.server.routes import routes_of
from stepiq.store.states import RunStatus
from tests.support.clients import session_headers
from tests.support.streams import ObservedStreams

pytestmark = pytest.mark.one_store

# These differ between any two requests.
CHANGING = {"date", "x-request-id", "ratelimit-remaining", "ratelimit-reset"}


@pytest.fixture
async def browser(app, server, make, account):
    """A client on a real socket."""
    headers = await session_headers(app, make, account)
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20) as client:
        yield client


class UnheardStreams(ObservedStreams):
    """Nobody may listen."""

    def listening(self, run_id):
        raise AssertionError(run_id)


def lasting(response):
    headers = {name: text for name, text in response.headers.items() if name not in CHANGING}
    # The policy of each page has its own nonce.
    policy = headers.get("content-security-policy", "")
    return headers | {"content-security-policy": re.sub(r"'nonce-[^']+'", "'nonce-…'", policy)}


def without_length(response):
    return {name: text for name, text in lasting(response).items() if name != "content-length"}


class TestHead:
    @pytest.mark.slow
    async def test_every_route_with_get_has_it_with_the_same_headers(
        self, app, browser, make, account
    ):
        pipeline_id = await make.pipeline(account)
        run_id = await make.run(account, pipeline_id, status=RunStatus.COMPLETED)
        known = {"pipeline_id": pipeline_id, "run_id": run_id, "number": 1, "other": 1}
        differing, statuses = {}, set()

        for route in routes_of(app):
            # The stream of a list has no end; the next test requests it.
            if route.method != "GET" or route.path == "/api/runs/stream":
                continue
            names = [name for _, name, _, _ in string.Formatter().parse(route.path) if name]
            path = route.path.format(**{name: known.get(name, ids.uuid7()) for name in names})
            got, head = await browser.get(path), await browser.head(path)
            statuses.add(got.status_code)
            expected = lasting(got)
            if route.path.endswith(("/stream", "/export")):
                # Nobody knows how long these will be, and there is nothing to send in chunks.
                expected.pop("transfer-encoding", None)
            if (head.status_code, lasting(head), head.content) != (got.status_code, expected, b""):
                differing[path] = got, expected, head, lasting(head)

        assert differing == {}
        assert statuses >= {200, 404}

    async def test_the_metrics_have_it_for_those_who_may_read_them(self, services, browser):
        token = SecretStr("metrics-token-0123456789")
        services.settings = services.settings.model_copy(update={"metrics_token": token})
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}

        got = await browser.get("/metrics", headers=headers)
        head = await browser.head("/metrics", headers=headers)

        assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
        assert int(head.headers["Content-Length"]) > 0
        # The text has new values each time.
        assert without_length(head) == without_length(got)

    async def test_the_stream_of_a_list_begins_and_ends(self, browser):
        head = await browser.head("/api/runs/stream")

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"].startswith("text/event-stream")

    async def test_it_has_the_etag_and_the_length_of_the_body(self, browser, make, account):
        path = f"/v1/api/pipelines/{await make.pipeline(account)}"

        got, head = await browser.get(path), await browser.head(path)

        assert head.headers["ETag"] == got.headers["ETag"] == '"v1"'
        assert int(head.headers["Content-Length"]) == len(got.content)
        assert head.headers["Content-Type"] == "application/json"

    async def test_a_stream_is_not_opened(self, app, browser, changes, make, account):
        run_id = await make.run(account, await make.pipeline(account))
        streams = app.state.streams = UnheardStreams(changes)

        async with asyncio.timeout(10):
            head = await browser.head(f"/api/runs/{run_id}/stream")
            await streams.only(0, account.workspace_id)

        assert head.status_code == 200
        assert head.headers["Content-Type"] == "text/event-stream; charset=utf-8"

    async def test_without_a_credential_it_is_refused_like_get(self, server):
        async with httpx2.AsyncClient() as client:
            head = await client.head(f"{server.url}/api/pipelines")

        assert (head.status_code, head.content) == (401, b"")
        assert head.headers["WWW-Authenticate"] == 'Bearer realm="stepiq"'

    async def test_where_there_is_no_get_it_is_not_allowed(self, browser):
        head = await browser.head("/api/auth/login")

        assert head.status_code == 405
        assert head.headers["Allow"] == "POST"

    async def test_the_connection_can_be_used_again(self, server):
        reader, writer = await server.connect()

        answers = []
        for _ in range(2):
            writer.write(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))

        assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 2
        writer.close()

    async def test_the_log_and_the_metrics_say_head(self, browser):
        await browser.head("/health")

        text = metrics.render().decode()
        assert 'method="HEAD",route="/health",status="200"' in text
