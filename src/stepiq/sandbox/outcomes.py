"""How a call of a user's code ends."""

from dataclasses import dataclass
from typing import Literal

from stepiq.core.json import Json


@dataclass(frozen=True, slots=True)
class Ran:
    """`main` returned."""

    output: Json


@dataclass(frozen=True, slots=True)
class CodeFailed:
    """The code raised, is not code, returned what is not JSON (`code_error`), or took too much (`code_limit`)."""

    code: Literal["code_error", "code_limit"]
    message: str
    """For the owner of the pipeline; begins with the line of the source where there is one."""


Outcome = Ran | CodeFailed
