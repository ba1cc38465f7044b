"""docs/reference/metrics.md: every metric of `/metrics`, its labels and what it counts."""

from collections.abc import Iterator
from typing import Any

from stepiq.core.metrics import REGISTRY

_INTRODUCTION = """\
# Metrics

`GET /metrics` tells them in Prometheus's text format; [Operations](../operations.md#metrics) says who may read it and shows a scrape. They
count from the process's start. Labels never name an account, a pipeline or a run.
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{name}` | {kind} | {labels} | {text} |" for name, kind, labels, text in described()
    ]
    return "\n".join(
        [_INTRODUCTION, "| metric | kind | labels | tells |", "|---|---|---|---|", *rows, ""]
    )


def described() -> Iterator[tuple[str, str, str, str]]:
    """Name, kind, labels and meaning of each metric, as a scrape sees them."""
    labels: dict[str, tuple[str, ...]] = {
        name: getattr(collector, "_labelnames", ())
        for collector, names in registered()
        for name in names
    }
    for metric in sorted(REGISTRY.collect(), key=lambda each: each.name):
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        shown = ", ".join(f"`{label}`" for label in labels.get(metric.name, ()))
        yield name, metric.type, shown, metric.documentation.replace("|", "\\|")


def registered() -> list[tuple[Any, list[str]]]:
    """Collectors and the names that each has taken."""
    found: dict[Any, list[str]] = getattr(REGISTRY, "_collector_to_names")  # noqa: B009 — the library keeps it to itself
    return list(found.items())
