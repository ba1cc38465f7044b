"""Shapes of inbound webhooks in the API."""

from typing import Literal
from uuid import UUID

from stepiq.store.states import RunStatus
from stepiq.web.bodies import View


class AcceptedRun(View):
    """A run that an inbound webhook started."""

    accepted: Literal[True] = True
    run_id: UUID
    status: RunStatus
    pipeline_id: UUID
