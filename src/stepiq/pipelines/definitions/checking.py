"""Checks a definition without a database. Commands import it alone, so that they start quickly."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from stepiq.core.errors import Issue
from stepiq.language.documents.issues import MAX_ERRORS, in_order
from stepiq.pipelines.records import Draft
from stepiq.providers.registry import ModelIssue, Providers

_MAX_MISSING = 100


@dataclass(frozen=True, slots=True)
class Findings:
    """Errors and warnings of a definition."""

    errors: list[Issue]
    warnings: list[Issue]


def check(draft: Draft, providers: Providers, stored: Collection[str] | None = None) -> Findings:
    """All errors and warnings of a definition. Plan limits are not checked.

    Args:
        draft: the definition.
        providers: contain the known models.
        stored: names of the pipeline's stored secrets; None if unknown.
    """
    errors, warnings = list(draft.loaded.errors), list(draft.loaded.warnings)
    if stored is not None:
        missing = [issue for name, issue in draft.loaded.secrets if name not in stored]
        warnings += missing[:_MAX_MISSING]
    checked: dict[str | None, list[ModelIssue]] = {}
    for model, place in draft.loaded.models:
        if len(errors) > MAX_ERRORS:
            break
        if model is None and model in checked:
            continue  # Each step without a model has the same warning.
        if model not in checked:
            checked[model] = providers.check(model, stored or ())
        for found in checked[model]:
            issue = replace(place, code=found.code, message=found.message)
            (errors if found.severity == "error" else warnings).append(issue)
    return Findings(in_order(errors), warnings)
