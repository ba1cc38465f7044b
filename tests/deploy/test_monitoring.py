"""The example rules and dashboard name what `/metrics` tells, in PromQL, and each alert says what to do."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from stepiq.core.observability.metrics import REGISTRY
from tests.docs.pages import anchors, read, section
from tests.support.containers import ROOT

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
PANELS: list[dict[str, Any]] = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
# Of Prometheus itself, about each scrape.
SCRAPE = {"up": frozenset({"job", "instance"})}
TARGET = frozenset({"job", "instance"})


def told() -> dict[str, frozenset[str]]:
    """Every series of a scrape, with the labels that it has."""
    found: dict[str, frozenset[str]] = dict(SCRAPE)
    for collector, names in getattr(REGISTRY, "_collector_to_names").items():  # noqa: B009 - the library keeps it to itself
        labels = frozenset(getattr(collector, "_labelnames", ()))
        for name in names:
            found[name] = labels | TARGET | ({"le"} if name.endswith("_bucket") else set[str]())
    for family in REGISTRY.collect():
        if family.type in ("counter", "histogram"):
            # Their bare names are taken, and told by nobody.
            found.pop(family.name, None)
        for sample in family.samples:
            found.setdefault(sample.name, TARGET)
    return found


TOLD = told()


def expressions() -> Iterator[Any]:
    for rule in RULES:
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in PANELS:
        for target in panel["targets"]:
            # What Grafana fills in.
            text = target["expr"].replace("$__rate_interval", "5m").replace("$job", "stepiq.*")
            yield pytest.param(text, id=f"{panel['title']} {target['refId']}")


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (inner := getattr(node, name, None)) is not None:
            yield from selectors(inner)
    for inner in getattr(node, "args", None) or ():
        yield from selectors(inner)


@pytest.mark.parametrize("expression", [*expressions()])
class TestExpressions:
    def test_it_is_promql(self, expression: str):
        assert promql_parser.parse(expression)

    def test_it_asks_for_what_is_told_by_labels_that_it_has(self, expression: str):
        asked = list(selectors(promql_parser.parse(expression)))

        # Every name that the parser was not asked about would pass unseen.
        names = set(re.findall(r"\b(?:stepiq|process)_\w+|\bup\b", expression))
        assert {each.name for each in asked} == names
        for each in asked:
            assert each.name in TOLD
            assert {matcher.name for matcher in each.matchers.matchers} <= TOLD[each.name]

    def test_it_groups_by_labels_that_there_are(self, expression: str):
        grouped = {
            label.strip()
            for labels in re.findall(r"\bby \(([^)]*)\)", expression)
            for label in labels.split(",")
        }
        there = {
            label
            for each in selectors(promql_parser.parse(expression))
            for label in TOLD[each.name]
        }

        assert grouped <= there


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
class TestRules:
    def test_it_has_what_an_alert_needs(self, rule: dict[str, Any]):
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        assert rule["annotations"]["summary"].endswith(".")

    def test_it_points_to_what_to_do(self, rule: dict[str, Any]):
        page, _, anchor = rule["annotations"]["runbook"].partition("#")

        assert anchor == rule["alert"].lower()
        assert anchor in anchors(read(page))

    def test_its_summary_names_labels_that_its_expression_keeps(self, rule: dict[str, Any]):
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        kept = set(re.findall(r"\bby \(([^)]*)\)", rule["expr"]))

        if kept:
            assert named <= {label.strip() for labels in kept for label in labels.split(",")}
        elif re.search(r"\b(sum|max|min)\b", rule["expr"]):
            assert not named


class TestDashboard:
    def test_no_panel_lies_on_another(self):
        taken: set[tuple[int, int]] = set()
        for panel in DASHBOARD["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert place["x"] + place["w"] <= 24
            assert not cells & taken
            taken |= cells

    def test_ids_are_its_own(self):
        ids = [panel["id"] for panel in DASHBOARD["panels"]]

        assert len(ids) == len(set(ids))

    def test_it_shows_every_metric_that_rules_watch(self):
        shown = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
        watched = {
            name for rule in RULES for name in re.findall(r"\b(?:stepiq|process)_\w+", rule["expr"])
        }

        assert {name for name in watched if name not in shown} == set()


class TestScrape:
    def test_what_docs_show_is_a_configuration_with_jobs_that_rules_and_dashboard_look_for(self):
        shown = section(read("docs/operations.md"), "## Metrics")
        (block,) = re.findall(r"```yaml\n(.*?)```", shown, re.DOTALL)

        jobs = [each["job_name"] for each in yaml.safe_load(block)["scrape_configs"]]

        assert jobs
        assert all(job.startswith("stepiq") for job in jobs)
