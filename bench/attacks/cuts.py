"""An attack on credits: long calls of letters that take many tokens are cut, again and again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from workspaces import Workspace

from attacks.base import Extra
from attacks.runs import MANY
from stepiq.store.database import Database
from stepiq.store.tables import workspaces

CALLS = 24
LETTERS = "\U00012000" * 10_000
BYTES = len(LETTERS.encode())
LIMIT = 100_000
"""Tokens of the free plan in a month."""
# Its provider sends 100,000 words, a tenth of a second apart.
ASK = (
    "{id: a, type: llm, model: mistral/mistral-small-latest, max_tokens: 100, prompt: '{{item}} "
    + LETTERS
    + "'}"
)


@asynccontextmanager
async def cut_calls(
    hostile: list[Workspace], store: Database, bystander: Workspace
) -> AsyncIterator[Extra]:
    """Each workspace has the free plan, and cancels a run with 24 calls. The calls must count at what they have sent."""
    ids = [each.id for each in hostile]
    async with store.transaction() as session:
        await session.execute(
            workspaces.update().where(workspaces.c.id.in_(ids)).values(plan="free")
        )
    cutting = asyncio.create_task(_cut_all(hostile))

    async def counted() -> dict[str, float]:
        await cutting
        counts = sa.select(workspaces.c.credit_tokens, workspaces.c.credit_reserved).where(
            workspaces.c.id.in_(ids)
        )
        async with store.reading() as session:
            rows = (await session.execute(counts)).all()
        for row in rows:
            if not BYTES <= row.credit_tokens <= LIMIT or row.credit_reserved:
                raise SystemExit(
                    f"Cut calls of {BYTES} bytes counted {row.credit_tokens} tokens of {LIMIT}, and"
                    f" {row.credit_reserved} are still reserved."
                )
        return {}

    yield counted


async def _cut_all(hostile: list[Workspace]) -> None:
    await asyncio.gather(*map(_cut, hostile))


async def _cut(workspace: Workspace) -> None:
    pipeline_id = await workspace.pipeline("hostile", MANY.format(step=ASK))
    status, run_id = await workspace.run(pipeline_id, [str(number) for number in range(CALLS)])
    if status != 202:
        raise SystemExit(f"A hostile run was refused with {status}.")
    await asyncio.sleep(3)
    await workspace.connection().request("POST", f"/api/runs/{run_id}/cancel")
