"""Checks that `stepiq run` makes before it starts a run, so that a run that cannot succeed causes no cost."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from stepiq.cli.output.console import UsageError
from stepiq.language.definitions.compiled import Definition
from stepiq.language.definitions.step import Step
from stepiq.providers.registry import ModelUnusable, Providers


def require_models(
    definition: Definition, providers: Providers, keys: Mapping[str, str], chosen: str | None
) -> None:
    """Refuse a pipeline in which a step that always runs calls an unusable model.

    Args:
        definition: definition of the pipeline, with `chosen` in its steps.
        providers: the configured providers.
        keys: the given secrets, which may be API keys.
        chosen: the model of the option `--model`.

    Raises:
        UsageError: a model is unusable. The message names the steps, what to set, and alternatives.
    """
    problems: dict[str, tuple[ModelUnusable, list[str]]] = {}
    for step in certain_steps(definition.steps):
        if error := _unusable(step.spec.asked_models, providers, keys):
            problems.setdefault(error.message, (error, []))[1].append(f"`{step.id}`")
    if not problems:
        return
    sentences = [_sentence(error, steps, chosen) for error, steps in problems.values()]
    raise UsageError(
        f"{' '.join(sentences)} Or choose another model for every step:",
        _alternatives(providers, keys),
    )


def certain_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The steps that every run executes: those without `if`, up to the first step that may jump."""
    for step in steps:
        if step.condition is None:
            yield step
            for sequence in step.sequences:
                yield from certain_steps(sequence)
        if _may_jump(step):
            return


def _may_jump(step: Step) -> bool:
    return bool(step.spec.own_jumps or step.on_condition) or step.on_error.jump is not None


def _unusable(
    models: Sequence[str | None], providers: Providers, keys: Mapping[str, str]
) -> ModelUnusable | None:
    """The error of a step's first model if none of its models can be used, otherwise None."""
    first: ModelUnusable | None = None
    for model in models:
        try:
            _ = providers.default_model(keys) if model is None else providers.resolve(model, keys)
        except ModelUnusable as error:
            first = first or error
        else:
            return None
    return first


def _sentence(error: ModelUnusable, steps: Sequence[str], chosen: str | None) -> str:
    model, setting = error.facts.get("model"), error.facts.get("setting")
    if model is None:
        what = f"{_named(steps, 'names', 'name')} no model, and no provider is configured."
        return f"{what} Set an API key such as OPENAI_API_KEY."
    if setting is None:
        return f"{_named(steps, 'cannot run', 'cannot run')}. {error.message}"
    where = (
        f"{_named(steps, 'calls', 'call')} `{model}`, but"
        if chosen is None
        else f"--model {chosen}:"
    )
    return f"{where} {setting} is not set. Set this environment variable."


def _named(steps: Sequence[str], one: str, many: str) -> str:
    return f"Step {steps[0]} {one}" if len(steps) == 1 else f"Steps {', '.join(steps)} {many}"


def _alternatives(providers: Providers, keys: Mapping[str, str]) -> Iterator[str]:
    ids: list[str] = []
    with suppress(ModelUnusable):
        ids.append(providers.default_model(keys).id)
    described = {provider.id: provider for provider in providers.describe(keys)}
    if described["local"].usable:
        ids += described["local"].models
    for model in dict.fromkeys(ids):
        yield f"--model {model}"
    first = "" if described["ollama"].usable else ", after you have set OLLAMA_BASE_URL"
    yield f"--model ollama/NAME for a model of your Ollama server{first}"
