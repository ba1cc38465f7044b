from hypothesis import given
from hypothesis import strategies as st

from stepiq.providers.answers import ReasoningPiece
from stepiq.providers.openai.thought_tags import ThoughtTags

PARTS = st.sampled_from(
    ["<think>", "</think>", "<thi", "nk>", "</", "a", " ", "\n", "\n" * 1_020, "\n" * 1_024]
)


def read(pieces: list[str]) -> tuple[str, str, int]:
    """The answer, the thoughts, and the length of all that was yielded."""
    tags = ThoughtTags()
    found = [*(each for piece in pieces for each in tags.feed(piece)), *tags.end()]
    answer = "".join(each for each in found if isinstance(each, str))
    thoughts = "".join(each.text for each in found if isinstance(each, ReasoningPiece))
    length = sum(len(each if isinstance(each, str) else each.text) for each in found)
    return answer, thoughts, length


@given(st.lists(PARTS, max_size=12))
def test_any_split_of_a_text_gives_the_same_answer_and_counts_all_of_it(pieces: list[str]):
    text = "".join(pieces)

    assert read(pieces) == read([text]) == read(list(text))
    assert read(pieces)[2] == len(text)
