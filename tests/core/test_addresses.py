import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepiq.core import addresses


class TestParse:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("ada@example.com", "ada@example.com"),
            ("ada+x.y@localhost", "ada+x.y@localhost"),
            ("zoë@bücher.example", "zoë@xn--bcher-kva.example"),
            ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ],
    )
    def test_an_address_is_kept_with_its_domain_in_ascii(self, text, expected):
        assert addresses.parse(text) == expected

    @pytest.mark.parametrize(
        "text",
        ["", "ada", "@a.b", "a@", "a b@c.d", "a@b@c", "a@b\r\nBcc: x@y.z", "<a@b.c>", "a@b..c",
         "a@" + "x" * 64 + ".com", "a" * 65 + "@b.c", "\ud800@b.c", "a@b\u2028c",
         "a@b¯c.d", "a@b\uff0cc.d", "a@b\uff20c.d", "a@\uff1cb.c", "a@" + "ü" * 100],
    )  # fmt: skip
    def test_anything_else_is_none(self, text):
        assert addresses.parse(text) is None

    @given(st.text())
    def test_what_counts_is_one_word(self, text):
        found = addresses.parse(text)

        assert found is None or len(found.split()) == 1

    @given(st.builds("a@{}".format, st.text(min_size=1)))
    def test_a_domain_in_ascii_has_no_special_characters(self, text):
        found = addresses.parse(text)

        assert found is None or re.fullmatch(r"a@[!-~]+", found)
        assert found is None or not set(found[2:]) & set('@<>()[]\\,;:"')


class TestMailbox:
    @pytest.mark.parametrize(
        ("email", "expected"),
        [
            ("Ada@Example.com", "ada@example.com"),
            ("ada+news+x@example.com", "ada@example.com"),
            ("+ada@example.com", "+ada@example.com"),
            ("zoë@bücher.example", "zoë@xn--bcher-kva.example"),
        ],
    )
    def test_it_is_what_addresses_of_one_person_have_in_common(self, email, expected):
        assert addresses.mailbox(email) == expected


class TestParseNamed:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("a@b.example", ("", "a@b.example")),
            (" stepIQ at home <a@b.example> ", ("stepIQ at home", "a@b.example")),
            ('"Ada, Countess" <a@b.example>', ("Ada, Countess", "a@b.example")),
        ],
    )
    def test_a_name_may_stand_before_it(self, text, expected):
        assert addresses.parse_named(text) == expected

    @pytest.mark.parametrize("text", ["", "Ada", "Ada <ada>", "Ada <a@b.c> x", "A\nB <a@b.c>"])
    def test_anything_else_is_none(self, text):
        assert addresses.parse_named(text) is None
