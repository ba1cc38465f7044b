"""The services of the process, for endpoints. `server.assembly` creates them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Protocol, cast

from fastapi import Depends, Request

from stepiq.core.encryption import Keyring
from stepiq.core.http import GuardedClient
from stepiq.core.mail import Mailer
from stepiq.core.settings import Settings
from stepiq.store.database import Database
from stepiq.store.pubsub import Changes

if TYPE_CHECKING:
    from stepiq.execution.runtime import Engine
    from stepiq.providers.registry import Providers


class Plan(Protocol):
    """The part of a plan that this layer uses."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Mapping[str, int | bool | None]:
        """All limits by name; None is unlimited."""
        ...


class PlanBook(Protocol):
    """The plans of this server. `billing`, a higher layer, implements it and defines the fields of plans."""

    def get(self, name: str) -> Plan:
        """One plan by name."""
        ...


@dataclass
class Services:
    """The services that endpoints use, created once at start."""

    settings: Settings
    database: Database
    changes: Changes
    providers: "Providers"
    engine: "Engine"
    mailer: Mailer
    plans: PlanBook
    """A `billing.plans.Plans`. Code in layers above billing can cast it to use the other fields of a plan."""
    http: GuardedClient
    """The client for all URLs from tenants."""

    @cached_property
    def keyring(self) -> Keyring:
        """The keys that encrypt stored secrets."""
        return Keyring(self.settings)


async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(_services)]
