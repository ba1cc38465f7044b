"""`stepiq models`."""

from collections import Counter
from dataclasses import asdict

from rich.table import Table

from stepiq.cli.output.console import print_json, print_text, say
from stepiq.cli.output.terminal import Terminal, styled, to_stderr
from stepiq.core.control_characters import escape_line
from stepiq.core.settings import model as settings
from stepiq.core.settings.model import Settings
from stepiq.language.definitions.compiled import Definition
from stepiq.providers.local.weights import ensure_local_weights, weights_present
from stepiq.providers.registry import ModelDescription, ModelUnusable, Providers
from stepiq.steps.llm.spec import LlmSpec


def show(*, everything: bool, as_json: bool) -> None:
    """Print the usable models, or all models in the catalogue."""
    providers = Providers(settings.load(), is_server=False)
    known = providers.models()
    listed = known if everything else [model for model in known if model.usable]
    if as_json:
        print_json({"data": [asdict(model) for model in listed]})
        return
    terminal = Terminal()
    if terminal.is_terminal:
        terminal.print(_table(listed))
    else:
        for model in listed:
            print_text("\t".join(_cells(model)))
    _say_more(providers, known, listed)


def _table(models: list[ModelDescription]) -> Table:
    table = Table("model", "context", "$ per million in", "out", "able to", box=None)
    for model in models:
        table.add_row(*map(styled, _cells(model)), style=None if model.usable else "dim")
    return table


def _cells(model: ModelDescription) -> list[str]:
    context = f"{model.context_window:,}" if model.context_window else "?"
    prices = (model.input_usd_per_million, model.output_usd_per_million)
    return [escape_line(model.id), context, *map(_price, prices), ", ".join(model.capabilities)]


def _price(value: float | None) -> str:
    return "?" if value is None else f"{value:g}"


def _say_more(
    providers: Providers, known: list[ModelDescription], listed: list[ModelDescription]
) -> None:
    say()
    try:
        say(f"Steps without a model use {providers.default_model().id}.")
    except ModelUnusable as error:
        say(f"Steps without a model fail. {error.message}")
    names = {provider.id: provider.name for provider in providers.describe()}
    left = Counter(model.provider for model in known) - Counter(model.provider for model in listed)
    if left:
        counts = ", ".join(f"{count} of {names[each]}" for each, count in left.items())
        say(
            f"Not usable here: {counts}. `stepiq models --all` lists them, `stepiq doctor` says why."
        )


def fetch_weights(settings: Settings) -> None:
    """Download the weights if they are not on this machine."""
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
