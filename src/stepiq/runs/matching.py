"""Decides whether a run matches a filter, for streams. `list_queries` does the same in SQL."""

from stepiq.runs.list_queries import id_range
from stepiq.runs.records import Filter, Run
from stepiq.store.search import fold


def may_match(run: Run, wanted: Filter) -> bool:
    """Whether a run matches all of a filter except its status, its error code and its failures, which change during a run."""
    facts = (
        (wanted.pipeline_id, run.pipeline_id),
        (wanted.version, run.pipeline_version),
        (wanted.trigger_type, run.trigger_type),
        (wanted.caller_id, run.caller and run.caller.id),
    )
    return (
        all(value is None or value == found for value, found in facts)
        and (wanted.tag is None or wanted.tag in run.pipeline_tags)
        and (wanted.created_after is None or run.created_at > wanted.created_after)
        and (wanted.created_before is None or run.created_at < wanted.created_before)
        and (wanted.q is None or _has_text(run, wanted.q))
    )


def matches(run: Run, wanted: Filter) -> bool:
    """Whether a run matches a filter, if `may_match` is true."""
    if wanted.statuses and run.status not in wanted.statuses:
        return False
    if wanted.with_failures and not run.failed_steps:
        return False
    return wanted.error_code is None or (run.error or {}).get("code") == wanted.error_code


def _has_text(run: Run, q: str) -> bool:
    bounds = id_range(q)
    if bounds is not None:
        return bounds[0] <= run.id.int <= bounds[1]
    return fold(q) in fold(run.pipeline_name)
