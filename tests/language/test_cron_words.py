import pytest

from stepiq.language.schedules import descriptions


class TestDescribe:
    @pytest.mark.parametrize(
        ("expression", "words"),
        [
            ("0 9 * * 1-5", "At 09:00, Monday through Friday"),
            ("*/15 * * * *", "Every 15 minutes"),
            ("*/45 * * * *", "At 0 and 45 minutes past the hour"),
            ("0-59/45 * * * *", "At 0 and 45 minutes past the hour"),
            ("5/45 * * * *", "At 5 and 50 minutes past the hour"),
            ("0,*/45 * * * *", "At 0 and 45 minutes past the hour"),
            ("20/15 * * * *", "At 20, 35, and 50 minutes past the hour"),
            ("5/15 * * * *", "Every 15 minutes, starting at 5 minutes past the hour"),
            ("0-59/1 * * * *", "Every minute"),
            ("0 */18 * * *", "At 00:00 and 18:00"),
            ("0 8-12/2 * * *", "At 08:00, 10:00 and 12:00"),
            ("0 9 */15 * *", "At 09:00, on day 1, 16, and 31 of the month"),
            ("0 9 1 */5 *", "At 09:00, on day 1 of the month, only in January, June, and November"),
            ("0 9 * * */3", "At 09:00, only on Sunday, Wednesday, and Saturday"),
            ("0 9 * */3 *", "At 09:00, every 3 months"),
            ("30 14 1 * *", "At 14:30, on day 1 of the month"),
            ("0 0 * * fri", "At 00:00, only on Friday"),
            ("0 0 LW * *", "At 00:00, on the last weekday of the month"),
            ("0 9 L,15 * *", "At 09:00, on day 15 and the last day of the month"),
            ("0 9 LW,L * *", "At 09:00, on the last weekday and the last day of the month"),
            ("0 9 L,15 * 5", "At 09:00, on day 15 and the last day of the month, or on Friday"),
            ("0 9 */15 * 5", "At 09:00, on day 1, 16, and 31 of the month, only on Friday"),
            ("0 9 1 * */4", "At 09:00, on day 1 of the month, only on Sunday and Thursday"),
            ("0 9 1 * 5", "At 09:00, on day 1 of the month, or on Friday"),
            ("0 9 1 * 1-5", "At 09:00, on day 1 of the month, or Monday through Friday"),
            (
                "0 9 L * 1#2",
                "At 09:00, on the last day of the month, or on the second Monday of the month",
            ),
            ("0 9 *,1 * 5", "At 09:00, only on Friday"),
            ("0 9 1,* * 5", "At 09:00"),
            ("0 9 1 * *,5L", "At 09:00, on day 1 of the month"),
            (
                "0 9 L * 5L",
                "At 09:00, on the last day of the month, or on the last Friday of the month",
            ),
            ("36 *,0 * * mon", "At 36 minutes past the hour, only on Monday"),
            ("*,5 9 * * *", "Every minute, between 09:00 and 09:59"),
            ("0 9 1 * 1-7/1", "At 09:00"),
            ("0 9 1-31 * 5", "At 09:00"),
            ("0 9 1-31/1 * */2", "At 09:00, only on Sunday, Tuesday, Thursday, and Saturday"),
        ],
    )
    def test_it_speaks_english_with_a_clock_of_24_hours(self, expression, words):
        assert descriptions.describe(expression) == words

    @pytest.mark.parametrize(
        "expression", ["0 9 * * 1#2,3#1", "0 9 * * 1#1,5L", "0 9 * * 5L,1", "0 9 L * 1,5L"]
    )
    def test_what_has_no_words_is_repeated(self, expression):
        assert descriptions.describe(expression) == f"At the times of {expression}"
