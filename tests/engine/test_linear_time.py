"""No text from outside takes more than linear time, whatever it repeats."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from stepiq.core import json, mail
from stepiq.core.errors import StepIQError
from stepiq.engine.masking import Masker
from stepiq.engine.providers.masking import mask, storable
from stepiq.engine.providers.replies import Reply
from stepiq.engine.steps import webhook
from stepiq.engine.steps.answers import parse_json
from stepiq.language import foreign
from stepiq.language.expressions import Expression, source
from stepiq.language.loading import load
from stepiq.language.source import SourceFormat
from stepiq.language.templates import Template
from stepiq.notify import sending

KEY = "sk-proj-4f7Qm2ZxLkT9vB8cR1nS6wYd3eH5gJ0a"
SECRETS = {"PLAIN": "correct horse battery", "ROW": "a" * 40, "LONG": "ab" * 2_000}
MASKER = Masker(SECRETS)
SHORT, MEDIUM, LONG = 400, 4_000, 16_000
LENGTHS = {"expression": (source.MAX_LENGTH // 4, source.MAX_LENGTH)}
"""Of the shorter and the longer text of readers that refuse longer ones."""
MEASURABLE_SECONDS = 0.01
"""What takes less is fast enough, and too short to be compared."""
MOST_GROWTH = 9.0
"""Of the time for a text four times as long. Linear is 4, quadratic is 16."""

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
    ),
    *(SECRETS["PLAIN"], SECRETS["PLAIN"][:-1], SECRETS["LONG"][:-1]),
]


def in_pieces(text: str) -> None:
    stream = MASKER.stream()
    for start in range(0, len(text), 256):
        stream.feed(text[start : start + 256])
    stream.flush()


def in_bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def in_a_pipeline(text: str) -> Any:
    indented = text.replace("\n", "\n      ")
    return load(f"name: a\nsteps:\n  - id: a\n    prompt: |\n      {indented}\n", SourceFormat.YAML)


READERS: dict[str, Callable[[str], Any]] = {
    "mask": lambda text: mask(text, KEY),
    "mask without a key": lambda text: mask(text, None),
    "storable": storable,
    "masker": MASKER.text,
    "masked stream": in_pieces,
    "error of a provider": lambda text: Reply.read(400, {}, text),
    "error in JSON": lambda text: Reply.read(400, {}, '{"error": {"message": "' + text),
    "answer of a model": parse_json,
    "fenced answer": lambda text: parse_json("```json\n" + text),
    "JSON": lambda text: json.loads(in_bytes(text)),
    "JSON text": lambda text: json.loads(b'["' + in_bytes(text) + b'"]'),
    "reply": lambda text: webhook._text(in_bytes(text), "text/plain"),
    "excerpt": lambda text: sending.excerpt(in_bytes(text), MASKER, is_cut=False),
    "mail server": mail._one_line,
    "template": Template.compile,
    "other syntax": lambda text: list(foreign.find(text, lambda name: None)),
    "expression": Expression.compile,
    "YAML": lambda text: load(text, SourceFormat.YAML),
    "JSON definition": lambda text: load(text, SourceFormat.JSON),
    "prompt": in_a_pipeline,
}


@pytest.mark.parametrize("reader", READERS)
def test_each_text_is_read_or_refused(reader: str):
    for repeated in REPEATED:
        seconds(READERS[reader], repeated, SHORT)


def test_an_expression_is_not_refused_for_its_length():
    _, longest = LENGTHS["expression"]

    text = "input.".ljust(longest, "x")

    assert Expression.compile(text).source == text


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_time_grows_with_the_length_only(reader: str):
    read, lengths = READERS[reader], LENGTHS.get(reader, (MEDIUM, LONG))

    slow = {
        repeated: growth
        for repeated in REPEATED
        if (growth := growth_of(read, repeated, *lengths)) > MOST_GROWTH
    }

    assert slow == {}


def growth_of(read: Callable[[str], Any], repeated: str, shorter: int, longer: int) -> float:
    """How many times as long a text takes that is four times as long."""
    long = seconds(read, repeated, longer)
    if long < MEASURABLE_SECONDS:
        return 0
    # The shortest of several measurements: others are longer because of what else runs on the machine.
    long = min(long, *(seconds(read, repeated, longer) for _ in range(2)))
    return long / min(seconds(read, repeated, shorter) for _ in range(5))


def seconds(read: Callable[[str], Any], repeated: str, length: int) -> float:
    """CPU time for reading a text of that length."""
    text = (repeated * (length // len(repeated) + 1))[:length]
    begun = time.thread_time()
    with suppress(StepIQError, ValueError):
        read(text)
    return time.thread_time() - begun
