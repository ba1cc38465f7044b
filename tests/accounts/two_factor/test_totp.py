from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from stepiq.accounts.two_factor import codes as totp

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
HOTP = [
    "755224",
    "287082",
    "359152",
    "969429",
    "338314",
    "254676",
    "287922",
    "162583",
    "399871",
    "520489",
]


class TestCode:
    @pytest.mark.parametrize(("step", "code"), list(enumerate(HOTP)))
    def test_vectors_of_rfc_4226(self, step, code):
        assert totp.code_of(SECRET, step) == code

    @pytest.mark.parametrize(
        ("time", "code"),
        [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ],
    )
    def test_vectors_of_rfc_6238(self, time, code):
        step = totp.step_at(datetime.fromtimestamp(time, UTC))

        # The RFC shows eight digits.
        assert totp.code_of(SECRET, step) == code[-6:]


class TestMatchingStep:
    NOW = datetime(2026, 11, 27, 12, 0, 15, tzinfo=UTC)
    STEP = totp.step_at(NOW)

    @pytest.mark.parametrize(
        ("drift", "is_accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
    )
    def test_clocks_can_differ_by_one_step(self, drift, is_accepted):
        code = totp.code_of(SECRET, self.STEP + drift)

        found = totp.matching_step(SECRET, code, self.NOW, after=0)

        assert found == (self.STEP + drift if is_accepted else None)

    def test_a_code_is_valid_from_the_step_before_it_to_the_step_after_it(self):
        begin = datetime.fromtimestamp(self.STEP * totp.PERIOD_SECONDS, UTC)
        code = totp.code_of(SECRET, self.STEP)

        def is_accepted(seconds):
            at = begin + timedelta(seconds=seconds)
            return totp.matching_step(SECRET, code, at, after=0) is not None

        assert [is_accepted(each) for each in (-31, -30, 0, 59, 60)] == [
            False,
            True,
            True,
            True,
            False,
        ]

    @pytest.mark.parametrize("after", [0, 1])
    def test_steps_that_were_used_are_refused(self, after):
        used = self.STEP + after
        codes = [totp.code_of(SECRET, self.STEP + each) for each in (-1, 0, 1)]

        found = [totp.matching_step(SECRET, code, self.NOW, after=used) for code in codes]

        assert found == [None, None, self.STEP + 1 if after == 0 else None]

    @pytest.mark.parametrize("code", ["", "1234567", "abcdef", "١٢٣٤٥٦", "12345é"])
    def test_other_texts_match_nothing(self, code):
        assert totp.matching_step(SECRET, code, self.NOW, after=0) is None


class TestSecret:
    def test_it_has_160_bits_without_padding(self):
        made = {totp.new_secret() for _ in range(100)}

        assert len(made) == 100
        assert all(len(each) == 32 and "=" not in each for each in made)


class TestUri:
    def test_apps_can_read_it(self):
        uri = totp.uri(SECRET, issuer="stepIQ example.com", email="ada+x y@example.com")

        parts = urlsplit(uri)
        assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
        assert parts.path == "/stepIQ%20example.com:ada%2Bx%20y@example.com"
        assert "+" not in parts.query
        assert parse_qs(parts.query) == {"secret": [SECRET], "issuer": ["stepIQ example.com"]}
