"""Routes of runs."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import ScopeMissing
from stepiq.accounts.http import DoorsDep, needs
from stepiq.core.errors import Issue
from stepiq.execution.admission.pinning import StepRunInvalid
from stepiq.execution.admission.retries import RetryInvalid
from stepiq.execution.definitions import VersionNotFound
from stepiq.execution.limits.runs import PlanCreditsExhausted, PlanRunsExhausted, QueueFull
from stepiq.execution.records.events import EventType, execution
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.pipelines.errors import PipelineNotFound, PipelinePaused
from stepiq.pipelines.schemas import WantedTag
from stepiq.runs import answers, list_queries, queries, recorded, schemas, service
from stepiq.runs.errors import (
    RunAlreadyFinished,
    RunNotFinished,
    RunNotFound,
    TooManyStreams,
)
from stepiq.runs.examining import examine
from stepiq.runs.records import Filter, RunRetry
from stepiq.runs.streams import lists, waiting
from stepiq.runs.streams.listeners import Streams
from stepiq.runs.streams.lists import ListFollower
from stepiq.runs.streams.runs import EventStream, Follower
from stepiq.store.database import StoreUnavailable
from stepiq.store.states import RunStatus, TriggerType
from stepiq.web.bodies import Instant
from stepiq.web.bodies import router as new_router
from stepiq.web.errors import InvalidQuery
from stepiq.web.idempotency import Replayed
from stepiq.web.pages import Page, PageQuery
from stepiq.web.problems import problems
from stepiq.web.routing import PipelineFilter
from stepiq.web.services import AppKey, Services, ServicesDep
from stepiq.web.transactions import OwnTx, Read

router = new_router("Runs")

Reader = Annotated[Actor, needs(Scope.PIPELINES_READ)]
Executor = Annotated[Actor, needs(Scope.PIPELINES_EXECUTE)]

_LARGEST_SEQ = 2**31 - 1
_QUICK_BYTES = 2_048
"""Largest body whose input is validated inside the transaction.

Examining it before adds a fifth to the CPU time of a start. It takes up to 45 ms to validate an input of this size with
the most expensive schemas, and 2 to 5 ms with others.
"""
_PIPELINE_MISSING = "Versions are numbered for each pipeline. Add `pipeline_id`."


STREAMS = AppKey[Streams]("streams")
StreamsDep = Annotated[Streams, Depends(STREAMS)]


@router.post(
    "/pipelines/{pipeline_id}/run",
    status_code=202,
    response_model=schemas.RunView,
    responses={
        200: {
            "model": schemas.RunDetail,
            "description": "The run, if it ended within `wait` seconds.",
        },
        **problems(
            PipelineNotFound,
            PipelinePaused,
            VersionNotFound,
            InputInvalid,
            PlanRunsExhausted,
            PlanCreditsExhausted,
            QueueFull,
            ScopeMissing,
        ),
    },
)
async def start_run(
    caller: Executor,
    services: ServicesDep,
    streams: StreamsDep,
    doors: DoorsDep,
    own_tx: OwnTx,
    request: Request,
    pipeline_id: UUID,
    body: schemas.RunRequest | None = None,
    wait: Annotated[
        int | None,
        Query(
            ge=0,
            le=waiting.LONGEST_SECONDS,
            description="Seconds to wait for the end of the run. 0: do not wait. Default: 30 for a pipeline with an `api` "
            "target, else 0.",
        ),
    ] = None,
) -> Response:
    """Start a run. The server responds as soon as the run is durable; the run then survives crashes of the server.

    With `wait`, the response is 200 with the complete run if it ends in time, else 202. A waiting request counts as a
    stream. If none is free, it returns 202 at once.
    """
    wanted = body or schemas.RunRequest()
    input_data = wanted.input_data or {}
    examined = None
    if len(await request.body()) > _QUICK_BYTES:
        examined = await examine(
            services.database,
            partial(
                service.to_validate,
                actor=caller,
                pipeline_id=pipeline_id,
                engine=services.engine,
                input_data=input_data,
                version=wanted.version,
            ),
        )
    try:
        async with own_tx() as tx:
            prepared = await service.prepare(
                tx,
                caller,
                pipeline_id,
                engine=services.engine,
                plan=services.plans.get(caller.plan),
                input_data=input_data,
                version=wanted.version,
                examined=examined,
            )
            run = prepared.run
            await recorded.started(tx, caller, run)
            accepted = await own_tx.answer(schemas.run_view(run), 202, is_limited=False)
            await service.accept(tx, prepared, engine=services.engine)
            run_id, version = run.id, run.pipeline_version
    except Replayed as replayed:
        # A repeated request waits for the run started by the first one.
        accepted, started = replayed.answer.response(), replayed.answer.content
        run_id, version = UUID(str(started["id"])), int(str(started["pipeline_version"]))
    seconds = waiting.seconds(wait, services.engine.definitions.kept(pipeline_id, version))
    if not seconds:
        return accepted
    waited = waiting.Waited(caller.workspace_id, run_id, timedelta(seconds=seconds))
    try:
        finished = await _after_wait(services, streams, caller, waited, request)
        # The credential may have been revoked meanwhile. The response then shows no later changes.
        is_live = await doors.watch.is_live(caller)
    except StoreUnavailable:
        return accepted
    return finished if finished and is_live else accepted


async def _after_wait(
    services: Services, streams: Streams, caller: Actor, waited: waiting.Waited, request: Request
) -> Response | None:
    """The run after the wait. None if no stream is free, the store is unavailable, or the run has been deleted meanwhile."""
    try:
        await waiting.until_ended(waited, services.database, streams, receive=request.receive)
        async with services.database.reading() as read:
            status = (await service.progress(read, caller, waited.run_id)).status
        if status is RunStatus.CANCELLED:
            await services.engine.settled(waited.run_id)
        if status.is_final:
            return await answers.whole(services.database, caller, waited.run_id, urgent=True)
        async with services.database.reading() as read:
            run = await service.get(read, caller, waited.run_id)
    except (TooManyStreams, StoreUnavailable, RunNotFound):
        return None
    return JSONResponse(schemas.run_view(run).model_dump(mode="json"), 202)


async def _filter(
    pipeline_id: PipelineFilter,
    status: Annotated[list[RunStatus] | None, Query(description="Can be repeated.")] = None,
    trigger_type: Annotated[
        TriggerType | None, Query(description="How the runs were started.")
    ] = None,
    created_after: Annotated[Instant | None, Query(description="Exclusive.")] = None,
    created_before: Annotated[Instant | None, Query(description="Exclusive.")] = None,
    q: Annotated[
        str | None,
        Query(
            max_length=200,
            description="The first eight or more characters of a run's id, or a part of the pipeline's name.",
        ),
    ] = None,
    version: Annotated[
        int | None,
        Query(ge=1, le=_LARGEST_SEQ, description="Runs of one version of `pipeline_id`."),
    ] = None,
    tag: Annotated[WantedTag | None, Query(description="Runs of pipelines with this tag.")] = None,
    error_code: Annotated[
        str | None, Query(max_length=100, description="Failed runs with this code of the error.")
    ] = None,
    with_failures: Annotated[
        bool, Query(description="If true, completed runs in which steps or branches failed.")
    ] = False,
    caller_id: Annotated[
        UUID | None,
        Query(description="Runs that one user, API key or schedule started."),
    ] = None,
) -> Filter:
    if version is not None and pipeline_id is None:
        raise InvalidQuery([Issue("version", "pipeline_missing", _PIPELINE_MISSING)])
    return Filter(
        pipeline_id=pipeline_id,
        statuses=frozenset(status or ()),
        trigger_type=trigger_type,
        created_after=created_after,
        created_before=created_before,
        q=q or None,
        version=version,
        tag=tag,
        error_code=error_code,
        with_failures=with_failures,
        caller_id=caller_id,
    )


FilterQuery = Annotated[Filter, Depends(_filter)]


@router.get("/runs", responses=problems(ScopeMissing))
async def list_runs(
    caller: Reader,
    read: Read,
    page: PageQuery,
    wanted: FilterQuery,
    include_data: Annotated[
        bool, Query(description="If false, `input_data` and `output` are null.")
    ] = True,
) -> Page[schemas.RunView]:
    """Runs of the workspace, newest first.

    A page can have fewer runs than `limit`, even none, although `next_cursor` is set: for some combinations of filters,
    the server looks at a limited number of runs for each page.
    """
    workspace_id = caller.workspace_id
    found = await list_queries.page_ids(
        read, workspace_id, wanted, before=page.before, limit=page.fetch
    )
    if include_data:
        page = page.fitting(await list_queries.sizes(read, found.ids[: page.limit]))
    listed = await list_queries.page(
        read, workspace_id, found.ids[: page.limit], with_data=include_data
    )
    return Page(
        data=[schemas.run_view(run, with_data=include_data) for run in listed],
        next_cursor=page.cursor(found.ids, found.scanned_to),
    )


@router.get("/runs/count", responses=problems(ScopeMissing))
async def count_runs(caller: Reader, read: Read, wanted: FilterQuery) -> schemas.RunCountView:
    """The number of runs that match a filter. The server counts at most 10,000 runs.

    It does not count them if the filter has `status`, `trigger_type`, `tag` or a part of a pipeline's name, and none of
    `version`, `error_code`, `with_failures` and `caller_id`.
    """
    found = await list_queries.count(read, caller.workspace_id, wanted)
    if found is None:
        return schemas.RunCountView(count=None, has_more=True)
    return schemas.RunCountView(count=found.count, has_more=found.has_more)


_STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
_LIST_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": lists.DESCRIPTION,
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/runs/stream",
    status_code=200,  # FastAPI cannot read it from the class below
    response_class=EventStream,
    responses={**_LIST_STREAM, **problems(TooManyStreams, ScopeMissing)},
)
async def stream_list(
    caller: Reader,
    services: ServicesDep,
    streams: StreamsDep,
    doors: DoorsDep,
    wanted: FilterQuery,
) -> EventStream:
    """Changes of the runs that match a filter. Read the list after each event `list.stale`, which comes first."""
    streams.enter(caller.workspace_id)
    follower = ListFollower(
        services.database,
        streams,
        services.changes,
        caller=caller,
        wanted=wanted,
    )
    return EventStream(follower, streams, doors.watch)


@router.get(
    "/runs/{run_id}",
    response_model=schemas.RunDetail,
    responses=problems(RunNotFound, ScopeMissing),
)
async def get_run(
    caller: Reader,
    services: ServicesDep,
    run_id: UUID,
    steps: Annotated[bool, Query(description="If false, `steps` is empty.")] = True,
) -> Response:
    """A run with its steps, in the order of execution."""
    if steps:
        return await answers.whole(services.database, caller, run_id)
    async with services.database.reading() as read:
        run = await service.get(read, caller, run_id)
    return await answers.detail(run)


@router.get(
    "/runs/{run_id}/stream",
    status_code=200,  # FastAPI cannot read it from the class below
    response_class=EventStream,
    responses={**_STREAMED, **problems(RunNotFound, TooManyStreams, ScopeMissing)},
)
async def stream_run(
    caller: Reader,
    services: ServicesDep,
    streams: StreamsDep,
    doors: DoorsDep,
    run_id: UUID,
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last event received.")
    ] = None,
) -> EventStream:
    """Stream the events of a run until it ends."""
    async with services.database.reading() as read:
        progress = await service.progress(read, caller, run_id)
    streams.enter(caller.workspace_id)
    follower = Follower(
        services.database,
        streams,
        caller=caller,
        run_id=run_id,
        last_seq=min(_sequence(last_event_id), progress.last_seq),
    )
    return EventStream(follower, streams, doors.watch)


@router.post(
    "/runs/{run_id}/cancel",
    response_model=schemas.RunDetail | schemas.RunBrief,
    responses=problems(RunNotFound, RunAlreadyFinished, ScopeMissing),
)
async def cancel_run(caller: Executor, services: ServicesDep, run_id: UUID) -> Response:
    """Stop a run and abort its calls. Tokens used so far are counted.

    The answer to a key without the scope `pipelines:read`, or if the run cannot be read, has only `id` and `status`.
    """
    async with services.database.transaction(urgent=True) as tx:
        before = await service.get(tx, caller, run_id)
        await service.cancel(tx, caller, run_id, engine=services.engine)
        await recorded.cancelled(tx, caller, before)
    await services.engine.settled(run_id)
    if Scope.PIPELINES_READ in caller.scopes:
        # The run may have been deleted since.
        with suppress(StoreUnavailable, RunNotFound):
            return await answers.whole(services.database, caller, run_id, urgent=True)
    return answers.brief(replace(before, status=RunStatus.CANCELLED))


@router.post(
    "/runs/{run_id}/retry",
    status_code=202,
    response_model=schemas.RunView | schemas.RunBrief,
    responses=problems(
        RunNotFound,
        RunNotFinished,
        RetryInvalid,
        StepRunInvalid,
        PipelineNotFound,
        PipelinePaused,
        VersionNotFound,
        InputInvalid,
        PlanRunsExhausted,
        PlanCreditsExhausted,
        QueueFull,
        ScopeMissing,
    ),
)
async def retry_run(
    caller: Executor,
    services: ServicesDep,
    own_tx: OwnTx,
    run_id: UUID,
    body: schemas.RetryRequest | None = None,
) -> Response:
    """Retry an ended run as a new run, from its start or from a step.

    Reused steps are not executed again and cost nothing. `reused` has their number, tokens and original cost.
    """
    request = body or schemas.RetryRequest()
    wanted = RunRetry(
        start=request.from_,
        latest_version=request.version == "latest",
        input_data=request.input_data,
        outputs=request.outputs or {},
    )
    examined = await examine(
        services.database,
        partial(
            service.retry_to_validate,
            actor=caller,
            run_id=run_id,
            wanted=wanted,
            engine=services.engine,
        ),
    )
    async with own_tx() as tx:
        prepared = await service.prepare_retry(
            tx,
            caller,
            run_id,
            wanted,
            engine=services.engine,
            plan=services.plans.get(caller.plan),
            examined=examined,
        )
        await recorded.retried(tx, caller, prepared.run, start=wanted.start)
        view = schemas.view_for(caller, prepared.run)
        accepted = await own_tx.answer(view, 202, is_limited=False)
        await service.accept(tx, prepared, engine=services.engine)
    return accepted


@router.get("/runs/{run_id}/events", responses=problems(RunNotFound, ScopeMissing))
async def list_events(
    caller: Reader,
    read: Read,
    page: PageQuery,
    run_id: UUID,
    after: Annotated[
        int, Query(ge=0, le=_LARGEST_SEQ, description="Only events with a higher number.")
    ] = 0,
    type_: Annotated[
        EventType | None, Query(alias="type", description="Only events of one type.")
    ] = None,
    step_id: Annotated[
        str | None,
        Query(max_length=64, description="Only events of one execution of this step."),
    ] = None,
    branch: Annotated[
        str,
        Query(max_length=64, description="Branch of the execution; empty outside branches."),
    ] = "",
    iteration: Annotated[
        int, Query(ge=1, le=_LARGEST_SEQ, description="Iteration of the execution.")
    ] = 1,
) -> Page[schemas.EventView]:
    """The recorded events of a run, oldest first: all events of its stream except `step.delta`."""
    await service.progress(read, caller, run_id)
    start = after if page.before is None else min(page.before.int, _LARGEST_SEQ)
    of = None if step_id is None else execution(step_id, branch, iteration)
    statement = queries.events_statement(run_id, after=start, limit=page.fetch, type_=type_, of=of)
    return page.page(
        await queries.events(read, statement),
        lambda event: schemas.event_view(run_id, event),
        lambda event: UUID(int=event.seq),
    )


def _sequence(last_event_id: str | None) -> int:
    """The number in `Last-Event-ID`; 0 for an unknown value."""
    text = (last_event_id or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
