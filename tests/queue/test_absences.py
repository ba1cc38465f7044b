"""When the tickets of a missing worker may be taken."""

import math

import pytest

from stepiq.queue.recovery import Absences

NEVER_LOST = -math.inf
LOST = math.inf
GRACE = 1.0


def ends(absences: Absences) -> dict[str, float]:
    return absences.ends_of_grace(GRACE)


@pytest.fixture
def absences() -> Absences:
    """Of a worker that found another one missing at 100 and 101 seconds, and looks every second."""
    absences = Absences()
    absences.note(["dead"], 100, NEVER_LOST)
    absences.note(["dead"], 101, NEVER_LOST)
    return absences


class TestWithoutOutages:
    def test_the_grace_counts_from_the_first_look_that_misses_a_worker(self, absences: Absences):
        absences.note(["dead", "late"], 102, NEVER_LOST)

        assert ends(absences) == {"dead": 101, "late": 103}

    def test_who_was_seen_again_has_the_whole_grace(self, absences: Absences):
        absences.note([], 102, NEVER_LOST)
        absences.note(["dead"], 103, NEVER_LOST)

        assert ends(absences) == {"dead": 104}

    def test_a_lease_that_was_restored_long_ago_changes_nothing(self, absences: Absences):
        absences.note([], 102, 101.5)
        absences.note(["dead"], 200, 101.5)
        absences.note(["dead"], 201, 101.5)

        assert ends(absences) == {"dead": 201}


class TestFailure:
    def test_the_time_without_the_database_does_not_count(self, absences: Absences):
        absences.note_failure()
        absences.note(["dead"], 151, NEVER_LOST)
        absences.note(["dead"], 152, NEVER_LOST)

        # Missing from 100 to 101, and from 151.
        assert ends(absences) == {"dead": 151}

    def test_only_the_time_until_the_next_look_does_not_count(self, absences: Absences):
        absences.note_failure()
        absences.note([], 151, NEVER_LOST)
        absences.note(["dead"], 152, NEVER_LOST)
        absences.note(["dead"], 153, NEVER_LOST)

        assert ends(absences) == {"dead": 153}


class TestLostLease:
    def test_nobody_is_gone_while_the_own_lease_is_lost(self, absences: Absences):
        absences.note(["dead"], 110, LOST)

        assert ends(absences) == {"dead": math.inf}

    def test_who_is_missing_first_after_it_has_three_seconds(self):
        absences = Absences()
        absences.note([], 100, NEVER_LOST)
        absences.note(["other"], 104, 103.5)

        assert ends(absences) == {"other": 106.5}

    def test_who_is_missing_late_in_these_seconds_has_the_grace(self):
        absences = Absences()
        absences.note([], 100, NEVER_LOST)
        absences.note([], 104, 103.5)
        absences.note(["other"], 106, 103.5)

        assert ends(absences) == {"other": 107}

    @pytest.mark.parametrize(
        "looks",
        [
            pytest.param([], id="restored-between-two-looks"),
            pytest.param([(120, LOST)], id="seen-as-lost"),
            pytest.param([(120, LOST), (140, LOST)], id="seen-as-lost-twice"),
        ],
    )
    def test_the_time_until_it_was_restored_does_not_count(
        self, absences: Absences, looks: list[tuple[float, float]]
    ):
        for now, lease in looks:
            absences.note(["dead"], now, lease)
        absences.note(["dead"], 150.4, 150)

        # Missing from 100 to 101, and from 150: three seconds at 152.
        assert ends(absences) == {"dead": 152}

    def test_seconds_before_each_of_several_outages_count(self, absences: Absences):
        absences.note(["dead"], 150.4, 150)
        absences.note(["dead"], 150.5, 150)
        absences.note(["dead"], 200.4, 200)

        # Missing from 100 to 101, from 150 to 150.5, and from 200.
        assert ends(absences) == {"dead": 201.5}

    def test_who_was_missing_for_long_before_it_has_the_grace_once_more(self, absences: Absences):
        absences.note(["dead"], 110, NEVER_LOST)
        absences.note(["dead"], 150.4, 150)

        assert ends(absences) == {"dead": 151}

    def test_a_failed_look_after_it_was_restored_counts_from_then(self, absences: Absences):
        absences.note_failure()
        absences.note(["dead"], 150.4, 150)

        assert ends(absences) == {"dead": 152}
