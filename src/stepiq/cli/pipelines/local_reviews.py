"""Decides the reviews of a run without a server, by the option `--review` or a prompt at the terminal."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from stepiq.cli.output.console import UsageError, confirm, say, say_block
from stepiq.cli.pipelines.workbench import Workbench
from stepiq.core import json
from stepiq.runs.reviews import service
from stepiq.runs.reviews.records import Answer, Review
from stepiq.store.states import ReviewDecision, RunStatus


class LocalReviewer:
    """Decides the reviews of one run."""

    def __init__(self, bench: Workbench, decision: ReviewDecision | None) -> None:
        self._bench = bench
        self._decision = decision
        self._asked: Mapping[str, Any] | None = None

    async def receive(self, kind: str, data: Mapping[str, Any]) -> None:
        """Handle an event of the run, and decide the review for which the run waits.

        Raises:
            UsageError: the option is missing, and there is no terminal.
        """
        if kind == "review.requested":
            self._asked = data
        elif kind == "run.status" and data["status"] == RunStatus.WAITING and self._asked:
            asked, self._asked = self._asked, None
            await self._decide(UUID(asked["run_id"]), asked["step_id"], asked["iteration"])

    async def _decide(self, run_id: UUID, step_id: str, iteration: int) -> None:
        services, actor = self._bench.services, self._bench.actor
        async with services.database.reading() as session:
            review = await service.get(session, actor, run_id, step_id, iteration)
        decision = self._decision or await asyncio.to_thread(_ask, review)
        async with services.database.transaction() as session:
            await service.decide(
                session,
                actor,
                run_id,
                step_id,
                Answer(decision),
                engine=services.engine,
                iteration=iteration,
            )
        say(f"  {step_id}: {decision}")


def _ask(review: Review) -> ReviewDecision:
    if not sys.stdin.isatty():
        raise UsageError(
            f"Step `{review.step_id}` waits for a review, and there is no terminal to ask for it. Add --review approve or "
            "--review reject, or run the pipeline on a server."
        )
    shown = review.input if isinstance(review.input, str) else json.dumps(review.input)
    say_block(f"\n{review.message}\n\n{shown}\n")
    is_approved = confirm("Approve?")
    return ReviewDecision.APPROVE if is_approved else ReviewDecision.REJECT
