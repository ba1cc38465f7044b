"""docs/errors.md: every error code of the API, of runs, issues and commands."""

import ast
import importlib
import json
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache

from reference import syntax

import stepiq
from stepiq.core import errors as core
from stepiq.core.enum_docs import described
from stepiq.core.errors import StepIQError
from stepiq.execution.outcomes import FailureCode
from stepiq.language.definitions.loading import load
from stepiq.language.definitions.names import NEVER_PRESENT
from stepiq.language.documents.source import SourceFormat
from stepiq.language.schedules.cron import CronInvalid, TimezoneUnknown
from stepiq.pipelines.errors import DefinitionInvalid
from stepiq.providers.registry import ModelUnknown
from stepiq.server.docs.errors import advice_by_section, errors_by_code, every_error, meaning_of
from stepiq.web.problems import status_of

_CODE = re.compile(r"[a-z]+(_[a-z0-9]+)*")
# The language and the registry raise these. They become an issue or a failure before a user sees them.
_TURNED = frozenset({"template_error", "model_unusable", "provider_not_configured"})

_DEFINITION = """\
name: Ticket
steps:
  - id: ask
    promt: Hello
"""
_INTRODUCTION = """\
# Errors

Each error code, with its HTTP status, its meaning, and what to do. Codes are stable: programs can compare them.
Messages are for people and can change. The API returns errors as `application/problem+json`:

```json
{
  "type": "/docs/errors#invalid_definition",
  "title": "Unprocessable Content",
  "status": 422,
  "detail": "{detail}",
  "code": "invalid_definition",
  "request_id": "0192f0c1-7c1f-7a52-9a5b-0c5f6f0f8f5e",
  "errors": [{errors}]
}
```

The server's log contains the `request_id`. `errors` lists all problems of a definition, an input or a body, with the
codes of [issues](#issues). A failed run has `error: {code, message, step_id}`, with the codes of
[failures](#failures-of-runs).
"""


class AdviceIncomplete(Exception):
    """`advice.toml` and the source have different codes."""


def page() -> str:
    """The whole page."""
    advice = advice_by_section()
    codes = _classes()
    failures = described(FailureCode)
    issues = issue_codes()
    for code in {*advice["api"], *advice["operator"]} - set(codes):
        raise AdviceIncomplete(f"advice.toml explains {code}, which no error has.")
    _compare("failures", advice["failures"], failures)
    _compare("issues", advice["issues"], issues)
    return "\n".join(
        [
            _introduction(),
            "## API errors\n",
            *_entries(codes, advice["api"]),
            "## Failures of runs\n",
            *_failures(failures, advice["failures"], known=set(advice["api"])),
            _issues(issues, advice["issues"]),
            "## Commands and start\n",
            _wrapped(
                "Commands write these errors to standard error. Most exit with 1; commands that call a server also use [other exit "
                "codes](terminal.md#exit-codes)."
            )
            + "\n",
            *_entries(codes, advice["operator"], with_status=False),
        ]
    )


def _introduction() -> str:
    """The beginning of the page, with the error of a real definition."""
    errors = load(_DEFINITION, SourceFormat.YAML).errors
    shown = json.dumps({**asdict(errors[0]), "message": "…"}, ensure_ascii=False)
    detail = DefinitionInvalid(errors).message
    return _INTRODUCTION.replace("{detail}", detail).replace("{errors}", shown)


def _compare(section: str, explained: dict[str, str], found: dict[str, str] | set[str]) -> None:
    if missing := sorted(set(found) - set(explained)):
        raise AdviceIncomplete(f"advice.toml lacks [{section}] {', '.join(missing)}.")
    if surplus := sorted(set(explained) - set(found)):
        raise AdviceIncomplete(
            f"advice.toml has [{section}] {', '.join(surplus)}, which nothing uses."
        )


def _classes() -> dict[str, type[StepIQError]]:
    """Every error that a user can get, by its code."""
    for module in pkgutil.walk_packages(stepiq.__path__, "stepiq."):
        if module.name == "stepiq.client" or module.name.startswith("stepiq.client."):
            continue  # partly generated, after this page
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    advice = advice_by_section()
    placed = {*advice["api"], *advice["operator"], *advice["failures"], *advice["issues"]}
    for error in every_error():
        is_kind = error.__module__ == core.__name__
        if error.code not in placed and not is_kind and error.code not in _TURNED:
            raise AdviceIncomplete(
                f"advice.toml says nothing about {error.code} ({error.__qualname__})."
            )
    return errors_by_code()


def _entries(
    codes: dict[str, type[StepIQError]], advice: dict[str, str], *, with_status: bool = True
) -> Iterator[str]:
    for code in sorted(advice):
        status = status_of(codes[code])
        shown = f"**{status}.** " if with_status else ""
        yield _entry(code, shown + meaning_of(codes[code]), advice[code])


def _failures(
    meanings: dict[str, str], advice: dict[str, str], *, known: set[str]
) -> Iterator[str]:
    for code in sorted(meanings):
        if code in known:
            yield _wrapped(f"`{code}`: {meanings[code]} See [above](#{code}).") + "\n"
        else:
            yield _entry(code, meanings[code], advice[code])


def _entry(code: str, meaning: str, advice: str) -> str:
    return f"### {code}\n\n{_wrapped(meaning)}\n\n{_wrapped(advice)}\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _issues(codes: set[str], advice: dict[str, str]) -> str:
    rows = [
        "## Issues",
        "",
        "The codes of entries in `errors`, `warnings` and `issues`. Fields of a request's body can also have the codes of",
        "pydantic, such as `string_type`, `value_error` or `less_than_equal`.",
        "",
        "| code | what to do |",
        "|---|---|",
    ]
    rows += [f"| `{code}` | {advice[code]} |" for code in sorted(codes)]
    return "\n".join([*rows, ""])


@cache
def issue_codes() -> set[str]:
    """Every code of an issue, read from the source: there is no other list of them."""
    found: set[str] = {CronInvalid.code, TimezoneUnknown.code, ModelUnknown.code, NEVER_PRESENT}
    folders = [syntax.PACKAGE / name for name in ("accounts", "language", "pipelines", "web")]
    for path, tree in syntax.trees().items():
        is_reader = path.parent.parent.name == "steps" or any(
            path.is_relative_to(each) for each in folders
        )
        for node in syntax.nodes(tree):
            texts = [*_codes_of_call(node), *(_codes_in(node) if is_reader else ())]
            found.update(text for text in texts if _CODE.fullmatch(text))
    return found


def _codes_of_call(node: ast.AST) -> Iterator[str]:
    """Codes in calls that create an issue. Any module can have them."""
    match node:
        case ast.Call(func=ast.Name(id="Issue" | "PathProblem" | "ModelIssue"), args=[_, code, *_]):
            yield from _texts([code])
        case ast.Call(func=ast.Name(id="Issue"), args=[], keywords=keywords):
            yield from _texts([each.value for each in keywords if each.arg == "code"])
        case ast.Call(func=ast.Name(id="PydanticCustomError"), args=[code, *_]):
            yield from _texts([code])
        case _:
            pass


def _codes_in(node: ast.AST) -> Iterator[str]:
    """Codes that modules of a reader pass on in other ways."""
    match node:
        case ast.Call(func=ast.Name(id="_at"), args=[_, _, code, *_]):
            yield from _texts([code])
        case ast.Call(
            func=ast.Attribute(attr="refuse" | "spoil"), args=[_, ast.Attribute(attr="code"), *_]
        ):
            pass  # an error's own code: `issue_codes` names those
        case ast.Call(func=ast.Attribute(attr="refuse" | "spoil"), args=arguments):
            # The code comes first, or behind the name or path of what is refused.
            yield from [text for text in _texts(arguments[:2]) if _CODE.fullmatch(text)][-1:]
        case ast.Return(value=ast.Tuple(elts=[code, ast.Constant() | ast.JoinedStr()])):
            yield from _texts([code])
        case ast.Assign(targets=[ast.Name(id="code")], value=ast.IfExp(body=one, orelse=other)):
            yield from _texts([one, other])
        case ast.ClassDef(name=name, body=body) if name.endswith("SyntaxError"):
            yield from _texts([each.value for each in body if isinstance(each, ast.Assign)])
        case ast.AnnAssign(target=ast.Name(id="_PREDICATES"), value=ast.Dict(values=values)):
            yield from _texts([value.elts[0] for value in values if isinstance(value, ast.Tuple)])
        case _:
            pass


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
