"""Secrets are in nothing that is exported, with content and without."""

import base64
import json
import secrets
import urllib.parse

import pytest
from pydantic import SecretStr

from stepiq.core.settings.model import Settings
from stepiq.telemetry.exporter import TraceExporter
from stepiq.telemetry.metrics_exporter import MetricsExporter
from tests.support.engine import World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.otlp import CollectorServer
from tests.support.receiver import Receiver, Reply

TOKEN = f'{secrets.token_hex(8)}/é+"{secrets.token_hex(8)}'
PLAIN = secrets.token_hex(16)
OF_HEADERS = secrets.token_hex(16)
PIPELINE = """\
name: Canaries
steps:
  - {id: write, type: transform, template: "{{env.TOKEN}} {{json env.TOKEN}}"}
  - id: ask
    model: openai/gpt-4o
    prompt: "Use {{env.TOKEN}}; before: {{steps.write.output}}"
    system_prompt: "The password is {{env.PLAIN}}."
  - id: call
    type: webhook
    method: POST
    url: "URL/bot{{env.PLAIN}}/send?key={{env.PLAIN}}"
    headers: {Authorization: "Bearer {{env.PLAIN}}"}
    body: {token: "{{env.TOKEN}}"}
  - {id: compute, type: code, language: python, source: "def main(i): return i", input: {a: steps.call.output}}
  - id: host
    type: webhook
    method: GET
    url: "http://user:{{env.PLAIN}}@{{env.PLAIN}}.invalid/{{env.PLAIN}}"
    on_error: continue
    retry: {max_attempts: 1}
  - {id: fail, model: openai/gpt-4o, prompt: "{{env.PLAIN}}", retry: {max_attempts: 2, backoff_ms: 1}}
"""


pytestmark = pytest.mark.both_stores


def ways(secret: str) -> list[bytes]:
    """Forms of a secret, and parts of them that do not occur by chance."""
    data = secret.encode()
    cores = [
        base64.b64encode(b"x" * before + data).decode()[skip:-4]
        for before, skip in ((0, 0), (1, 2), (2, 3))
    ]
    texts = [secret, secret[4:], json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe="")]
    return [text.encode() for text in (*texts, *cores)]


@pytest.fixture(params=[False, True], ids=["without content", "with content"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    headers = SecretStr(f"Authorization=Bearer%20{OF_HEADERS}")
    return settings.model_copy(update={"otlp_content": request.param, "otlp_headers": headers})


@pytest.mark.slow
async def test_no_secret_is_in_what_is_sent(
    settings: Settings,
    world: World,
    exporter: TraceExporter,
    collector: CollectorServer,
    receiver: Receiver,
    fake_provider: RunningFakeProvider,
):
    encoded = base64.b64encode(f"user:{PLAIN}".encode()).decode()
    echo = f"{TOKEN} {PLAIN} {encoded} {json.dumps(TOKEN)} {urllib.parse.quote(TOKEN, safe='')}"
    failure = {"status": 500, "message": f"{'x' * 270} {echo}"}
    fake_provider.configure(replies=[echo], failures=[200, failure, failure])
    receiver.reply_with(Reply(200, echo.encode(), {"X-Token": PLAIN}))
    await world.secret("TOKEN", TOKEN)
    await world.secret("PLAIN", PLAIN)
    ended = await world.run(PIPELINE.replace("URL", receiver.url))
    assert ended.run.error["step_id"] == "fail", ended.run.error

    await exporter.export()

    async def nothing() -> None: ...

    metrics = MetricsExporter(settings, nothing)
    await metrics.export()
    await metrics.aclose()

    spans = await collector.trace_of(ended.run.id)
    assert {"POST", "GET", "chat gpt-4o", "code"} <= {span.name for span in spans}
    sent = b"".join(each.body for each in collector.receiver.received)
    assert (b"[secret:" in sent) is settings.otlp_content
    for secret in (TOKEN, PLAIN, OF_HEADERS, "sk-test-0123456789"):
        assert [way for way in ways(secret) if way in sent] == []
