"""The nodes of a parsed template. Names are already resolved to frames.

A frame is a value from which names are read: frame 0 is the whole context, and every `#each` and `#with` adds one for
its body. The parser resolves `../` and block parameters.
"""

from dataclasses import dataclass
from enum import StrEnum

from stepiq.core.json import Json


class FrameValue(StrEnum):
    """The part of a frame that is read."""

    CONTEXT = "this"
    INDEX = "index"
    KEY = "key"
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the template."""

    value: Json


@dataclass(frozen=True, slots=True)
class Path:
    """A value read from a frame by a path of keys and indexes."""

    frame: int
    value: FrameValue
    parts: tuple[str, ...]
    text: str
    """As written, for messages."""
    offset: int
    """Offset in the template's text."""


@dataclass(frozen=True, slots=True)
class Secret:
    """`env.NAME`, the only way to read a secret."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class HelperCall:
    """A helper and its arguments."""

    helper: str
    arguments: tuple["Expression", ...]
    offset: int


Expression = Literal | Path | Secret | HelperCall


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is copied as it is."""

    value: str
    size: int
    """Its length in UTF-8 bytes."""


@dataclass(frozen=True, slots=True)
class Output:
    """`{{…}}`: a value in the output."""

    expression: Expression


class ArmKind(StrEnum):
    """The block helpers."""

    IF = "if"
    UNLESS = "unless"
    EACH = "each"
    WITH = "with"


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of a block: the value that it tests, and the body to write."""

    kind: ArmKind
    head: Expression
    include_zero: bool
    body: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Block:
    """`{{#…}}`: writes the first arm whose test holds, else `otherwise`. An `{{else if}}` is another arm."""

    arms: tuple[Arm, ...]
    otherwise: tuple["Node", ...]


Node = Text | Output | Block


@dataclass(frozen=True, slots=True)
class Reference:
    """A place where a template reads the context, for the checks on saving a definition."""

    parts: tuple[str, ...]
    """Such as `("steps", "review", "output")`. `variables` becomes `vars`. Empty for the whole context."""
    optional: bool
    """Whether rendering continues if the value is missing, as in the heads of blocks and in `default`."""
    offset: int
    """Offset of the name; `Template.locate` returns its line and column."""
