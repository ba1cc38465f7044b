"""Routes of the API key of the request."""

from typing import Annotated

from fastapi import Depends

from stepiq.accounts import recorded, schemas
from stepiq.accounts.actor import Actor, Scope
from stepiq.accounts.errors import KeyNotFound, KeyRequired, MemberRequired, ScopeMissing
from stepiq.accounts.http import DoorsDep, KeyHolder
from stepiq.accounts.keys import service as api_keys
from stepiq.web.bodies import router as new_router
from stepiq.web.problems import problems
from stepiq.web.transactions import Read, Tx

router = new_router("API keys")

PATH = "/user/api-keys/current"

Holder = Annotated[Actor, Depends(KeyHolder(Scope.ACCOUNT_READ, is_key_only=True))]

_PROBLEMS = problems(KeyRequired, ScopeMissing, MemberRequired, KeyNotFound)


@router.get(PATH, responses=_PROBLEMS)
async def get_current_key(caller: Holder, read: Read) -> schemas.ApiKeyView:
    """The personal API key of the request, without its text."""
    return schemas.ApiKeyView.model_validate(await api_keys.current(read, caller))


@router.delete(PATH, responses=_PROBLEMS)
async def revoke_current_key(caller: Holder, tx: Tx, doors: DoorsDep) -> schemas.DeletedApiKey:
    """Revoke the personal API key of the request. It is no longer accepted. `stepiq logout` does this."""
    row = await api_keys.revoke_current(tx, caller)
    await recorded.key_revoked(tx, caller, row)
    tx.after_commit(lambda: doors.authenticator.forget(row.id))
    return schemas.DeletedApiKey(id=row.id)
