"""The recorder of this process, for endpoints."""

from stepiq.accounts.audit.batching import EntryBatcher
from stepiq.web.services import AppKey

AUDIT = AppKey[EntryBatcher]("audit")
