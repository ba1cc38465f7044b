from datetime import timedelta

import pytest

from stepiq.core.http.messages import retry_after


class TestRetryAfter:
    @pytest.mark.parametrize("value", ["0.5", " 0.5 "])
    def test_seconds(self, value):
        assert retry_after(value) == timedelta(seconds=0.5)

    def test_a_date(self, clock):
        moment = (clock.now() + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")

        assert timedelta(seconds=88) < (retry_after(moment) or timedelta()) <= timedelta(seconds=90)

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "soon",
            "-1",
            "nan",
            "Mon, 01 Jan 2001 00:00:00 GMT",
            "Mon, 01 Jan 2001 00:00:00 +99999999999999",
            "Mon, 01 Jan 99999999999 00:00:00 GMT",
        ],
    )
    def test_nonsense_and_the_past_are_ignored(self, value):
        assert retry_after(value) is None
