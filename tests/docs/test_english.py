"""What users read is plain English: messages, pages of the docs, the OpenAPI document, the hover texts of editors.

Some phrases are never right in a product's texts. When a page or a module uses one, rewrite the sentence: subject, verb,
object, the standard term. A sentence that is right all the same goes into RIGHT_ALL_THE_SAME, whole.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from stepiq.language.definitions.json_schema import document
from tests.docs.pages import PAGES, name, prose, read

NEVER = {
    r"(?<!there )\b(is|are|was|be) no (?!longer|more|less|fewer)": "is not a …",
    r"\bwho(so)?ever\b": "anyone who, a caller that",
    r"\bmend(s|ed|ing)?\b": "fix, correct",
    r"\bby (it|them)sel(f|ves)\b": "automatically, or nothing",
    r"\b(come|comes|came) to be\b|\b(comes?|came) of (it|that|them)\b": "happens, results",
    r"\b(becomes?|became) of\b": "happens to",
    r"\bdead hands\b": "dead workers",
    r"\b(tell|tells|told)\b": "says, reports, shows",
    r"\bstands?\b(?! for\b|-)": "is, exists",
    r"\bstood\b": "was",
    r"\bbesides?\b": "next to, in addition to",
    r"\b(hear|hears|heard)\b": "receive",
    r"\bfor good\b": "permanently",
    r"\bin which order\b": "the order of",
    r"\b(its|their|one's) own thing\b|\bthing of (its|their) own\b": "separate",
    r"\b(is|are|was|were|be|being) asked\b": "is called, is used",
    r"\basks? (this|that|a|the|another|which|no|one) model": "uses, calls",
    r"\bcarr(y|ies|ied|ying) (runs?|it|them|this run|what|on)\b": "execute, continue",
    r"\b(which|that) is the most\b|, the most\b|\bthe most is\b": "the limit is, at most",
    r"\bgo(es)? by the\b": "follows, uses",
    r"\bsaid\b": "reported, described",
    r"\b(is|are) to be\b": "must be",
    r"\bthat there (is|are|was)\b": "available, existing",
    r"\banew\b": "again",
    r"\bany more\b": "no longer",
    r"\bso it is with\b": "the same applies to",
    r"\ball the same\b": "anyway",
    r"\bin hand\b|\bunder way\b": "in progress, active",
    r"\bof (ours|yours|mine)\b": "our, your",
    r"\btakes no\b(?! effect| new)": "does not accept",
    r"\blets? in\b": "accepts",
    r"\bwhat (it|they) (is|are) to\b": "what it should",
    r"\bWho (is|was|has|[a-z]+s)\b(?![^.]*\?)": "A caller that, anyone who",
}
"""Patterns, and what to write instead."""

RIGHT_ALL_THE_SAME: frozenset[str] = frozenset()
"""Sentences that use such a phrase and are right."""

MAX_LINE = 120


@cache
def texts() -> dict[str, list[str]]:
    """What users read, by the page or the module it comes from."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in read("tests/docs/messages.txt").splitlines():
        module, _, text = line.partition(": ")
        found[module].append(text)
    for page in PAGES:
        found[name(page)] += re.split(
            r"\n\s*\n|\n(?=[|#>-])", prose(page.read_text(encoding="utf-8"))
        )
    found["openapi.json"] += _descriptions(json.loads(read("openapi.json")))
    found["language schema"] += _descriptions(document())
    return found


def _descriptions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("description", "summary", "markdownDescription") and isinstance(inner, str):
                yield inner
            else:
                yield from _descriptions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _descriptions(inner)


def _wrong(text: str) -> Iterator[str]:
    text = re.sub(r"\]\([^)]*\)", "]", text)
    sentences = " ".join(re.sub(r"`[^`]*`", "`…`", text).split())
    for right in RIGHT_ALL_THE_SAME:
        sentences = sentences.replace(right, "")
    for pattern, better in NEVER.items():
        for found in re.finditer(pattern, sentences, re.IGNORECASE if "Who" not in pattern else 0):
            around = sentences[max(0, found.start() - 50) : found.end() + 40]
            yield f"`{found[0]}` in “{around}”: write {better}"


def _long_lines(page: str) -> Iterator[str]:
    for line in prose(read(page)).splitlines():
        if len(line) > MAX_LINE and not re.match(r"\s*\||<!--", line) and "://" not in line:
            yield f"{len(line)} characters: {line}"


def test_no_text_has_a_phrase_that_is_never_right():
    found = {
        source: [wrong for text in each for wrong in _wrong(text)]
        for source, each in texts().items()
    }

    assert {source: wrong for source, wrong in found.items() if wrong} == {}


def test_no_line_of_a_page_is_too_long():
    found = {page: list(_long_lines(page)) for page in map(name, PAGES)}

    assert {page: lines for page, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "text",
    [
        "The recipient is no address.",
        "Whoever reads it wins.",
        "Who waits counts as one.",
        "It is told why.",
    ],
)
def test_such_phrases_are_found(text):
    assert list(_wrong(text))


@pytest.mark.parametrize(
    "text", ["There is no step.", "It is no longer here.", "A name stands for a value."]
)
def test_right_ones_are_not(text):
    assert not list(_wrong(text))
