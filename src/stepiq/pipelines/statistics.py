"""Statistics of pipelines over the last seven days, for lists. They read daily rollups, never runs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from stepiq.pipelines import statistics_queries as queries
from stepiq.pipelines.records import PipelineDay, PipelineStats
from stepiq.store.database import Session

DAYS = 7


async def of_pipelines(
    session: Session, workspace_id: UUID, pipeline_ids: Sequence[UUID], today: date
) -> dict[UUID, PipelineStats]:
    """Statistics of some pipelines of the workspace, with two statements for all of them."""
    if not pipeline_ids:
        return {}
    days = [(today - timedelta(days=ago)).isoformat() for ago in reversed(range(DAYS))]
    found = await queries.days(session, queries.days_statement(workspace_id, pipeline_ids, days))
    next_runs = await queries.next_runs(session, queries.next_runs_statement(pipeline_ids))
    by_pipeline: defaultdict[UUID, list[PipelineDay]] = defaultdict(list)
    for each in found:
        by_pipeline[each.pipeline_id].append(each)
    return {
        pipeline_id: PipelineStats(
            days=days,
            next_run_at=next_runs.get(pipeline_id),
            **_sums(days, by_pipeline[pipeline_id]),
        )
        for pipeline_id in pipeline_ids
    }


def _sums(days: Sequence[str], found: Iterable[PipelineDay]) -> dict[str, Any]:
    by_day = {each.day: each for each in found}
    counted = by_day.values()
    completed, failed = (
        sum(getattr(each, name) for each in counted) for name in ("completed", "failed")
    )
    return {
        "runs": [by_day[day].runs if day in by_day else 0 for day in days],
        "completed": completed,
        "failed": failed,
        "cancelled": sum(each.cancelled for each in counted),
        "success_rate": completed / (completed + failed) if completed + failed else None,
        "cost_usd_micros": sum(each.cost_usd_micros for each in counted),
        "cost_complete": all(each.cost_complete for each in counted),
    }
