"""What is promised is written down, and what is written down is there."""

import inspect
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from stepiq.accounts.audit.actions import Action, ActorKind
from stepiq.cli.command_line import ServerCommand
from stepiq.cli.main import app as command_line
from stepiq.client import errors as client_errors
from stepiq.core.enum_docs import described
from stepiq.core.observability.metrics import REGISTRY
from stepiq.core.settings.config_file import CONFIG_FILE_TABLES, EndpointSettings
from stepiq.core.settings.model import CLIENT_VARIABLES, Settings, variable_name
from stepiq.execution.outcomes import FailureCode
from stepiq.execution.records.events import EventType
from stepiq.language.definitions.loading import load
from stepiq.language.definitions.step_types import LATER, step_types
from stepiq.language.documents.source import SourceFormat
from stepiq.language.templates.helpers import HELPERS
from stepiq.pipelines.definitions.checking import check
from stepiq.pipelines.records import Draft
from stepiq.providers.registry import Providers
from tests.docs.pages import PAGES, ROOT, anchors, name, read, section
from tests.support.forked_command import ForkedCommand

VARIABLES = {
    variable_name(field) for field in Settings.model_fields if field not in CONFIG_FILE_TABLES
}
DEVELOPER_VARIABLES = {
    "STEPIQ_SERVER",
    "STEPIQ_TEST_CHROMIUM",
    "STEPIQ_TEST_CYCLES",
    "STEPIQ_TEST_HEADED",
    "STEPIQ_TEST_STORES",
}
DEVELOPER_PAGES = {"CONTRIBUTING.md", "releasing.md"}
"""Variables of scripts and tests, which the server does not read."""
OPENAPI: Any = json.loads(read("openapi.json"))


CLIENT_ERRORS = [
    error
    for error in vars(client_errors).values()
    if inspect.isclass(error)
    and issubclass(error, client_errors.ClientError)
    and not issubclass(error, client_errors.ApiError)
    and error is not client_errors.ClientError
]
"""Errors of the client library that do not come from a server."""


class TestGenerated:
    async def test_every_page_is_as_the_code_makes_it(self):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}

        done = await ForkedCommand.start(["--check"], ROOT, environment, program="generate_docs")
        printed = await done.communicate()

        assert (done.returncode, *printed) == (0, b"", b"")


class TestSettings:
    @pytest.mark.parametrize("variable", sorted(VARIABLES))
    def test_each_has_its_row(self, variable):
        assert f"| `{variable}` |" in read("docs/reference/settings.md")

    def test_a_list_shows_its_words_and_its_default(self):
        row = "| `STEPIQ_OTLP_SIGNALS` | list of `traces`, `metrics` | `traces,metrics` |"
        assert row in read("docs/reference/settings.md")

    @pytest.mark.parametrize("field", sorted(EndpointSettings.model_fields))
    def test_so_has_each_field_of_the_config_file(self, field):
        assert f"| `{field}` |" in read("docs/reference/settings.md")

    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_no_page_speaks_of_one_that_there_is_not(self, page):
        mentioned = set(re.findall(r"\bSTEPIQ_[A-Z_]+\b", page.read_text()))

        of_developers = DEVELOPER_VARIABLES if page.name in DEVELOPER_PAGES else set[str]()
        assert mentioned <= VARIABLES | CLIENT_VARIABLES | of_developers


class TestMetrics:
    @pytest.mark.parametrize("metric", sorted({each.name for each in REGISTRY.collect()}))
    def test_each_has_its_row(self, metric):
        page = read("docs/reference/metrics.md")

        assert re.search(rf"^\| `{metric}(_total)?` \|", page, re.MULTILINE)

    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_no_page_speaks_of_one_that_there_is_not(self, page):
        rows = re.findall(r"^\| `(\w+)` \|", read("docs/reference/metrics.md"), re.MULTILINE)
        mentioned = re.findall(r"`(stepiq_\w+)`", page.read_text())

        assert set(mentioned) <= set(rows)

    @pytest.mark.parametrize("variable", sorted(CLIENT_VARIABLES))
    def test_those_of_programs_have_a_row_in_their_guide(self, variable):
        row = f"| `{variable}` |"
        assert row in read("docs/client.md") or row in read("docs/terminal.md")


class TestErrors:
    def test_each_that_a_route_answers_is_where_its_type_points(self):
        page = anchors(read("docs/errors.md"))
        answered = set(_codes(OPENAPI))

        assert len(answered) > 20
        assert answered <= page

    @pytest.mark.parametrize("code", sorted(FailureCode))
    def test_so_is_each_that_a_run_fails_with(self, code):
        assert code in anchors(read("docs/errors.md"))

    @pytest.mark.parametrize("error", CLIENT_ERRORS)
    def test_so_is_each_of_the_client_in_its_guide(self, error):
        assert f"| `{error.__name__}` | `{error.code}` |" in read("docs/client.md")

    @pytest.mark.parametrize("code", ["not_utf8", "pipeline_missing", "retry_invalid", "setting"])
    def test_so_is_each_of_an_issue_in_whichever_package_it_is_created(self, code):
        assert code in _issues_of_page()


def _issues_of_page() -> set[str]:
    return set(
        re.findall(r"^\| `(\w+)` \|", section(read("docs/errors.md"), "## Issues"), re.MULTILINE)
    )


def _codes(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "request_id" in value and isinstance(value.get("code"), str):
            assert value["type"] == f"/docs/errors#{value['code']}"
            yield value["code"]
        for inner in value.values():
            yield from _codes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _codes(inner)


WARNED = """
name: All warnings
timeout_seconds: 60
steps:
  - {id: ask, prompt: Hello, model: openai/gpt-99}
  - {id: again, prompt: "{% if a %} {{default steps.ask.output.x 1}}", model: anthropic/claude-sonnet-5}
  - {id: send, type: webhook, url: "https://example.com", headers: {Authorization: "{{env.TOKEN}}"}}
  - {id: rest, type: wait, seconds: 3600}
"""


class TestWarnings:
    def test_each_that_a_definition_can_get_is_listed(self):
        draft = Draft(load(WARNED, SourceFormat.YAML), WARNED, SourceFormat.YAML)

        found = check(draft, Providers(Settings()), stored={"OPENAI_API_KEY"})

        codes = {warning.code for warning in found.warnings}
        errors = section(read("docs/language.md"), "## Errors")
        assert found.errors == []
        assert codes == set(re.findall(r"^- `(\w+)`: ", errors, re.MULTILINE))
        assert codes <= _issues_of_page()


class TestEvents:
    @pytest.mark.parametrize("event", sorted(EventType))
    def test_each_has_a_section_and_stands_with_the_stream(self, event):
        assert f"\n## {event}\n" in read("docs/reference/events.md")
        assert f"| `{event}` |" in read("docs/api.md")


class TestLanguage:
    @pytest.mark.parametrize("step_type", sorted(step_types()))
    def test_each_step_type_that_runs_has_a_page_with_its_fields(self, step_type):
        page = read(f"docs/steps/{step_type}.md")

        assert page.startswith(f"# `{step_type}`: ")
        for field in step_types()[step_type].fields:
            assert f"`{field}`" in page

    @pytest.mark.parametrize("step_type", sorted(LATER))
    def test_each_that_does_not_is_said_so(self, step_type):
        not_yet = read("docs/language.md").partition("\n## Not yet\n")[2]

        assert f"`{step_type}`" in not_yet

    @pytest.mark.parametrize("helper", sorted(HELPERS))
    def test_each_helper_of_templates_is_named(self, helper):
        assert re.search(rf"`[^`\n]*\b{helper}\b[^`\n]*`", read("docs/language.md"))


def _commands(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for word, each in inner.items():
        yield from _commands(each, f"{words} {word}")


COMMANDS = dict(_commands(typer.main.get_command(command_line), "stepiq"))


class TestCommands:
    @pytest.mark.parametrize("words", sorted(COMMANDS))
    def test_each_has_a_section_with_its_options(self, words):
        described = section(read("docs/reference/commands.md"), f"## {words}")

        for parameter in COMMANDS[words].params:
            if parameter.name != "help":
                is_argument = parameter.param_type_name == "argument"
                shown = parameter.metavar if is_argument else parameter.opts[0]
                is_optional = is_argument and not parameter.required
                assert (f"`[{shown}]" if is_optional else f"`{shown}") in described

    @pytest.mark.parametrize("page", PAGES, ids=name)
    def test_no_page_calls_one_that_there_is_not(self, page):
        first_words = {words.split()[1] for words in COMMANDS}

        for called in re.findall(
            r"(?:`|^)(?:\.venv/bin/)?stepiq ([a-z-]+)", page.read_text(), re.MULTILINE
        ):
            assert called in first_words

    def test_the_page_of_packages_says_which_need_the_server(self):
        table = section(read("docs/installation.md"), "## The package stepiq-slim")
        rows = re.findall(r"^\| (`.+`) \| (yes|no)\b.* \|$", table, re.MULTILINE)
        listed = [(name, answer == "no") for names, answer in rows for name in re.findall(r"`([a-z-]+)`", names)]  # fmt: skip

        assert sorted(listed) == sorted({(words.split()[1], isinstance(each, ServerCommand)) for words, each in COMMANDS.items()})  # fmt: skip


KNOWN_ROUTES = {
    (method.upper(), re.sub(r"\{\w+\}", "ID", path))
    for path, operations in OPENAPI["paths"].items()
    for method in operations
}


class TestRoutes:
    @pytest.mark.parametrize("route", sorted(KNOWN_ROUTES), ids=" ".join)
    def test_each_stands_in_the_api_page(self, route):
        assert route in set(_documented_routes())

    def test_the_page_names_none_that_there_is_not(self):
        assert set(_documented_routes()) <= KNOWN_ROUTES


def _documented_routes() -> Iterator[tuple[str, str]]:
    text = read("docs/api.md").replace("\\\n", " ")
    for method, path in re.findall(r"`([A-Z]+) (/[\w./-]+)", text):
        yield method, re.sub(r"/(N|A|B|NAME)(?=/|$)", "/ID", path)
    for call in re.findall(r"^curl .*", text, re.MULTILINE):
        path = re.search(r"\$STEPIQ(/[\w/$-]+)", call)
        if path is not None:
            method = re.search(r"-X ([A-Z]+)", call)
            yield (
                method[1] if method else "GET",
                re.sub(r"\$\w+|gpt-4o|CRM_TOKEN|(?<=/)\d(?=/|$)", "ID", path[1]),
            )


class TestAuditLog:
    @pytest.mark.parametrize("action", sorted(Action))
    def test_each_action_has_its_row(self, action):
        assert f"| `{action}` | {described(Action)[action]} |" in read("docs/audit.md")

    @pytest.mark.parametrize("kind", sorted(ActorKind))
    def test_so_has_each_kind_of_actor(self, kind):
        assert f"| `{kind}` |" in read("docs/audit.md")
