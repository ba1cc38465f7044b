from collections.abc import Iterator

import pytest

from tests.language.templates.oracle.process import Handlebars


@pytest.fixture(scope="session")
def handlebars() -> Iterator[Handlebars]:
    """Handlebars.js, to compare our engine with."""
    with Handlebars() as running:
        yield running
