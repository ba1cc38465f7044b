"""The services with all fields of the plans, for endpoints of this layer and the layers above it."""

from typing import Annotated

from fastapi import Depends

from stepiq.billing.plans import Plans
from stepiq.web.services import SERVICES, Services

BillingServices = Services[Plans]
BillingServicesDep = Annotated[BillingServices, Depends(SERVICES)]
