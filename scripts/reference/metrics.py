"""docs/reference/metrics.md: every metric of `/metrics`, its labels and what it counts."""

from collections.abc import Iterator
from typing import Any

from stepiq.core.observability.metrics import REGISTRY

_INTRODUCTION = """\
# Metrics

`GET /metrics` returns these metrics in Prometheus's text format. [Operations](../operations.md#metrics) describes
access and shows a scrape configuration. Counters start at 0 with the process. Labels never contain the name of an
account, a pipeline or a run.
"""


def page() -> str:
    """The whole page."""
    rows = [
        f"| `{name}` | {kind} | {labels} | {text} |" for name, kind, labels, text in described()
    ]
    return "\n".join(
        [_INTRODUCTION, "| metric | kind | labels | meaning |", "|---|---|---|---|", *rows, ""]
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
    """Collectors and the names of their metrics."""
    found: dict[Any, list[str]] = getattr(REGISTRY, "_collector_to_names")  # noqa: B009 — the library keeps it to itself
    return list(found.items())
