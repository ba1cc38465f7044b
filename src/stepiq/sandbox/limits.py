"""Limits of users' code, and the messages when it exceeds them. Used by the server and by its children."""

from datetime import timedelta

MAX_SOURCE_BYTES = 65_536
MAX_INPUT_BYTES = 4 * 1024 * 1024
"""Longest input, as JSON. It must fit into the memory of the code several times."""
MAX_OUTPUT_BYTES = 1024 * 1024
MAX_LOG_BYTES = 65_536
"""Longest log that is kept, line ends included."""
MAX_MESSAGE_CHARACTERS = 2_000
"""Longest text of an error. Longer ones, which the code can cause, are cut."""
MEMORY_BYTES = 64 * 1024 * 1024
"""Memory that the interpreter can allocate for the code and its data."""
ADDRESS_SPACE_BYTES = 512 * 1024 * 1024
"""Limit of the whole process, mapped libraries and reserved addresses included. Only a backstop to `MEMORY_BYTES`."""
LONGEST_TIMEOUT = timedelta(seconds=30)

OUT_OF_MEMORY = "The code used more than 64 MiB of memory. Process less data at a time."
NULL_THROWN = "The code used more than 64 MiB of memory, or threw `null`. Process less data at a time, or throw an error."
TOO_DEEP = "The recursion of the code is too deep. End it earlier, or use a loop."
OUTPUT_TOO_LARGE = "The result of `main` is larger than 1 MiB. Return less, or a summary."
INPUT_TOO_LARGE = (
    "The input of the code is larger than 4 MiB. Pass less data with the step's `input`."
)
SOURCE_TOO_LARGE = "The code is larger than 64 KiB. Shorten it, or split the step."
INPUT_NOT_JSON = "The input of the code is not JSON: it contains NaN, Infinity or half of a surrogate pair. Check the expressions in `input`."
SOURCE_NOT_TEXT = "The code contains half of a surrogate pair. Write it as \\uXXXX, or remove it."
LOG_CUT = "The log is full (64 KiB). Later output is dropped."
DIED = (
    "The process that ran the code ended early. It ran out of memory or stack, or was killed from outside. Use less"
    " memory; if the code uses little, run it again."
)
NOT_STARTED = "No process could be started for the code, because the server has reached its limit of processes or memory. Run it again later."

NOT_CONFINED = "The code was not run, because the server could not isolate it. `stepiq doctor` on the server's machine names the reason."


def too_long(seconds: float) -> str:
    """Message for code that exceeded its time limit."""
    longest = LONGEST_TIMEOUT.total_seconds()
    if seconds >= longest:
        return f"The code ran longer than {seconds:g} s, the longest time limit. Make it do less, or split the step."
    return f"The code ran longer than {seconds:g} s. Make it do less, or raise `timeout_seconds` (at most {longest:g})."
