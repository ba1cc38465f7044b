"""The recorder of this process, for endpoints."""

from typing import Annotated

from fastapi import Depends

from stepiq.accounts.audit.batching import EntryBatcher
from stepiq.web.services import AppKey

AUDIT = AppKey[EntryBatcher]("audit")
AuditDep = Annotated[EntryBatcher, Depends(AUDIT)]
