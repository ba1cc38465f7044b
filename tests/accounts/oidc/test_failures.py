import re
from pathlib import Path

import pytest

from stepiq.accounts.oidc.errors import SignInFailure

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("failure", list(SignInFailure))
def test_each_has_a_sentence_on_the_sign_in_page_and_a_row_in_the_guide(failure: SignInFailure):
    strings = (ROOT / "ui" / "src" / "features" / "sso" / "strings.ts").read_text("utf-8")
    guide = (ROOT / "docs" / "single-sign-on.md").read_text("utf-8")

    assert re.search(rf"^  {failure}: \(", strings, re.MULTILINE)
    assert f"\n| `{failure}` |" in guide
