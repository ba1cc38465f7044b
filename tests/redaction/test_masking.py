import base64
import itertools
import json
import urllib.parse

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepiq.core.json import Json
from stepiq.redaction.masking import Masker
from tests.support.pace import cpu_limit

SECRET = 's3cr3t/Ça va+bien?&"quoted"\\path\n😀=end'
MASK = "[secret:TOKEN]"


@pytest.fixture
def masker():
    return Masker({"TOKEN": SECRET})


def in_basic_auth(secret, before="user:"):
    return base64.b64encode(f"{before}{secret}".encode()).decode()


def percent_encoded(secret):
    return "".join(f"%{byte:02x}" for byte in secret.encode())


def unicode_escaped(secret):
    units = secret.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02X}{units[at + 1]:02x}" for at in range(0, len(units), 2))


WRITTEN = {
    "itself": lambda secret: secret,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "base64 without padding": lambda secret: (
        base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
    ),
    "basic auth": in_basic_auth,
    "basic auth, second alignment": lambda secret: in_basic_auth(secret, "a:"),
    "basic auth, third alignment": lambda secret: in_basic_auth(secret, "a"),
    "base64 in lines": lambda secret: base64.encodebytes(f"{'x' * 50}{secret}".encode()).decode(),
    "base64 of JSON": lambda secret: base64.b64encode(
        json.dumps({"key": secret}).encode()
    ).decode(),
    "base64 of URL": lambda secret: base64.b64encode(
        urllib.parse.quote(secret, safe="").encode()
    ).decode(),
    "URL": lambda secret: urllib.parse.quote(secret, safe=""),
    "URL path": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "all of it in %xx": percent_encoded,
    "twice URL": lambda secret: urllib.parse.quote(urllib.parse.quote(secret, safe="")),
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON as UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "JSON with escaped slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "all of it in \\u": unicode_escaped,
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret)),
    "JSON in a URL": lambda secret: urllib.parse.quote(json.dumps(secret)),
    "URL in JSON": lambda secret: unicode_escaped(urllib.parse.quote(secret)),
    "base64 in a URL": lambda secret: urllib.parse.quote(in_basic_auth(secret), safe=""),
    "base64 in JSON": lambda secret: in_basic_auth(secret).replace("/", "\\/"),
}

SECRETS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=8, max_size=40
) | st.text('ab\\%+/-_ u0041"', min_size=8, max_size=24)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text(
    "ab\\%+ u041\n", max_size=30
)


def pieces_of(text, cuts):
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(places)]


def streamed(masker, pieces):
    stream = masker.stream()
    return "".join([*(stream.feed(piece) for piece in pieces), stream.flush()])


def survives(secret, text):
    """Whether any of the ways to write it is still there."""
    encoded = WRITTEN["base64 without padding"](secret)[:-1]
    return encoded in text or any(
        written(secret) in text for name, written in WRITTEN.items() if "base64" not in name
    )


class TestText:
    @pytest.mark.parametrize("way", WRITTEN)
    def test_a_secret_is_found_however_it_is_written(self, masker, way):
        text = f"before {WRITTEN[way](SECRET)} after"

        masked = masker.text(text)

        assert MASK in masked
        assert masked.startswith("before ")
        assert masked.endswith(" after")
        assert not survives(SECRET, masked)

    def test_what_stands_around_it_stays(self, masker):
        assert masker.text(f"Bearer {SECRET}, then {SECRET}.") == f"Bearer {MASK}, then {MASK}."

    def test_a_text_without_secrets_stays_as_it_is(self, masker):
        text = 'Nothing here: 100%, a+b, "\\u0041", %41, aGVsbG8gd29ybGQ='

        assert masker.text(text) == text

    def test_secrets_that_overlap_leave_nothing_of_either(self):
        masker = Masker({"LEFT": "abcdefgh1234", "RIGHT": "1234stuvwxyz"})

        assert masker.text("<abcdefgh1234stuvwxyz>") == "<[secret:LEFT]>"

    def test_the_longer_of_two_that_begin_alike_gives_the_name(self):
        masker = Masker({"SHORT": "abcdefgh", "LONG": "abcdefghijkl"})

        assert masker.text("abcdefghijkl abcdefgh") == "[secret:LONG] [secret:SHORT]"

    def test_a_secret_that_repeats_itself_is_one(self):
        masker = Masker({"TOKEN": "abababab"})

        assert masker.text(f"<{'ab' * 50}>") == f"<{MASK}>"

    def test_overlapping_occurrences_of_a_long_secret_get_one_label(self):
        masker = Masker({"TOKEN": "ab" * 150})

        assert masker.text(f"<{'ab' * 500}>") == f"<{MASK}>"

    def test_occurrences_with_a_short_overlap_get_one_label(self):
        masker = Masker({"TOKEN": "abaabaXabaaba"})

        assert masker.text("<abaabaXabaabaabaXabaaba>") == f"<{MASK}>"

    def test_the_line_end_after_a_base64_secret_stays(self):
        masker = Masker({"TOKEN": "abcdefghi"})

        assert masker.text("YWJjZGVmZ2hp\nabc") == f"{MASK}\nabc"

    def test_one_that_is_too_short_stays_and_is_named(self):
        masker = Masker({"PIN": "1234567", "TOKEN": "12345678"})

        assert masker.text("1234567 and 12345678") == f"1234567 and {MASK}"
        assert masker.unmasked == ("PIN",)

    def test_white_space_around_a_secret_need_not_be_there(self):
        masker = Masker({"TOKEN": " 12345678\n"})

        assert masker.text("<12345678> and < 12345678\n>") == f"<{MASK}> and < {MASK}\n>"

    def test_white_space_counts_where_the_rest_is_too_short(self):
        assert Masker({"TOKEN": " 1234567"}).text("1234567 1234567") == f"1234567{MASK}"

    def test_a_label_is_no_secret_itself(self):
        masker = Masker({"PASSWORD_ONE": "PASSWORD_ONE", "OTHER": "[{<secret:OTHER"})

        assert masker.text("PASSWORD_ONE") == "(secret)"
        assert masker.text("[{<secret:OTHER") == "(secret:OTHER)"

    def test_without_secrets_nothing_is_looked_for(self):
        masker = Masker({})

        assert masker.is_empty
        assert masker.text("anything at all") == "anything at all"

    @given(secret=SECRETS, before=TEXTS, after=TEXTS, way=st.sampled_from(sorted(WRITTEN)))
    def test_no_secret_survives_and_masking_again_changes_nothing(self, secret, before, after, way):
        masker = Masker({"TOKEN": secret})

        masked = masker.text(f"{before} {WRITTEN[way](secret)} {after}")

        assert not survives(secret, masked)
        assert masker.text(masked) == masked

    @given(text=TEXTS, secret=SECRETS)
    def test_a_text_is_changed_only_for_a_secret(self, text, secret):
        masked = Masker({"TOKEN": f"\ue000{secret}"}).text(text)

        assert masked == text


class TestValue:
    def test_texts_and_names_are_masked_at_every_depth(self, masker):
        value = {"list": [{SECRET: SECRET}, 1, True, None], "other": {"deep": f"x{SECRET}"}}

        assert masker.value(value) == {
            "list": [{MASK: MASK}, 1, True, None],
            "other": {"deep": f"x{MASK}"},
        }

    def test_a_secret_of_digits_is_found_in_numbers(self):
        masker = Masker({"PIN": "12345678"})

        assert masker.value([12345678, 912345678, 1234567, True]) == [
            "[secret:PIN]",
            "9[secret:PIN]",
            1234567,
            True,
        ]

    def test_without_secrets_the_value_is_given_back(self):
        value: Json = {"a": [1]}

        assert Masker({}).value(value) is value


class TestMaskedStream:
    def test_text_leaves_as_soon_as_it_can_be_no_secret(self, masker):
        stream = masker.stream()

        assert stream.feed("Hello wor") == "Hello wor"
        assert stream.feed("ld s3cr") == "ld "
        assert stream.feed("ap! ") == "s3crap! "
        assert stream.flush() == ""

    def test_what_may_begin_a_secret_waits(self, masker):
        stream = masker.stream()

        assert stream.feed(f"key {SECRET[:9]}") == "key "
        assert stream.feed(f"{SECRET[9:]} end") == f"{MASK} end"

    def test_what_was_held_back_comes_with_the_end(self, masker):
        stream = masker.stream()

        assert stream.feed("100%") == "100"
        assert stream.feed(SECRET[:4]) == "%"
        assert stream.flush() == SECRET[:4]
        assert stream.flush() == ""

    @pytest.mark.parametrize("way", WRITTEN)
    def test_a_secret_in_single_characters_is_found(self, masker, way):
        text = f"before {WRITTEN[way](SECRET)} after"

        assert streamed(masker, text) == masker.text(text)

    @settings(max_examples=300)
    @given(
        secrets=st.lists(SECRETS, min_size=1, max_size=3),
        parts=st.lists(st.tuples(TEXTS, st.sampled_from(sorted(WRITTEN))), max_size=4),
        cuts=st.lists(st.integers(0, 600), max_size=12),
    )
    @example(secrets=["aaaaaaaa"], parts=[("aaaaaaaaaaa", "itself")] * 3, cuts=[3, 9, 12, 20])
    @example(
        secrets=[' -\\"/+b"ua\\ b'],
        parts=[("", "base64 in JSON"), ("\n+", "base64"), ("", "URL")],
        cuts=[9, 28, 52],
    )
    @example(secrets=["ababababa", "abababab"], parts=[("ab" * 7, "itself")], cuts=[9])
    @example(secrets=["ab" * 150], parts=[("ab" * 500, "itself")], cuts=[650])
    @example(
        secrets=["abcdefgh"],
        parts=[(r"\u005c" * 11 + r"\\\\u0061bcdefgh", "itself")],
        cuts=[68, 72],
    )
    def test_however_it_is_cut_a_stream_gives_the_masked_text(self, secrets, parts, cuts):
        masker = Masker({f"S{number}": secret for number, secret in enumerate(secrets)})
        text = "".join(
            f"{before} {WRITTEN[way](secrets[number % len(secrets)])}"
            for number, (before, way) in enumerate(parts)
        )

        given_out = streamed(masker, pieces_of(text, cuts))

        assert given_out == masker.text(text)

    @given(text=TEXTS, cuts=st.lists(st.integers(0, 30), max_size=5))
    def test_a_text_without_secrets_comes_through(self, text, cuts):
        masker = Masker({"TOKEN": "\ue000 is in no text"})

        assert streamed(masker, pieces_of(text, cuts)) == text

    def test_without_secrets_every_piece_leaves_at_once(self):
        stream = Masker({}).stream()

        assert stream.feed("100%") == "100%"
        assert stream.flush() == ""


class TestTime:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "text",
        [
            "lorem ipsum " * 21_000,
            "%41" * 87_000,
            "\\\\u0041" * 37_000,
            "a" * 262_144,
            "a%255c" * 43_000,
            "ab\n" * 87_000,
        ],
        ids=["prose", "percent", "unicode", "repeated", "twice", "lines"],
    )
    @pytest.mark.parametrize("secret", ["correct horse battery staple", "a" * 10_000, "a" * 200])
    def test_the_worst_texts_take_moments(self, text, secret):
        masker = Masker({"TOKEN": secret, "OTHER": "b" + "a" * 4_000 + "b" + "a" * 4_000})

        with cpu_limit(5):
            masker.text(text)

    def test_what_is_held_back_is_bounded(self):
        stream = Masker({"TOKEN": "ab" * 50}).stream()

        held = len("ab" * 5_000) - sum(len(stream.feed("ab")) for _ in range(5_000))

        assert held > 0
        assert len(stream._text) < 400


class TestNested:
    @pytest.mark.parametrize("inner_before", ["", "a", "ab"])
    @pytest.mark.parametrize("outer_before", ["", "a", "ab"])
    @pytest.mark.parametrize(
        "encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["usual", "for-urls"]
    )
    def test_base64_of_base64_is_found_at_every_place(self, encode, inner_before, outer_before):
        secret = "c4n?>ary~7f3a91"
        inner = encode(f"{inner_before}{secret} and more".encode()).decode()
        text = encode(f"{outer_before}{inner} and more".encode()).decode()

        assert "[secret:TOKEN]" in Masker({"TOKEN": secret}).text(f"<{text}>")

    def test_lower_case_as_in_a_host_is_found(self):
        masker = Masker({"TOKEN": "AbCdEfGhIj"})

        assert masker.text("`abcdefghij.example.com`") == "`[secret:TOKEN].example.com`"


class TestManySecrets:
    """With many secrets, the beginnings of secrets are looked up instead of compared one by one."""

    @pytest.mark.parametrize("number", [1, 200])
    @pytest.mark.parametrize("encode", [str, lambda text: base64.b64encode(text.encode()).decode()])
    def test_a_secret_is_masked_wherever_a_stream_is_cut(self, number, encode):
        secrets = {f"KEY_{n}": f"shared-beginning-{n:03}-{n * 7919:08}" for n in range(number)}
        masker = Masker(secrets)
        text = f"The key is {encode(secrets[f'KEY_{number - 1}'])}, as before"

        outputs = {streamed(masker, pieces_of(text, [at])) for at in range(len(text))}

        assert outputs == {masker.text(text)}
        assert masker.label(f"KEY_{number - 1}") in masker.text(text)

    def test_a_secret_as_long_as_the_text_is_found(self):
        masker = Masker({"LONG": "l" * 5_000, "TOKEN": "0123456789"})

        assert masker.text("0123456789") == MASK
