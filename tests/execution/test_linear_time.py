"""No text from outside takes more than linear time, whatever it repeats, and none holds the event loop for long."""

import gc
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from pathlib import Path

import pytest

from stepiq.core.errors import StepIQError
from tests.support.outside_texts import KEY, READERS, SECRETS, Reader
from tests.support.pace import slowness

SHORT = 400
MEASURED = 16 * 1024
"""For readers that do not hold the event loop. Longer texts would take minutes in all."""
MOST_MEASURED = 256 * 1024
"""For those of them that take less than `QUICK_SECONDS` for a quarter of that."""
QUICK_SECONDS = 0.02
MOST_GROWTH = 9.0
"""Of the time for a text four times as long. Linear is 4, quadratic is 16."""
ROUNDS = 10
MOST_SECONDS = 0.1
"""For which a reader may hold the event loop."""
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
ROW = re.compile(r"\| (.+?) \| ([0-9,]+) \| (loop|pieces|thread|process) \|")

REPEATED = [
    *"x *\n\\\"'[{,\r\t`é$|&!?#-",
    *(
        "**",
        "*x",
        "a ",
        "a\n",
        "a \n",
        "1e",
        "9.",
        "[]",
        "{}",
        "- ",
        "? ",
        "a:\n",
        "a: ",
        "- a\n",
        "- {a: 1}\n",
    ),
    *(
        "&a ",
        "*a ",
        "|\n",
        "```",
        "```\n",
        "\t ",
        "\r\n",
        "sk-",
        "key-a ",
        "sk-abcde ",
        KEY[3:9],
        KEY[:5],
    ),
    *(
        "{{",
        "{{{",
        "{{}",
        "\\\\{{",
        "{{a ",
        "{{[",
        "{{#if a}}",
        "{{!--",
        "{#",
        "{# ",
        "{%",
        "<%",
        "${",
        "{a",
        "$input.",
    ),
    *(
        "%41",
        "%2541",
        "%c3",
        "%",
        "+",
        "\\u0041",
        "%61\\u0061",
        "\\u0000",
        "\\ud83d",
        "\ud83d",
        "YWFh",
        "a@",
        "<a",
        # Their order is not the canonical one.
        "\u0301\u0327",
        "\ufdfa",
    ),
    *(
        ", ",
        "; ",
        "=",
        "a=b; ",
        "a, ",
        "Mon, ",
        "1:",
        "10.0.0.1, ",
        "../",
        "/",
        "::",
        "[::1]",
        "a.",
        "xn--a-.",
        ".",
        "9",
        "1h",
        "(",
        "(a",
        "(a|",
        "[[",
        "[a-",
        "a{1,9}",
        "\\Q",
        "$..a",
        "[?@.a",
        "==",
        "~r",
        "\x1b[",
        "\x1b]0;",
        "ERROR: <input>:1:1: ",
        "(<input>:9",
    ),
    *(SECRETS["PLAIN"], SECRETS["PLAIN"][:-1], SECRETS["LONG"][:-1]),
]


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    # Without a collection first: it would take longer than most of these tests.
    gc.disable()
    yield
    gc.enable()


def test_the_docs_list_every_reader():
    listed = {
        name: (int(longest.replace(",", "")), place)
        for name, longest, place in ROW.findall(PAGE.read_text())
    }

    assert listed == {name: (reader.longest, reader.place) for name, reader in READERS.items()}


@pytest.mark.parametrize("name", READERS)
def test_each_text_is_read_or_refused(name: str):
    for repeated in REPEATED:
        seconds(READERS[name], repeated, min(SHORT, READERS[name].longest))


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_time_grows_with_the_length_only(name: str):
    reader = READERS[name]
    texts = REPEATED if reader.depends_on_text else REPEATED[:1]

    problems = {repeated: problem_with(reader, repeated) for repeated in texts}

    assert {repeated: problem for repeated, problem in problems.items() if problem} == {}


def problem_with(reader: Reader, repeated: str) -> str | None:
    """What is wrong with the time for texts up to the reader's limit."""
    is_held = reader.place == "loop"
    longest = reader.longest if is_held else min(reader.longest, MEASURED)
    most = longest if is_held else min(reader.longest, MOST_MEASURED)
    before = seconds(reader, repeated, longest // 64)
    for length in (longest // 16, longest // 4, longest, longest * 4, longest * 16):
        is_needed = length <= longest or before <= QUICK_SECONDS >= reader.fixed_seconds
        if length > most or not is_needed:
            break
        took = seconds(reader, repeated, length)
        if took > reader.fixed_seconds and took > MOST_GROWTH * before:
            # The shortest of several measurements: others are longer because of what else runs on the machine. Both
            # lengths in turn, because that can take a second.
            shorter = inf
            for _ in range(ROUNDS):
                shorter = min(shorter, seconds(reader, repeated, length // 4))
                took = min(took, seconds(reader, repeated, length))
                if took <= MOST_GROWTH * max(before, shorter):
                    break
            else:
                if took > reader.fixed_seconds * slowness():
                    growth = took / max(before, shorter)
                    return f"{growth:.1f} times as long for {length:,} as for {length // 4:,}"
        before = took
    if is_held and before > MOST_SECONDS:
        took = min(seconds(reader, repeated, longest) for _ in range(3))
        if took > MOST_SECONDS * slowness():
            return f"{took:.2f} s for {longest:,}"
    return None


def seconds(reader: Reader, repeated: str, length: int) -> float:
    """CPU time for reading a text of that length."""
    text = (repeated * (length // len(repeated) + 1))[:length]
    begun = time.thread_time()
    with suppress(StepIQError, ValueError):
        reader.read(text)
    return time.thread_time() - begun
