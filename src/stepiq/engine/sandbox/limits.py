"""What a user's code may use, and what it is told when it takes more. Both sides of the fork read this."""

from datetime import timedelta

MAX_SOURCE_BYTES = 65_536
MAX_INPUT_BYTES = 4 * 1024 * 1024
"""Longest input, as JSON. It has to fit into the memory of the code several times over."""
MAX_OUTPUT_BYTES = 1024 * 1024
MAX_LOG_BYTES = 65_536
"""Printed text that is kept, line ends counted."""
MAX_MESSAGE_CHARACTERS = 2_000
"""An error's text is cut here: the code may write a megabyte into it."""
MEMORY_BYTES = 64 * 1024 * 1024
"""What the interpreter may allocate for the code and its data."""
ADDRESS_SPACE_BYTES = 512 * 1024 * 1024
"""The whole process, mapped libraries and reserved addresses included. Only a backstop to `MEMORY_BYTES`."""
LONGEST_TIMEOUT = timedelta(seconds=30)

OUT_OF_MEMORY = "The code used more than its 64 MiB of memory."
TOO_DEEP = "The code called itself too deeply. End the recursion earlier, or write a loop."
OUTPUT_TOO_LARGE = "The result of `main` is larger than 1 MiB. Return less, or a summary."
INPUT_TOO_LARGE = "The code's input is larger than 4 MiB. Pass it less, with the step's `input`."
SOURCE_TOO_LARGE = "The code is longer than 64 KiB. Shorten it, or split the step in two."
INPUT_NOT_JSON = "The code's input is not JSON: it has NaN, Infinity or half of a surrogate pair. Look at the expressions of `input`."
SOURCE_NOT_TEXT = (
    "The code has half of a surrogate pair in it. Write it as \\uXXXX, or leave it out."
)
LOG_CUT = "The log is full (64 KiB): what was printed after this is dropped."
DIED = (
    "The process that ran the code ended before the code did: it ran out of memory or stack, or was killed from"
    " outside. Let the code use less; if it uses little, run it again."
)
NOT_STARTED = "No process could be started for the code: the server is at its limit of processes or memory. Run it again later."


def too_long(seconds: float) -> str:
    """What code is told that did not end in time."""
    return f"The code ran longer than {seconds:g} s. Let it do less, or raise `timeout_seconds` (at most 30)."
