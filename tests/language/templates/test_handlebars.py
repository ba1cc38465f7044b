"""Our engine writes what Handlebars.js writes, byte for byte, and refuses what it refuses.

Where the two differ on purpose is told in `oracle/reading.js` and `oracle/values.js`, and nowhere else.
"""

import json
from pathlib import Path

import pytest

from tests.language.templates.oracle.comparing import agree, compare, outcome

CHOSEN = json.loads(Path(__file__).with_name("handlebars.json").read_text(encoding="utf-8"))
BATCHES = 2
"""`make fuzz` compares many more."""
BATCH = 500


class TestHandlebars:
    @pytest.mark.slow
    @pytest.mark.parametrize("text", CHOSEN["templates"])
    def test_a_chosen_template_becomes_what_handlebars_makes_of_it(self, handlebars, text):
        (theirs,) = handlebars.answers([(text, CHOSEN["context"])])

        ours = outcome(text, CHOSEN["context"])

        assert agree(ours, theirs), (ours, theirs)

    @pytest.mark.slow
    @pytest.mark.parametrize("start", range(0, BATCHES * BATCH, BATCH))
    def test_random_templates_become_what_handlebars_makes_of_them(self, handlebars, start):
        comparison = compare(handlebars, range(start, start + BATCH))

        assert not comparison.differences, "\n".join(comparison.differences)
        assert min(comparison.outcomes[each] for each in ("text", "refused", "unresolved")) > 20
