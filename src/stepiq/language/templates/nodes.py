"""What a parsed template is made of. Names are resolved to frames already, so rendering only walks.

A frame is one value that names can be read from: frame 0 is the whole context, and every `#each` and `#with`
adds one for its body. `../` and block parameters are settled by the parser, which knows how deep it stands.
"""

from dataclasses import dataclass
from enum import StrEnum

from stepiq.core.json import Json


class FrameValue(StrEnum):
    """What of a frame is read."""

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
    """A value read from a frame, step by step."""

    frame: int
    value: FrameValue
    parts: tuple[str, ...]
    text: str
    """As written, for messages."""
    offset: int
    """Where it stands in the template's text."""


@dataclass(frozen=True, slots=True)
class Secret:
    """`env.NAME`: the only way to a secret."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Call:
    """A helper and its arguments."""

    helper: str
    arguments: tuple["Expression", ...]
    offset: int


Expression = Literal | Path | Secret | Call


@dataclass(frozen=True, slots=True)
class Text:
    """Text that is copied as it is."""

    value: str
    size: int
    """Its length in UTF-8 bytes."""


@dataclass(frozen=True, slots=True)
class Output:
    """`{{…}}`: a value written out."""

    expression: Expression


class ArmKind(StrEnum):
    """The block helpers."""

    IF = "if"
    UNLESS = "unless"
    EACH = "each"
    WITH = "with"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way through a block: what decides whether it is taken, and what it writes then."""

    kind: ArmKind
    head: Expression
    include_zero: bool
    body: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Block:
    """`{{#…}}`: the first arm whose head holds, else `otherwise`. An `{{else if}}` is one more arm."""

    arms: tuple[Arm, ...]
    otherwise: tuple["Node", ...]


Node = Text | Output | Block


@dataclass(frozen=True, slots=True)
class Reference:
    """One place where a template reads the context, for the checks made when a definition is saved."""

    parts: tuple[str, ...]
    """Such as `("steps", "review", "output")`. `variables` is given as `vars`. Empty for the whole context."""
    optional: bool
    """Whether the template goes on when the value is missing, as the heads of blocks and `default` do."""
    offset: int
    """Where the name stands; `Template.locate` gives its line and column."""
