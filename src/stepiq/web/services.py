"""What the process is made of, as endpoints reach it; `server.assembly` fills it in."""

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
    """A plan, as far as this layer needs to know it."""

    @property
    def name(self) -> str: ...

    @property
    def limits(self) -> Mapping[str, int | bool | None]:
        """Every limit by name; None is unlimited."""
        ...


class PlanBook(Protocol):
    """The plans of this server. `billing`, which stands above, has them and knows their fields."""

    def get(self, name: str) -> Plan:
        """One plan by name."""
        ...


@dataclass
class Services:
    """Everything an endpoint may need, made once at start."""

    settings: Settings
    database: Database
    changes: Changes
    providers: "Providers"
    engine: "Engine"
    mailer: Mailer
    plans: PlanBook
    """A `billing.plans.Plans`; who needs a plan's own fields stands above billing and may say so."""
    http: GuardedClient
    """For every URL that a tenant wrote."""

    @cached_property
    def keyring(self) -> Keyring:
        """What encrypts stored secrets."""
        return Keyring(self.settings)


async def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


ServicesDep = Annotated[Services, Depends(_services)]
