import pytest

from tests.language.mistakes.page import PAGE, Mistake, messages, mistakes, written

ALL = mistakes(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.title)
def test_a_mistake_gets_its_messages(mistake: Mistake):
    assert messages(mistake.text) == mistake.messages


def test_the_page_has_nothing_else():
    assert len(ALL) > 50
    assert PAGE.read_text(encoding="utf-8") == written(ALL)
