"""Measure what definitions do to a server: many items of one step, and definitions that try to hold it up.

Usage: python bench/language.py [--items 1000] [--database-url URL]
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from run import Server, _seconds, answer_in, provider, server, spread

ITEMS = """\
name: Items at {concurrency}
input: {{schema: {{items: {{type: array, required: true}}}}}}
steps:
  - id: all
    type: parallel
    for_each: input.items
    max_concurrency: {concurrency}
    step: {{id: ask, model: openai/gpt-4o-mini, prompt: "Say {{{{item}}}}"}}
"""
CALL_MS = 200
HOSTILE = {
    "template": "type: transform, template: '{{#each input.items}}{{#each @root.input.items}}{{this}}{{/each}}{{/each}}'",
    "expression": "type: transform, set: {a: 'input.items.map(a, input.items.map(b, [a, b]))'}",
    "text": "type: transform, set: {a: \"input.items.map(a, 'x' + string(a)).map(x, x + x + x + x)"
    '.exists(x, input.items.exists(y, x.matches(string(y))))"}',
    "regex": "type: transform, regex: {pattern: '((a{0,30}){0,30})$'}, input: input.text",
    "extract": "type: transform, extract: '$..*..*..*', input: input",
    "python": 'type: code, language: python, timeout_seconds: 2, source: "def main(i):\\n    while True:\\n        pass"',
    "javascript": "type: code, language: javascript, timeout_seconds: 2, source: 'function main(i) { while (true) {} }'",
    "result": "type: code, language: javascript, source: 'function main(i) { return Array(340000).fill([]) }'",
    "lists": "type: code, language: javascript, source: 'function main(i) { return Array(99999).fill([]) }'",
    "numbers": "type: code, language: javascript, source: 'function main(i) { return Array(260000).fill(1.5) }'",
}
LARGE = 250_000
VALUES = ", ".join(
    f"v{n}: 'input.a + {n} > 2 && input.b != null ? [1, 2].map(x, x * 2) : [0]'" for n in range(200)
)
DEFINITIONS = {
    # At most 10,000 tags in a template.
    "templates": [
        "type: transform, template: '"
        + "{{#if input.a}}one of many pieces of text{{/if}}" * 5_000
        + "'"
    ],
    "lists": ["type: webhook, url: 'https://example.com', body: [" + "[]," * (LARGE // 3) + "]"],
    # At most 40,000 characters in the expressions of a definition.
    "expressions": [f"type: transform, set: {{{VALUES}}}"] * 3,
    "unknown fields": [
        "type: wait, seconds: 1, " + ", ".join(f"f{n}: 1" for n in range(LARGE // 12))
    ],
}
"""The steps of each definition."""
ERRORS = {"unknown fields": {"unknown_field", "too_many_errors"}}
"""The codes of the errors of a definition; the others must be valid."""
AT_ONCE = 3


async def main(items: int, database_url: str) -> None:
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="stepiq-bench-") as name:
        async with (
            provider() as provider_url,
            server(Path(name), database_url, provider_url, {}) as target,
        ):
            await asyncio.sleep(5)
            await answer_in(provider_url, token_ms=CALL_MS // 8)
            await measure_items(target, items, figures)
            figures["/health, idle"] = await health(target, asyncio.sleep(5))
            for kind, step in HOSTILE.items():
                pipeline_id = await saved(target, f"name: {kind}\nsteps: [{{id: s, {step}}}]\n")
                work = hostile(target, pipeline_id, figures, kind)
                figures[f"/health, hostile {kind}"] = await health(target, work)
            for kind, steps in DEFINITIONS.items():
                listed = ", ".join(
                    f"{{id: s{number}, {step}}}" for number, step in enumerate(steps)
                )
                source = f"name: {kind}\ninput: {{schema: {{a: {{type: integer}}, b: {{type: string}}}}}}\nsteps: [{listed}]\n"
                work = checked(target, source, ERRORS.get(kind, set()))
                figures[f"/health, checking {kind}"] = await health(target, work)
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}}  {value}")
    print(json.dumps(figures))


async def measure_items(target: Server, items: int, figures: dict[str, Any]) -> None:
    """Items a second at concurrency 1, for a fifth of the items, and at 50; and the server's memory behind it."""
    rates: dict[int, float] = {}
    for concurrency, count in ((1, max(1, items // 20)), (50, items)):
        pipeline_id = await saved(target, ITEMS.format(concurrency=concurrency))
        run = await ended(target, pipeline_id, {"items": list(range(count))})
        assert run["status"] == "completed", run["error"]
        took = _seconds(run["completed_at"]) - _seconds(run["started_at"])
        rates[concurrency] = count / took
        figures[f"items/s at concurrency {concurrency}"] = round(rates[concurrency], 1)
    figures["times as fast"] = round(rates[50] / rates[1], 1)
    figures["memory MB behind it"] = round(target.memory_mb())


async def hostile(target: Server, pipeline_id: str, figures: dict[str, Any], kind: str) -> None:
    """Several runs at once, again and again for some seconds."""
    data = {"items": list(range(2_000)), "text": "a" * 20_000}
    until = time.perf_counter() + 8
    codes: set[str] = set()

    async def one() -> None:
        while time.perf_counter() < until:
            run = await ended(target, pipeline_id, data)
            codes.add("completed" if run["error"] is None else run["error"]["code"])

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    figures[f"ends of hostile {kind}"] = sorted(codes)


async def checked(target: Server, source: str, codes: set[str]) -> None:
    """Several checks of a large definition at once, again and again for some seconds.

    It must have errors with these codes, and no others: a definition that the reader gives up early measures little.
    """
    until = time.perf_counter() + 8

    async def one() -> None:
        connection = target.connection()
        while time.perf_counter() < until:
            status, answer = await connection.request(
                "POST", "/api/pipelines/validate", source, "application/yaml"
            )
            found = {issue["code"] for issue in answer["errors"]} if status == 200 else set()
            if status != 200 or found != codes:
                raise SystemExit(f"A definition was not checked as expected: {str(answer)[:1000]}")

    await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def health(target: Server, work: Any) -> dict[str, float]:
    """How long /health takes while something goes on."""
    latencies: list[float] = []
    connection = target.connection()
    working = asyncio.ensure_future(work)
    while not working.done():
        begun = time.perf_counter()
        await connection.request("GET", "/health")
        latencies.append(time.perf_counter() - begun)
        await asyncio.sleep(0.005)
    await working
    return {**spread(latencies), "max_ms": round(max(latencies) * 1000, 1)}


async def saved(target: Server, source: str) -> str:
    status, answer = await target.connection().request(
        "POST", "/api/pipelines", source, "application/yaml"
    )
    if status != 201:
        raise SystemExit(f"A pipeline was not accepted: {answer}")
    return answer["id"]


async def ended(target: Server, pipeline_id: str, data: dict[str, Any]) -> dict[str, Any]:
    """A run of the pipeline, once it has ended."""
    connection = target.connection()
    _, run = await connection.request(
        "POST", f"/api/pipelines/{pipeline_id}/run", {"input_data": data}
    )
    while run["status"] not in ("completed", "failed"):
        await asyncio.sleep(0.1)
        _, listed = await connection.request("GET", f"/api/runs?q={run['id']}")
        run = listed["data"][0]
    return run


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--database-url", default="", help="default: SQLite, in a temporary folder")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.items, arguments.database_url))
