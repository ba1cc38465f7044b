from stepiq.core.recent import Recent


def test_the_entry_that_was_not_used_for_longest_makes_room():
    recent = Recent[str, int](3)
    for number, key in enumerate("abc"):
        recent[key] = number
    recent.move_to_end("a")
    recent["b"] = 5

    recent["d"] = 6

    assert list(recent.items()) == [("a", 0), ("b", 5), ("d", 6)]
