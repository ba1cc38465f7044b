"""Attacks with runs: many branches, each of which takes all that a step can take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from workspaces import Workspace

from attacks.base import Attack, Extra, nothing_more
from stepiq.store.database import Database

MANY = (
    "{{id: many, type: parallel, for_each: input.items, max_concurrency: 50, on_branch_error: continue,"
    " step: {step}}}"
)
ENDLESS = "{id: a, type: code, language: javascript, timeout_seconds: 30, source: 'function main() { while (true); }'}"
HANGING = "{id: a, type: webhook, url: 'http://{{item}}.hang.test/', timeout_seconds: 30}"
LONG = "{id: a, type: llm, model: local/smollm2-135m, prompt: 'Write a long story about {{item}}.'}"
# Its provider sends 100,000 words, a tenth of a second apart.
ENDLESS_ANSWER = "{id: a, type: llm, model: ollama/endless, prompt: 'Write about {{item}}.'}"
# 40,960 characters.
LETTERS = "['aaaaaaaaaa']" + ".map(x, x + x + x + x)" * 6 + "[0]"
COMPUTATIONS = (
    "{id: a, type: transform, template: '{{#each input.items}}{{#each @root.input.items}}"
    "{{#each @root.input.items}}{{this}}{{/each}}{{/each}}{{/each}}'}",
    "{id: a, type: transform, set: {a: 'input.items.exists(a, input.items.exists(b, input.items.exists(c,"
    ' c == "")))\'}}',
    "{id: a, type: transform, extract: '$..*..*..*', input: '[input, input, input, input, input, input]'}",
    "{id: a, type: transform, regex: {pattern: '((a{0,30}){0,30})$', all: true}, input: \""
    + LETTERS
    + '"}',
)
# 163,840 characters in escapes of escapes, which take longest to search for secrets.
ESCAPES = (
    "{id: a, type: transform, set: {a: \"['%2541%2541']" + ".map(x, x + x + x + x)" * 7 + '[0]"}}'
)
SECRETS = 20
# A run masks all secrets that its definition mentions.
UNREACHED = (
    "{id: never, if: 'false', type: llm, model: openai/gpt-4o-mini, prompt: '"
    + " ".join(f"{{{{env.SECRET_{number}}}}}" for number in range(SECRETS))
    + "'}"
)
RUNS = 4
BRANCHES = 50


async def _start(workspace: Workspace, steps: tuple[str, ...], *, then: str = "") -> None:
    """Start `RUNS` runs, with these steps in turn."""
    ids = [
        await workspace.pipeline(
            f"hostile {number}", MANY.format(step=step) + (f"\n  - {then}" if then else "")
        )
        for number, step in enumerate(steps)
    ]
    for number in range(RUNS):
        items = [f"w{workspace.number}-{number}-{item}" for item in range(BRANCHES)]
        status, _ = await workspace.run(ids[number % len(ids)], items)
        if status != 202:
            raise SystemExit(f"A hostile run was refused with {status}.")


def runs(*steps: str, warm_up: float = 3.0) -> Attack:
    """An attack with many runs of many branches in each workspace."""

    @asynccontextmanager
    async def attack(
        hostile: list[Workspace], store: Database, bystander: Workspace
    ) -> AsyncIterator[Extra]:
        for each in hostile:
            await _start(each, steps)
        await asyncio.sleep(warm_up)
        yield nothing_more

    return attack


@asynccontextmanager
async def masking(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    """Each workspace has many secrets of 13 to 8,677 characters, and runs with large outputs."""

    async def attack(workspace: Workspace) -> None:
        for number in range(SECRETS):
            value = f"{workspace.number:02}-{number:03}-{'secret' * (1 + 4 * number**2)}"
            await workspace.secret(f"SECRET_{number}", value)
        await _start(workspace, (ESCAPES,), then=UNREACHED)

    await asyncio.gather(*map(attack, hostile))
    await asyncio.sleep(3)
    yield nothing_more
