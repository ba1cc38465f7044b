"""The outcomes of a call of a user's code."""

from dataclasses import dataclass
from typing import Literal

from stepiq.core.json import Json


@dataclass(frozen=True, slots=True)
class Ran:
    """`main` returned."""

    output: Json


@dataclass(frozen=True, slots=True)
class CodeFailed:
    """The code raised, is invalid, did not return JSON (`code_error`), or exceeded a limit (`code_limit`)."""

    code: Literal["code_error", "code_limit"]
    message: str
    """For the owner of the pipeline. Begins with the line of the source, if it is known."""
    reason: str = ""
    """For the operator: why the system could not isolate the code. Empty if it could."""


Outcome = Ran | CodeFailed
