"""The route of a run's link, which needs no credential: its token is one."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from stepiq.accounts.errors import TooManyAttempts
from stepiq.accounts.http import LinkDoor
from stepiq.runs import schemas, service
from stepiq.runs.errors import RunLinkExpired, RunLinkInvalid
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.services import AppKey, ServicesDep

public = new_router("Runs")

RUN_LINKS = AppKey[LinkDoor[tuple[UUID, datetime]]]("run_links")
RunLinkDoor = Annotated[LinkDoor[tuple[UUID, datetime]], Depends(RUN_LINKS)]


@public.post("/run-links/open", responses=problems(RunLinkInvalid, RunLinkExpired, TooManyAttempts))
async def open_run_link(
    request: Request, services: ServicesDep, door: RunLinkDoor, body: schemas.RunLink
) -> schemas.LinkedRun:
    """Status, error and steps of a failed run, with the link from an email."""
    run_id, expires_at = await door.admit(request, body.token)
    async with services.database.reading() as read:
        return schemas.linked_run(await service.outline(read, run_id), expires_at)
