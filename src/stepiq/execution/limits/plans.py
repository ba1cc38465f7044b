"""Plans: the built-in ones, with the changes and additions of the operator's config file."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any

from stepiq.core import json
from stepiq.core.errors import Invalid, Issue
from stepiq.core.observability import logging
from stepiq.core.recent import Recent
from stepiq.language.words import suggest
from stepiq.store.statements.workspaces import WorkspacePlan

log = logging.get(__name__)

FALLBACK = "free"
"""Plan of a workspace whose own plan is no longer in the config file."""
UNLIMITED = "unlimited"
"""Value in the config file that removes a limit. In a `Plan` it is None."""

LARGEST = 1_000_000_000_000
"""Largest number of a limit. SQL compares limits, and products of them, as 64-bit integers."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class PlansInvalid(Invalid):
    """A `[plans.NAME]` table of the config file is not valid."""

    code = "plans_invalid"


class LimitsInvalid(Invalid):
    """A limit of a workspace has an unknown name or an invalid value."""

    code = "limits_invalid"

    def __init__(self, issues: Sequence[Issue]) -> None:
        shown = " ".join(f"{issue.path}: {issue.message}" for issue in issues)
        super().__init__(f"The limits are not valid. {shown}", issues)


class UnknownPlan(Invalid):
    """No plan has this name."""

    code = "plan_unknown"

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"Plan `{name}` does not exist. Use one of {', '.join(known)}, or define `[plans.{name}]` in `stepiq.toml`.",
            plan=name,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits of one plan. None means unlimited."""

    name: str
    credits_per_month: int | None
    """1 credit is 1,000 tokens of models used with the server's provider keys."""
    runs_per_day: int | None
    pipelines: int | None
    steps: int | None
    """Steps of one pipeline."""
    cron: bool
    webhooks: bool
    """Whether inbound webhooks and webhook delivery targets are allowed."""
    agent_turns: int | None
    agent_seconds: int | None
    agent_tool_calls: int | None
    requests_per_minute: int | None
    """Requests with one credential."""
    runs_at_once: int | None
    """Maximum runs that hold a ticket. Others wait until one of them ends."""
    runs_queued: int | None
    """Maximum runs that wait for a ticket. Further triggers are refused."""
    # See `execution.limits.quotas.Quota`. These are optional: config files written before they existed omit them.
    api_keys: int | None = None
    workspace_requests_per_minute: int | None = None
    """Requests with all credentials of a workspace."""
    versions: int | None = None
    definition_bytes: int | None = None
    drafts: int | None = None
    schedules: int | None = None
    emails_per_day: int | None = None
    redeliveries_per_day: int | None = None

    @property
    def limits(self) -> dict[str, int | bool | None]:
        """All limits by name, as the API shows them."""
        return {key: getattr(self, key) for key in _KEYS}


_KEYS = tuple(field.name for field in fields(Plan) if field.name != "name")
_REQUIRED = tuple(
    field.name for field in fields(Plan) if field.name in _KEYS and field.default is MISSING
)
_FLAGS = frozenset({"cron", "webhooks"})
# With 0, a workspace could not do anything. To achieve that, disable its users.
_AT_LEAST_ONE = frozenset(
    {"runs_at_once", "requests_per_minute", "workspace_requests_per_minute", "steps"}
)


class Plans:
    """All plans of this server, by name."""

    def __init__(self, plans: Mapping[str, Plan]) -> None:
        self._plans = dict(plans)
        self._of_workspaces: Recent[tuple[str, str], Plan] = Recent(1_000)

    @classmethod
    def load(cls, overrides: Mapping[str, Mapping[str, Any]]) -> "Plans":
        """Load the built-in plans, and apply the `[plans.NAME]` tables of the config file.

        A table with the name of a built-in plan overrides only the limits it contains. A new plan must set every
        required limit, or `extends` another plan.

        Raises:
            PlansInvalid: a table has an unknown key or an invalid value, or lacks a limit. Lists all problems.
        """
        raw = _built_in()
        issues: list[Issue] = []
        for name, table in overrides.items():
            issues += _table_issues(name, table, {*raw, *overrides})
        if not issues:
            merged = {name: dict(table) for name, table in raw.items()}
            for name in overrides:
                merged[name] = _resolve(name, raw, overrides, issues, ())
            issues += _missing(merged)
            if not issues:
                return cls({name: _plan(name, table) for name, table in merged.items()})
        raise PlansInvalid(
            "The plans are not valid. " + " ".join(f"{i.path}: {i.message}" for i in issues), issues
        )

    def get(self, name: str) -> Plan:
        """The plan with a name; if it is no longer configured, `free`, with a warning in the log.

        The only place that resolves the limits of a workspace: a `WorkspacePlan` brings limits that replace those of
        the plan.
        """
        overrides = name.overrides if isinstance(name, WorkspacePlan) else ""
        if not overrides:
            return self._named(name)
        key = (str(name), overrides)
        plan = self._of_workspaces.get(key)
        if plan is None:
            plan = replace(self._named(name), **_limits(_readable(overrides)))
            self._of_workspaces[key] = plan
        return plan

    def overridden(self, name: str) -> frozenset[str]:
        """The names of the limits that a `WorkspacePlan` replaces in its plan."""
        overrides = name.overrides if isinstance(name, WorkspacePlan) else ""
        return frozenset(_readable(overrides)) if overrides else frozenset()

    def _named(self, name: str) -> Plan:
        try:
            return self.require(name)
        except UnknownPlan:
            log.warning("plan_missing", plan=name, used=FALLBACK)
            return self.require(FALLBACK)

    def require(self, name: str) -> Plan:
        """The plan with a name.

        Raises:
            UnknownPlan: no plan has this name. The message lists the existing ones.
        """
        plan = self._plans.get(name)
        if plan is None:
            raise UnknownPlan(name, self.names())
        return plan

    def names(self) -> list[str]:
        """The names of all plans, in the order of their definition."""
        return list(self._plans)


def check_overrides(limits: Mapping[str, Any]) -> None:
    """Check limits of a single workspace, by the rules of the config file.

    Raises:
        LimitsInvalid: a name is unknown, or a value is not valid. Lists all problems.
    """
    issues = [
        Issue(f"limits.{key}", "plan_limit", problem)
        for key, value in limits.items()
        if (problem := _value_problem(key, value)) is not None
    ]
    if issues:
        raise LimitsInvalid(issues)


def _readable(overrides: str) -> dict[str, Any]:
    """The stored limits of a workspace that this version of the server knows. An earlier one stored larger numbers."""
    stored = json.read_trusted(overrides)
    found: dict[str, Any] = stored if isinstance(stored, dict) else {}
    known = {key: LARGEST if _is_too_large(value) else value for key, value in found.items()}
    return {key: value for key, value in known.items() if _value_problem(key, value) is None}


def _table_issues(name: str, table: Mapping[str, Any], known: set[str]) -> list[Issue]:
    where = f"plans.{name}"
    if not _NAME.fullmatch(name):
        return [
            Issue(
                where,
                "plan_name",
                "The name of a plan must consist of lower-case letters, digits, - and _.",
            )
        ]
    issues: list[Issue] = []
    for key, value in table.items():
        problem = _extends_problem(value, known) if key == "extends" else _value_problem(key, value)
        if problem:
            issues.append(Issue(f"{where}.{key}", "plan_limit", problem))
    return issues


def _extends_problem(value: object, known: set[str]) -> str | None:
    if isinstance(value, str) and value in known:
        return None
    return f"Use an existing plan: {', '.join(sorted(known))}."


def _value_problem(key: str, value: object) -> str | None:
    if key not in _KEYS:
        return f"Unknown limit. {suggest(key, (*_KEYS, 'extends'))}"
    if key in _FLAGS:
        return None if isinstance(value, bool) else "Write true or false."
    if _is_too_large(value):
        return f'Write {LARGEST:,} or less, or "{UNLIMITED}".'
    least = 1 if key in _AT_LEAST_ONE else 0
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return None if is_count or value == UNLIMITED else f'Write {least} or more, or "{UNLIMITED}".'


def _is_too_large(value: object) -> bool:
    return isinstance(value, int) and value > LARGEST


@cache
def _built_in() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(
        resources.files("stepiq.execution.limits")
        .joinpath("plans.toml")
        .read_text(encoding="utf-8")
    )


def _resolve(
    name: str,
    raw: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Mapping[str, Any]],
    issues: list[Issue],
    below: tuple[str, ...],
) -> dict[str, Any]:
    if name in below:
        chain = " > ".join((*below, name))
        issues.append(
            Issue(
                f"plans.{name}.extends", "plan_limit", f"Plans must not extend each other: {chain}."
            )
        )
        return {}
    own = dict(overrides.get(name, {}))
    base = own.pop("extends", None)
    inherited: Mapping[str, Any] = raw.get(name, {})
    if base is not None and base != name:
        inherited = _resolve(base, raw, overrides, issues, (*below, name))
    return {**inherited, **own}


def _missing(merged: Mapping[str, Mapping[str, Any]]) -> list[Issue]:
    return [
        Issue(
            f"plans.{name}",
            "plan_limit",
            f'Limits missing: {", ".join(missing)}. Add them, or use the limits of another plan with extends = "pro".',
        )
        for name, table in merged.items()
        if (missing := [key for key in _REQUIRED if key not in table])
    ]


def _plan(name: str, table: Mapping[str, Any]) -> Plan:
    return Plan(name, **_limits({key: table[key] for key in _KEYS if key in table}))


def _limits(table: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the config file as fields of a `Plan`."""
    return {key: None if value == UNLIMITED else value for key, value in table.items()}
