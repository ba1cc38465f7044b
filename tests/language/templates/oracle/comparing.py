"""Our engine and Handlebars.js side by side."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from stepiq.language.templates import (
    Template,
    TemplateLimit,
    TemplateSyntaxError,
    TemplateUnresolved,
)
from tests.language.templates.oracle import contexts
from tests.language.templates.oracle.process import Handlebars
from tests.language.templates.oracle.writing import Writer, disturbed

_DISTURBED = 0.4
"""Share of the templates that are disturbed."""
_BATCH = 500
_MOST_TOLD = 5
"""So many differences are looked into; more would take long."""


@dataclass(slots=True)
class Comparison:
    """What came of many templates."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    """How many were `text`, `refused` and `unresolved`."""
    differences: list[str] = field(default_factory=list[str])


def compare(handlebars: Handlebars, seeds: range) -> Comparison:
    """Render a random template for each seed with both, and tell where they differ."""
    comparison = Comparison()
    for start in range(0, len(seeds), _BATCH):
        batch = [(seed, *drawn(seed)) for seed in seeds[start : start + _BATCH]]
        answers = handlebars.answers((text, context) for _, text, context in batch)
        for (seed, text, context), answer in zip(batch, answers, strict=True):
            ours = outcome(text, context)
            comparison.outcomes[next(iter(ours))] += 1
            if not agree(ours, answer) and len(comparison.differences) < _MOST_TOLD:
                comparison.differences.append(tell(handlebars, f"seed {seed}", text, context))
    return comparison


def drawn(seed: int) -> tuple[str, Any]:
    """A template and a context that go together."""
    draw = random.Random(seed)  # noqa: S311 - drawn again from the same seed
    context = contexts.context(draw)
    text = Writer(draw, context).template()
    return (disturbed(draw, text) if draw.random() < _DISTURBED else text), context


def outcome(text: str, context: Any) -> dict[str, str]:
    """What our engine makes of a template, in the words of Handlebars' answers."""
    try:
        return {"text": Template.compile(text).render(context)}
    except TemplateSyntaxError as error:
        return {"refused": error.message}
    except TemplateUnresolved as error:
        return {"unresolved": error.message}
    except TemplateLimit as error:
        return {"limited": error.message}


def agree(ours: dict[str, str], theirs: dict[str, str]) -> bool:
    """Whether both wrote the same text, or failed at the same stage; reasons are worded differently.

    Handlebars has no limits, so it may write what is too much for us.
    """
    if "limited" in ours:
        return "text" in theirs
    return ours == theirs if "text" in ours else ours.keys() == theirs.keys()


def tell(handlebars: Handlebars, name: str, text: str, context: Any) -> str:
    """Where the two differ, at the shortest piece of the template that still shows it."""
    text = _shortest(handlebars, text, context)
    (theirs,) = handlebars.answers([(text, context)])
    return f"{name}: {text!r}\n  ours       {outcome(text, context)}\n  handlebars {theirs}\n  with {context}"


def _shortest(handlebars: Handlebars, text: str, context: Any) -> str:
    size = len(text) // 2
    while size:
        shorter = [text[:at] + text[at + size :] for at in range(0, len(text), size)]
        answers = handlebars.answers((each, context) for each in shorter)
        found = [
            each
            for each, theirs in zip(shorter, answers, strict=True)
            if not agree(outcome(each, context), theirs)
        ]
        if found:
            text = found[0]
        else:
            size //= 2
    return text
