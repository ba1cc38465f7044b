"""Renders definitions as YAML, for pipelines that were saved as JSON."""

import re
from typing import Any

import yaml

from stepiq.core.json import Json

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
# In a block scalar, which has no escapes, a parser reads these as line feeds.
_OTHER_BREAKS = re.compile("[\\r\\x85\\u2028\\u2029]")
_MAX_WIDTH = 4_096
_RESERVED = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a YAML parser could read as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        # Indents lists below their key, as is usual in hand-written YAML.
        super().increase_indent(flow, False)

    def represent_mapping(self, tag: Any, mapping: Any, flow_style: Any = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        for key, _ in node.value:
            if key.style == "|":
                key.style = '"'
        return node

    def check_simple_key(self) -> bool:
        # Definitions have no keys in the form `? key`, which the library uses for long and empty ones.
        return True


def _represent_text(dumper: Any, text: str) -> yaml.ScalarNode:
    tag = "tag:yaml.org,2002:str"
    if "\n" in text and not _OTHER_BREAKS.search(text):
        return dumper.represent_scalar(tag, text, style="|")
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return dumper.represent_scalar(tag, text)
    return dumper.represent_scalar(tag, text, style='"')


_Dumper.add_representer(str, _represent_text)


def to_yaml(document: Json) -> str:
    """YAML that parses to the same document. The order of keys is kept."""
    return yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_MAX_WIDTH
    )
