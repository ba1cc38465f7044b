"""Plans and registration."""

from stepiq.core.errors import StepIQError
from stepiq.core.settings.model import RegistrationPolicy, Settings
from stepiq.execution.limits.plans import Plans
from stepiq.providers.registry import Providers
from stepiq.server.checks.check import Check, fatal, ok, warning


async def check_accounts(settings: Settings) -> list[Check]:
    """Whether the plans are valid, and whether open registration allows unlimited spending."""
    try:
        plans = Plans.load(settings.plans)
        plan = plans.require(settings.default_plan)
    except StepIQError as error:
        return [fatal("plans", error)]
    found = [ok("plans", f"{', '.join(plans.names())}; new accounts get {plan.name}")]
    is_open = settings.registration is RegistrationPolicy.OPEN
    if is_open and plan.credits_per_month is None and (paid := await _paid_by_server(settings)):
        found.append(
            warning(
                "registration",
                f"Anyone who can reach {settings.base_url} can register and use the server's key of {paid} without limit.",
                "Set STEPIQ_REGISTRATION to `invite`, or STEPIQ_DEFAULT_PLAN to a plan with limits, such as `free`.",
            )
        )
    return found


async def _paid_by_server(settings: Settings) -> str:
    providers = Providers(settings)
    try:
        found = [
            info.name
            for info in providers.describe()
            if info.usable and info.source == "server_key"
        ]
    finally:
        await providers.close()
    return ", ".join(found)
