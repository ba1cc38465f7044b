"""Route of the inbound webhook."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse

from stepiq.accounts.actor import Actor, Credential, Scope
from stepiq.accounts.errors import KeyRequired, ScopeMissing
from stepiq.accounts.http import DOORS, Caller, Scoped, require_scope
from stepiq.billing.errors import PlanWebhooksDisabled
from stepiq.core import json
from stepiq.core.errors import StepIQError
from stepiq.core.json import Json
from stepiq.execution.limits.runs import PlanCreditsExhausted, PlanRunsExhausted, QueueFull
from stepiq.execution.records.run import NewRun
from stepiq.language import offload
from stepiq.language.definitions.inputs import InputInvalid
from stepiq.pipelines.errors import PipelineNotFound, WebhookPaused
from stepiq.pipelines.references import resolve_slug
from stepiq.store.database import Session
from stepiq.store.states import RunStatus
from stepiq.triggers.webhooks import service
from stepiq.triggers.webhooks.errors import (
    PayloadInvalid,
    SignatureInvalid,
    SignatureSecretMissing,
    SignatureSecretUnusable,
)
from stepiq.triggers.webhooks.inbox import Inbox, lock_refused
from stepiq.web import idempotency
from stepiq.web.bodies import View, read_body, takes_any_query
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.services import AppKey, ServicesDep
from stepiq.web.transactions import OwnTx


class AcceptedRun(View):
    """A run that an inbound webhook started."""

    accepted: Literal[True] = True
    run_id: UUID
    status: RunStatus
    pipeline_id: UUID


router = new_router("Webhooks")

INBOX = AppKey[Inbox]("inbox")
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


class _Sender(Scoped):
    """The caller, identified by an API key. A session is not accepted here."""

    async def __call__(self, request: Request, caller: Caller) -> Actor:
        key = request.headers.get("x-api-key")
        if key is None:
            raise KeyRequired
        if caller.credential is Credential.SESSION:
            # Both credentials were sent. This route uses the key.
            caller = await DOORS.get(request.app).authenticator.authenticate(None, key)
            await resolve_slug(request, caller)
        require_scope(caller, self.scope)
        return caller


async def _arrived(request: Request) -> service.Arrived:
    return service.Arrived(request.headers, await request.body(), await _content(request))


async def _content(request: Request) -> Json | StepIQError:
    """The content of the body, or its error, which is reported only after the pipeline has been found."""
    try:
        body = await read_body(request, takes_yaml=False)
        return await offload.read(json.loads, body.data)
    except StepIQError as error:
        return error


@router.post(
    "/webhooks/{pipeline_id}",
    status_code=202,
    response_model=AcceptedRun,
    responses=problems(
        KeyRequired,
        PipelineNotFound,
        WebhookPaused,
        PlanWebhooksDisabled,
        SignatureInvalid,
        SignatureSecretMissing,
        SignatureSecretUnusable,
        PayloadInvalid,
        InputInvalid,
        PlanRunsExhausted,
        PlanCreditsExhausted,
        QueueFull,
        ScopeMissing,
    ),
    openapi_extra=_BODY,
)
@takes_any_query
async def trigger_webhook(
    sender: Annotated[Actor, Depends(_Sender(Scope.WEBHOOKS_TRIGGER, is_key_only=True))],
    arrived: Annotated[service.Arrived, Depends(_arrived)],
    inbox: Annotated[Inbox, Depends(INBOX)],
    services: ServicesDep,
    own_tx: OwnTx,
    pipeline_id: UUID,
) -> Response:
    """Start a run from another system. The input is the object in `input_data`, or the whole body if there is none.

    If the definition has `webhook.verify`, the request must also be signed.
    """
    plan = services.plans.get(sender.plan)
    is_keyed = idempotency.HEADER in arrived.headers
    try:
        checked = await service.check(sender, pipeline_id, arrived, inbox=inbox, plan=plan)
    except StepIQError as error:
        if is_keyed and await service.is_signed(sender, pipeline_id, arrived, inbox=inbox):
            await own_tx.refuse(error)
        raise
    engine = services.engine

    async def run_of(session: Session) -> NewRun:
        return await service.run_of(session, sender, checked, engine=engine, plan=plan)

    accepted = AcceptedRun(
        run_id=checked.run_id, status=RunStatus.PENDING, pipeline_id=checked.target.id
    )
    response = JSONResponse(accepted.model_dump(mode="json"), 202)
    # Checks come before the transaction, because a write transaction blocks others on SQLite.
    if not is_keyed:
        await inbox.accept(sender.workspace_id, run_of)
        return response
    async with own_tx() as tx:
        run = await run_of(tx)
        refused = await lock_refused(tx, [run.pipeline_id])
        if run.pipeline_id in refused:
            raise refused[run.pipeline_id]
        await own_tx.keep(response)
        await engine.accept(tx, run)
    return response
