"""Environment variables, the config file, and the installation."""

from stepiq.core.settings import model as settings
from stepiq.core.settings.model import Settings
from stepiq.execution.handlers import unusable_handlers
from stepiq.language.definitions.step_types import (
    InstallationIncomplete,
    StepTypeConflict,
    packages,
    unusable_types,
)
from stepiq.server.checks.check import Check, failed, fatal, ok, warning


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
    """Whether the step types that are installed can be used."""
    try:
        installed = packages()
    except (InstallationIncomplete, StepTypeConflict) as error:
        return [fatal("step types", error)]
    failures = {
        name: reason
        for module in (unusable_handlers(), unusable_types())
        for name, reason in module.items()
    }
    usable = [
        name if package.is_built_in else f"{name} ({package.distribution})"
        for name, package in sorted(installed.items())
        if name not in failures
    ]
    return [
        ok("step types", ", ".join(usable)),
        *(
            failed(
                "step types",
                f"The package {installed[name].distribution} of the step type `{name}` has an error. {reason}",
                "Install it in a version that fits this server, or uninstall it.",
            )
            for name, reason in failures.items()
        ),
    ]
