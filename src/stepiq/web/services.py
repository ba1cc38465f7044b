"""The services of the process, for endpoints. `server.assembly` creates them, and `server.app.equip` sets them."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Generic

from fastapi import Depends, FastAPI, Request
from typing_extensions import TypeVar

from stepiq.core.http import GuardedClient
from stepiq.core.keys.encryption import Keyring
from stepiq.core.mail import Mailer
from stepiq.core.settings.model import Settings
from stepiq.execution.limits.plans import Plans
from stepiq.store.database import Database
from stepiq.store.pubsub import Changes
from stepiq.web.counts import Counts, counts_of

if TYPE_CHECKING:
    from stepiq.execution.runtime import Engine
    from stepiq.providers.registry import Providers

Value = TypeVar("Value")


@dataclass(frozen=True)
class AppKey(Generic[Value]):
    """Names one object of an app. `Depends(key)` passes it to an endpoint."""

    name: str
    """The attribute of `app.state`."""

    def set(self, app: FastAPI, value: Value) -> None:
        """Set the object of an app."""
        setattr(app.state, self.name, value)

    def get(self, app: FastAPI) -> Value:
        """The object of an app."""
        return getattr(app.state, self.name)

    async def __call__(self, request: Request) -> Value:
        return self.get(request.app)


@dataclass
class Services:
    """The services that endpoints use, created once at start."""

    settings: Settings
    database: Database
    changes: Changes
    providers: "Providers"
    engine: "Engine"
    mailer: Mailer
    plans: Plans
    http: GuardedClient
    """The client for all URLs from tenants."""

    def counts(self, name: str) -> Counts:
        """The counts of one limit, which all processes share."""
        return counts_of(self.database, name)

    @cached_property
    def keyring(self) -> Keyring:
        """The keys that encrypt stored secrets."""
        return Keyring(self.settings)


SERVICES = AppKey[Services]("services")
ServicesDep = Annotated[Services, Depends(SERVICES)]
