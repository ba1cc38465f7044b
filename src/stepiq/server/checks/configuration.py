"""Environment variables, the config file, and the installation."""

from stepiq.core import settings
from stepiq.core.settings import Settings
from stepiq.execution.handlers import handlers
from stepiq.language.step_types import InstallationIncomplete
from stepiq.server.checks.check import Check, fatal, ok, warning


async def check_settings(configured: Settings) -> list[Check]:
    """The names of the given settings, without values because some are secrets, and unknown variables."""
    given = sorted(
        settings.variable_name(field)
        for field in configured.model_fields_set - {"endpoints", "plans"}
    )
    file = configured.config_file.absolute()
    from_file = f"; {file} is read" if file.exists() else ""
    found = [ok("settings", f"{', '.join(given) or 'all at their defaults'}{from_file}")]
    for name, nearest in settings.unknown_variables(configured).items():
        advice = f"Did you mean {nearest}?" if nearest else "Remove it, or correct its name."
        found.append(
            warning("settings", f"{name} is set, but this setting does not exist.", advice)
        )
    return found


async def check_step_types(_: Settings) -> list[Check]:
    """Whether the installed package can execute every step type."""
    try:
        return [ok("step types", ", ".join(sorted(handlers())))]
    except InstallationIncomplete as error:
        return [fatal("step types", error)]
