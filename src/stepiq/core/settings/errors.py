"""Errors about invalid settings, with the names that the operator used and the values that are allowed."""

from collections.abc import Collection, Mapping
from typing import Any, get_args

from pydantic import AliasChoices, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from stepiq.core.errors import Invalid, Issue
from stepiq.core.validation import unknown

_SHOWN = 80
"""Maximum number of characters of a value that a message repeats."""
_OF_TABLE = len(("endpoints", "NAME", "base_url"))
"""Length of the location of a field of a table of the config file."""
# The URL includes the password.
_MAY_HOLD_SECRETS = frozenset({"database_url"})


class SettingsInvalid(Invalid):
    """One or more settings are not valid."""

    code = "settings_invalid"


def invalid(*issues: Issue) -> SettingsInvalid:
    """An error about one setting, or about several that only its issues name."""
    first = issues[0]
    message = f"{first.path}: {first.message}" if len(issues) == 1 else "Settings are not valid."
    return SettingsInvalid(message, issues)


def of_validation(
    error: ValidationError,
    fields: Mapping[str, FieldInfo],
    given: Collection[str],
    flags: Mapping[str, str],
    file: str,
    tables: Mapping[str, Collection[str]],
) -> SettingsInvalid:
    """Convert an error of pydantic to messages for operators.

    Args:
        error: can contain values from the environment. Those of secrets are not repeated.
        fields: the settings that environment variables can set, by name.
        given: the variables that are set, to find the spelling that was used.
        flags: the command-line options that set values, by field name.
        file: the config file, which has all other settings.
        tables: the fields of `[TABLE.NAME]` in the config file, by table.
    """
    found = error.errors(include_url=False)
    return invalid(*[_issue(entry, fields, given, flags, file, tables) for entry in found])


def spellings(name: str, field: FieldInfo) -> list[str]:
    """All environment variables that set a field, the usual one first."""
    alias = field.validation_alias
    prefixed = f"STEPIQ_{name.upper()}"
    if isinstance(alias, AliasChoices):
        return [*map(str, alias.choices), prefixed]
    return [str(alias), prefixed] if alias else [prefixed]


def _issue(
    entry: Any,
    fields: Mapping[str, FieldInfo],
    given: Collection[str],
    flags: Mapping[str, str],
    file: str,
    tables: Mapping[str, Collection[str]],
) -> Issue:
    location = [str(part) for part in entry["loc"]]
    # For a field with an alias, pydantic reports the alias.
    named = location[0]
    name = next((each for each, info in fields.items() if named in spellings(each, info)), named)
    field = fields.get(name)
    if field is None:
        known = tables.get(named, ()) if len(location) == _OF_TABLE else ()
        is_unknown = bool(known) and entry["type"] == "extra_forbidden"
        demand = unknown("field", location[-1], known) if is_unknown else _demand(entry, None)
        return Issue(f"{file}: {'.'.join(location)}", "setting", demand)
    names = spellings(name, field)
    path = flags.get(name) or next((each for each in names if each in given), names[0])
    return Issue(path, "setting", _shown(entry, field) + _demand(entry, field))


def _shown(entry: Any, field: FieldInfo) -> str:
    value = str(entry["input"])
    is_secret = SecretStr in (field.annotation, *get_args(field.annotation))
    # A URL can contain a password before `@`, and a key after `?` or `#`.
    has_secret = is_secret or not {"@", "?", "#"}.isdisjoint(value)
    if has_secret or entry["loc"][0] in _MAY_HOLD_SECRETS:
        return ""
    return f"`{value if len(value) <= _SHOWN else value[:_SHOWN] + '…'}` is not valid. "


def _demand(entry: Any, field: FieldInfo | None) -> str:
    """A sentence that states the allowed values."""
    kind, context = str(entry["type"]), entry.get("ctx", {})
    match kind.partition("_")[0]:
        case "int" | "greater" | "less":
            return f"Use an integer{_range(field)}."
        case "bool":
            return "Use `true` or `false`."
        case "enum" | "literal":
            return f"Use {context['expected'].replace(chr(39), '`')}."
        case "value":
            words = str(context["error"])
            return f"{words[0].upper()}{words[1:]}."
        case "extra":
            return "Unknown field. Correct its name, or remove it."
        case "missing":
            return "This field is required. Add it."
        case "string":
            return "Use a string in quotes."
        case "list":
            return 'Use a list of strings, such as ["a", "b"].'
        case "dict":
            return f"Write tables in the config file: [{entry['loc'][0]}.NAME]."
        case _:
            # For example: Input should be a valid string
            return f"{str(entry['msg']).rstrip('.')}."


def _range(field: FieldInfo | None) -> str:
    rules = field.metadata if field is not None else ()
    limits = {key: getattr(rule, key) for rule in rules for key in ("ge", "le") if hasattr(rule, key)}  # fmt: skip
    return f" from {limits['ge']} to {limits['le']}" if len(limits) == 2 else ""
