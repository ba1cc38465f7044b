"""The local model's weights, fetched before they are needed so that the wait has a reason that people see."""

from stepiq.cli.console import say
from stepiq.core import keys
from stepiq.core.settings import Settings
from stepiq.engine.providers.local_weights import ensure_local_weights, weights_present
from stepiq.engine.providers.registry import ModelUnusable, Providers
from stepiq.language.definition import Definition
from stepiq.language.specs import LlmSpec


def fetch_weights(settings: Settings) -> None:
    """Fetch them if they are not in the data folder.

    Raises:
        LocalModelUnavailable: they cannot be fetched.
        KeyUnusable: the data folder cannot be made.
    """
    folder = keys.prepare_data_dir(settings)
    if not weights_present(folder):
        ensure_local_weights(folder, say)


def uses_local_model(definition: Definition, providers: Providers) -> bool:
    """Whether a step will ask the model that runs on this machine."""
    for step in definition.every_step:
        if isinstance(step.spec, LlmSpec):
            try:
                model = step.spec.model
                found = providers.default_model() if model is None else providers.resolve(model)
            except ModelUnusable:
                # The run says so, with the step's name.
                continue
            if found.provider == "local":
                return True
    return False
