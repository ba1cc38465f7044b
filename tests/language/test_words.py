from stepiq.language.words import suggest


def test_there_may_be_nothing_to_suggest():
    assert suggest("name", []) == "No names are defined here."
