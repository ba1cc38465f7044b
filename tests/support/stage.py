"""Runs the pipelines of the documentation, with models, external systems and reviewers simulated by the test."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stepiq.core import clock
from stepiq.language.definitions.loading import compile_document, load
from stepiq.language.documents.source import SourceFormat
from stepiq.store.tables import reviews
from tests.support.engine import Ended, World
from tests.support.fake_provider import RunningFakeProvider
from tests.support.receiver import Receiver

_HOST = re.compile(r"https://[a-z.]*example\.com")


@dataclass
class Stage:
    """An engine, and the provider and receiver that pipelines call."""

    world: World
    provider: RunningFakeProvider
    receiver: Receiver

    async def play(
        self,
        source: str,
        input_data: dict[str, Any],
        *,
        answers: dict[str, Any] | None = None,
        reviews: list[dict[str, Any]] | None = None,
    ) -> Ended:
        """Run a pipeline to its end.

        Args:
            source: YAML of the pipeline. Calls to `https://….example.com` go to the receiver.
            input_data: input, which is checked and completed as by the API.
            answers: answers of models, by a part of the prompt. Data is sent as JSON.
            reviews: decisions of reviewers, in order.
        """
        told = {
            part: answer if isinstance(answer, str) else json.dumps(answer)
            for part, answer in (answers or {}).items()
        }
        self.provider.configure(answers=told)
        source = _HOST.sub(self.receiver.url, source)
        document = load(source, SourceFormat.YAML).document
        assert document is not None
        definition = compile_document(document)
        run_id, heard = await self.world.start(
            await self.world.pipeline(source),
            definition.input.validate(input_data),
            run_timeout=definition.timeout,
        )
        for decision in reviews or []:
            await asyncio.wait_for(heard.until("run.status", status="waiting"), 20)
            await self._decide(decision)
        await asyncio.wait_for(heard.until_ended(), 20)
        return await self.world.ended(run_id, heard)

    async def _decide(self, decision: dict[str, Any]) -> None:
        async with self.world.database.transaction() as session:
            row = (
                await session.execute(sa.select(reviews).where(reviews.c.closed_at.is_(None)))
            ).one()
            await session.execute(
                reviews.update()
                .where(reviews.c.id == row.id)
                .values(
                    {
                        "output": row.input,
                        "reviewer": "ada@example.com",
                        **decision,
                        "closed_at": clock.now(),
                    }
                )
            )
            await self.world.engine.wake(session, row.workspace_id, row.run_id)
