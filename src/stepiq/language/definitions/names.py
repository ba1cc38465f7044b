"""Checks the names in templates and expressions, and the jumps, before anything runs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stepiq.language.definitions.layout import Layout
from stepiq.language.definitions.step import END, NEXT
from stepiq.language.expressions.absence import LENGTH_WORDS
from stepiq.language.expressions.source import quoted_paths
from stepiq.language.fields.reader import (
    MAX_PROBLEMS,
    PathProblem,
    PlacedExpression,
    PlacedTemplate,
    Report,
)
from stepiq.language.places import Path
from stepiq.language.templates import Reference
from stepiq.language.words import suggest

MAX_FOUND = 5
"""Most findings about syntax of other tools that are reported for one template."""
_TREATED_AS_TEXT = ", so it is treated as plain text"
"""The part of the messages that is wrong in URLs, which refuse the syntax."""
_NOT_OURS = f"is not stepIQ template syntax{_TREATED_AS_TEXT}."
_PATH = re.compile(r"(?:input|vars|steps|env|run|item)\.[A-Za-z_][\w.]{0,100}", re.ASCII)
_OTHER_SYNTAX = re.compile(
    r"\{\{(?:[^{}]|\{(?!\{)|\}(?!\}))*+\}\}"  # stepIQ tags, which are skipped
    r"|(?P<block>\{%|\{\# |<%)"
    r"|\$\{ {0,3}(?P<dollar>[A-Za-z_][\w.]{0,100}) {0,3}\}"
    rf"|\$(?P<bare>{_PATH.pattern})"
    r"|(?<![\w{$\\])\{(?P<brace>[A-Za-z_][\w.]{0,100})\}(?!\})",
    re.ASCII,
)
ROOT_NAMES = ("input", "vars", "steps", "env", "run", "item", "index")
RUN_FIELDS = ("id", "trigger_type", "started_at")
STEP_FIELDS = ("output", "status", "error")
NEVER_PRESENT = "never_present"
"""Code of the warning for a value that is read with a fallback but can never be present."""
_SCALAR_TYPES = ("string", "integer", "number", "boolean")
_LOOP_NAMES = ("item", "index")


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The names that a document declares."""

    inputs: frozenset[str] | None
    """None: any field is allowed."""
    input_types: Mapping[str, str]
    variables: frozenset[str]
    layout: Layout
    text_steps: frozenset[str]
    """Ids of steps whose output is text, which has no fields."""
    output_fields: Mapping[str, frozenset[str]]
    """By step id, the output fields of the steps for which they are known."""


Finding = tuple[str, str]
"""Code and message."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """The place that reads a name."""

    step_id: str | None
    """None outside all steps."""
    seen: frozenset[str]
    """Ids of the steps that it may read."""
    is_in_loop_body: bool
    is_template: bool


def check_names(draft: Report, names: KnownNames) -> None:
    """Report every reference that cannot be resolved, and every jump to an invalid target."""
    readers: dict[tuple[int, bool, bool], _Reader] = {}
    for placed in (*draft.templates, *draft.expressions):
        is_after = isinstance(placed, PlacedExpression) and placed.is_after
        node = names.layout.at(placed.path)
        is_template = isinstance(placed, PlacedTemplate)
        reader = readers.get((id(node), is_after, is_template))
        if reader is None:
            seen = frozenset(names.layout.seen_by(node, is_after=is_after))
            in_body = names.layout.is_in_loop_body(node)
            reader = _Reader(None if node is None else node.id, seen, in_body, is_template)
            readers[id(node), is_after, is_template] = reader
        _check_placed(draft, placed, names, reader)
        _check_syntax(draft, placed, names)
    _check_jumps(draft, names.layout)


def _check_placed(
    draft: Report, placed: PlacedTemplate | PlacedExpression, names: KnownNames, reader: _Reader
) -> None:
    source = placed.template if isinstance(placed, PlacedTemplate) else placed.expression
    for reference in source.references:
        if draft.is_full:
            return
        finding = _check(reference, names, reader)
        if finding is not None:
            # A value that may be missing still renders, so this is only a warning.
            found = draft.warnings if finding[0] == NEVER_PRESENT else draft.problems
            line, column = source.locate(reference.offset)
            inside = (source.source, line, column)
            found.append(PathProblem(placed.path, *finding, inside=inside))


def _check_syntax(
    draft: Report, placed: PlacedTemplate | PlacedExpression, names: KnownNames
) -> None:
    """Report syntax of other tools, or of the other language. It is an error in a URL and a warning elsewhere."""
    is_url = placed.path[-1] == "url"
    if isinstance(placed, PlacedTemplate):
        source = placed.template
        findings = _other_syntax(placed, names)
    else:
        source = placed.expression
        findings = ((at, _in_quotes(path)) for at, path in quoted_paths(source.source))
    for offset, message in findings:
        found = draft.problems if is_url else draft.warnings
        if len(found) >= MAX_PROBLEMS:
            return
        message = message.replace(_TREATED_AS_TEXT, "") if is_url else message
        inside = (source.source, *source.locate(offset))
        found.append(PathProblem(placed.path, "other_template_syntax", message, inside=inside))


def _in_quotes(path: str) -> str:
    return (
        f"`{{{{{path}}}}}` is inside quotes{_TREATED_AS_TEXT}. Write `{path}` without quotes and braces. "
        f"To join strings, write `'a' + {path}`."
    )


def _other_syntax(placed: PlacedTemplate, names: KnownNames) -> Iterator[tuple[int, str]]:
    """Offset and message of each piece of other tools' template syntax. Repeated messages are omitted."""
    seen: set[str] = set()
    for found in _OTHER_SYNTAX.finditer(placed.template.source):
        if found["block"]:
            message = f"`{found['block'].strip()}` {_NOT_OURS} Write `{{{{#if input.topic}}}}…{{{{/if}}}}`, `{{{{#each input.topics}}}}…{{{{/each}}}}` or `{{{{! a comment }}}}`."
        elif found.lastgroup and (tag := _tag(found[found.lastgroup], placed.path, names)):
            message = f"`{found.group()}` {_NOT_OURS} Write `{tag}`."
        else:
            continue
        if message not in seen:
            seen.add(message)
            yield found.start(), message
        if len(seen) == MAX_FOUND:
            return


def _tag(name: str, path: Path, names: KnownNames) -> str | None:
    """The tag for a name in another tool's syntax; None if the name is unknown."""
    if names.inputs and name in names.inputs:
        return f"{{{{input.{name}}}}}"
    if name in names.variables:
        return f"{{{{vars.{name}}}}}"
    if name.isupper() and (path[-1] == "url" or "headers" in path):
        return f"{{{{env.{name}}}}}"
    return f"{{{{{name}}}}}" if _PATH.fullmatch(name) else None


def _check_jumps(draft: Report, layout: Layout) -> None:
    for path, target in draft.jumps:
        node = layout.at(path)
        if draft.is_full:
            return
        assert node is not None  # noqa: S101 - only steps have jumps
        if target in (NEXT, END):
            if target in layout.ids:
                message = f"`{target}` is a reserved word in `goto`, but a step has this id. Rename the step."
                draft.refuse(path, "conflict", message)
            continue
        if node.sequence.find(target) is not None:
            continue
        shown = target[:64]
        if target in layout.ids:
            message = f"A jump cannot enter or leave a `parallel`, and step `{shown}` is in another sequence of steps."
            draft.refuse(path, "jump_leaves", message)
            continue
        known = [each.id for each in node.sequence.nodes if each.id]
        hint = suggest(shown, [*known, NEXT, END])
        draft.refuse(path, "unknown_step", f"Step `{shown}` does not exist. {hint}")


def _check(reference: Reference, names: KnownNames, reader: _Reader) -> Finding | None:
    if not reference.parts:
        return None
    root, *rest = reference.parts
    match root:
        case "input":
            return _check_input(rest, names, reader)
        case "vars":
            return _check_variable(rest, names)
        case "steps":
            return _check_step(rest, names, reader, optional=reference.optional)
        case "run":
            return _check_run(rest)
        case "item" | "index" if reader.is_in_loop_body:
            return None
        case _:
            return _refuse_root(root, names, reader)


def _refuse_root(root: str, names: KnownNames, reader: _Reader) -> Finding:
    shown = root[:60]
    if root in _LOOP_NAMES:
        return "unknown_name", f"`{shown}` exists only inside a `for_each`."
    if names.inputs and root in names.inputs:
        return "unknown_name", f"`{shown}` is a field of the input. Write `input.{shown}`."
    if root in names.variables:
        return "unknown_name", f"`{shown}` is a variable. Write `vars.{shown}`."
    if root in names.layout.ids:
        return "unknown_name", f"`{shown}` is a step. Write `steps.{shown}.output`."
    known = [name for name in ROOT_NAMES if reader.is_in_loop_body or name not in _LOOP_NAMES]
    return "unknown_name", f"The name `{shown}` does not exist. {suggest(root, known)}"


def _check_input(rest: Sequence[str], names: KnownNames, reader: _Reader) -> Finding | None:
    if not rest or names.inputs is None:
        return None
    if rest[0] not in names.inputs:
        hint = suggest(rest[0], names.inputs)
        return "unknown_input", f"`input.schema` has no field `{rest[0][:60]}`. {hint}"
    kind = names.input_types.get(rest[0])
    if len(rest) > 1 and kind in _SCALAR_TYPES:
        advice = ""
        if kind == "string" and rest[1] in LENGTH_WORDS:
            size = "{{length input.%s}}" if reader.is_template else "size(input.%s)"
            advice = f" Its length is `{size % rest[0]}`."
        message = f"`input.{rest[0]}` has the type {kind}, so it has no fields.{advice}"
        return "no_such_field", message
    return None


def _check_variable(rest: Sequence[str], names: KnownNames) -> Finding | None:
    if not rest:
        return None
    if rest[0] not in names.variables:
        hint = suggest(rest[0], names.variables) if names.variables else "Add it to `variables`."
        return "unknown_variable", f"Variable `{rest[0][:60]}` does not exist. {hint}"
    if len(rest) > 1:
        return "no_such_field", f"`vars.{rest[0]}` is a single value, so it has no fields."
    return None


def _check_step(
    rest: Sequence[str], names: KnownNames, reader: _Reader, *, optional: bool
) -> Finding | None:
    if not rest:
        return None
    step_id, *fields = rest
    if step_id not in names.layout.ids:
        hint = suggest(step_id, reader.seen) if reader.seen else "No step runs before this one."
        return "unknown_step", f"Step `{step_id[:64]}` does not exist. {hint}"
    if step_id not in reader.seen:
        return _refuse_step(step_id, names.layout, reader)
    if not fields:
        return None
    if fields[0] not in STEP_FIELDS:
        return (
            "no_such_field",
            f"A step has no field `{fields[0][:60]}`. Use `steps.{step_id}.output`, `steps.{step_id}.status` or `steps.{step_id}.error`.",
        )
    if len(fields) > 1 and fields[0] == "status":
        return "no_such_field", f"`steps.{step_id}.status` is a string, so it has no fields."
    if len(fields) > 1 and fields[0] == "output":
        return _check_output(step_id, fields[1], names, optional=optional)
    return None


def _refuse_step(step_id: str, layout: Layout, reader: _Reader) -> Finding:
    node = layout.ids[step_id]
    # A branch of several steps maps to its `parallel`.
    container = node if step_id in node.branch_ids else node.sequence.around
    here = layout.ids.get(reader.step_id or "")
    around = [] if here is None else [here, *layout.around(here)]
    beside = next((each for each in around if each.sequence is node.sequence), None)
    if step_id == reader.step_id:
        reason = "cannot read its own output"
    elif beside is not None and node.position < beside.position:
        reason = "never runs before this one, because no path leads from it to this step. Change a `goto`, or use another step"
    elif (
        here is not None and container in layout.around(here) and here.sequence is not node.sequence
    ):
        reason = "is in another branch. Branches run at the same time, so its output is not available here"
    elif container in (None, node) or (here is not None and here.sequence is node.sequence):
        reason = "runs after this one, so it has no output yet"
    else:
        inside = container.id[:64]
        reason = f"runs inside `{inside}`. Outside of `{inside}`, use `steps.{inside}.output`"
    return "step_not_before", f"Step `{step_id}` {reason}."


def _check_output(step_id: str, field: str, names: KnownNames, *, optional: bool) -> Finding | None:
    code = NEVER_PRESENT if optional else "no_such_field"
    if step_id in names.text_steps:
        return (
            code,
            f"The output of step `{step_id}` is text, so it has no fields. To read `{field[:60]}`, add `output_format: json` to that step.",
        )
    known = names.output_fields.get(step_id)
    if known is not None and field not in known:
        return (
            code,
            f"The output of step `{step_id}` has no field `{field[:60]}`. {suggest(field, known)}",
        )
    return None


def _check_run(rest: Sequence[str]) -> Finding | None:
    if not rest:
        return None
    if rest[0] not in RUN_FIELDS:
        return (
            "unknown_name",
            f"`run` has no field `{rest[0][:60]}`. {suggest(rest[0], RUN_FIELDS)}",
        )
    if len(rest) > 1:
        return "no_such_field", f"`run.{rest[0]}` is a single value, so it has no fields."
    return None
