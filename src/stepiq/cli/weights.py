"""Downloads the weights of the local model before a run needs them, so that the user sees the progress."""

from stepiq.cli.output.console import say
from stepiq.cli.output.terminal import styled, to_stderr
from stepiq.core.settings.model import Settings
from stepiq.language.definitions.compiled import Definition
from stepiq.providers.local.weights import ensure_local_weights, weights_present
from stepiq.providers.registry import ModelUnusable, Providers
from stepiq.steps.llm.spec import LlmSpec


def fetch_weights(settings: Settings) -> None:
    """Download the weights if they are not on this machine.

    Raises:
        LocalModelUnavailable: the download fails.
    """
    folder = settings.cache_path
    if weights_present(folder):
        return
    console = to_stderr()
    if not console.is_terminal:
        ensure_local_weights(folder, say)
        return
    # On a terminal, each line replaces the previous one.
    with console.status("") as status:
        path = ensure_local_weights(folder, lambda text: status.update(styled(text)))
    say(f"Fetched the local model: {path}")


def uses_local_model(definition: Definition, providers: Providers) -> bool:
    """Whether a step uses the model that runs on this machine."""
    for step in definition.every_step:
        if isinstance(step.spec, LlmSpec):
            try:
                model = step.spec.model
                found = providers.default_model() if model is None else providers.resolve(model)
            except ModelUnusable:
                # The run fails with this reason and names the step.
                continue
            if found.provider == "local":
                return True
    return False
