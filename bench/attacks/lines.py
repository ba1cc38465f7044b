"""An attack with the log of code: many short lines are masked with many long secrets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from workspaces import Workspace

from attacks.base import Extra, nothing_more
from stepiq.store.database import Database
from stepiq.store.tables import workspaces

SECRETS = 100
SECRET_CHARACTERS = 10_000
RUNS = 10
"""What the free plan allows in a day."""
PAUSE_SECONDS = 1.5
PRINTING = "for number in range(6500): print(f'{number:09}')"
# A run masks all secrets that its definition mentions.
SOURCE = f"""\
name: Prints many lines
steps:
  - id: print
    type: code
    language: python
    source: |
      def main(input):
        {PRINTING}
  - id: never
    if: 'false'
    type: llm
    model: openai/gpt-4o-mini
    prompt: '{" ".join(f"{{{{env.SECRET_{number}}}}}" for number in range(SECRETS))}'
"""


@asynccontextmanager
async def masked_lines(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    """Each workspace has the free plan, long secrets, and runs of code that prints 6,500 lines of ten bytes."""
    await asyncio.gather(*(_store_secrets(each) for each in hostile))
    async with store.transaction() as session:
        await session.execute(
            workspaces.update()
            .where(workspaces.c.id.in_([each.id for each in hostile]))
            .values(plan="free")
        )
    tasks = [asyncio.create_task(_print(each)) for each in hostile]
    yield nothing_more
    for failed in (each for each in tasks if each.done()):
        failed.result()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _store_secrets(workspace: Workspace) -> None:
    for number in range(SECRETS):
        beginning = f"{workspace.number:02}-{number:03}-"
        value = beginning + "secret" * (SECRET_CHARACTERS // 6 - 2)
        await workspace.secret(f"SECRET_{number}", value)


async def _print(workspace: Workspace) -> None:
    pipeline_id = await workspace.save(SOURCE)
    for _ in range(RUNS):
        status, _ = await workspace.run(pipeline_id)
        if status != 202:
            raise SystemExit(f"A hostile run was refused with {status}.")
        await asyncio.sleep(PAUSE_SECONDS)
